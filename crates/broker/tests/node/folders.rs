//! What a start makes of the folders that it finds: stray ones are set aside and kept, and of a partition that lies in two
//! directories it is not guessed which is right.

use crate::harness::{Fixture, LOG_DIR, OTHER_LOG_DIR, directory_id};
use ottla_broker::Authorization;
use ottla_machine::Disk;
use std::path::{Path, PathBuf};

fn two_directories() -> Fixture {
    Fixture::with_log_dirs(&[LOG_DIR, OTHER_LOG_DIR], Authorization::None, &[])
}

fn stopped(fixture: &Fixture) {
    fixture.stop();
    fixture.disk.kill_process();
}

/// The folders of a topic's partitions in a directory.
fn folders(fixture: &Fixture, dir: &str, topic: &str) -> Vec<String> {
    let names = fixture.disk.list(Path::new(dir)).unwrap();
    names.iter().map(|name| name.to_str().unwrap().to_owned()).filter(|name| name.starts_with(topic)).collect()
}

fn copy(fixture: &Fixture, from: &Path, to: &Path) {
    fixture.disk.create_dir_all(to).unwrap();
    for name in fixture.disk.list(from).unwrap() {
        let content = fixture.disk.read(&from.join(&name)).unwrap();
        fixture.disk.write_atomically(&to.join(&name), &content).unwrap();
    }
}

/// Where the only partition of `t` lies, and the other directory.
fn lies(fixture: &Fixture) -> (&'static str, &'static str) {
    let published = fixture.node.published();
    let directory = published.image.topics.partition("t", 0).unwrap().directory_of(1);
    if directory == Some(directory_id(LOG_DIR)) { (LOG_DIR, OTHER_LOG_DIR) } else { (OTHER_LOG_DIR, LOG_DIR) }
}

fn folder(dir: &str) -> PathBuf {
    Path::new(dir).join("t-0")
}

#[test]
fn a_topic_of_an_earlier_life_is_stray() {
    let mut fixture = two_directories();
    fixture.create_topic("t", 1);
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"earlier"), (0, 0));
    let (dir, _) = lies(&fixture);
    // Its directory is away when the topic is deleted and made anew.
    copy(&fixture, &folder(dir), Path::new("/kept"));
    assert_eq!(fixture.delete_topic("t"), 0);
    assert_eq!(fixture.create_topic("t", 1).0, 0);
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"later"), (0, 0));
    let (_, other) = lies(&fixture);
    stopped(&fixture);
    copy(&fixture, Path::new("/kept"), &folder(other));
    fixture.restart();
    assert_eq!(fixture.read_all("t", 0), [b"later"]);
    let stray = folders(&fixture, other, "t-0");
    assert!(
        matches!(&stray[..], [name] if name.ends_with("-stray") && name.len() == "t-0.".len() + 32 + 6),
        "{stray:?}"
    );
    let content = fixture.disk.read(&Path::new(other).join(&stray[0]).join("00000000000000000000.log")).unwrap();
    assert!(content.windows(7).any(|window| window == b"earlier"));
    // It stays what it is.
    stopped(&fixture);
    fixture.restart();
    assert_eq!(folders(&fixture, other, "t-0"), stray);
}

#[test]
fn a_folder_that_does_not_say_whose_it_is_is_stray() {
    let mut fixture = two_directories();
    fixture.create_topic("t", 1);
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"value"), (0, 0));
    let (dir, _) = lies(&fixture);
    stopped(&fixture);
    fixture.disk.remove_file(&folder(dir).join("partition.metadata")).unwrap();
    fixture.restart();
    assert!(folders(&fixture, dir, "t-0").iter().any(|name| name.ends_with("-stray")));
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"anew"), (0, 0));
}

#[test]
fn a_topic_that_is_made_anew_is_served() {
    let mut fixture = two_directories();
    fixture.create_topic("t", 1);
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"earlier"), (0, 0));
    stopped(&fixture);
    fixture.restart();
    // Its folder was found at the start.
    assert_eq!(fixture.delete_topic("t"), 0);
    assert_eq!(fixture.create_topic("t", 1).0, 0);
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"later"), (0, 0));
    assert_eq!(fixture.read_all("t", 0), [b"later"]);
}

#[test]
fn of_two_logs_of_a_partition_the_one_that_the_metadata_names_is_taken_if_it_is_no_shorter() {
    let mut fixture = two_directories();
    fixture.create_topic("t", 1);
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"first"), (0, 0));
    let (dir, other) = lies(&fixture);
    stopped(&fixture);
    copy(&fixture, &folder(dir), Path::new("/kept"));
    fixture.restart();
    assert_eq!(fixture.produce(&fixture.admin, "t", 0, b"second"), (0, 1));
    stopped(&fixture);
    copy(&fixture, Path::new("/kept"), &folder(other));
    fixture.restart();
    assert_eq!(fixture.read_all("t", 0), [b"first".to_vec(), b"second".to_vec()]);
    let stray = folders(&fixture, other, "t-0");
    assert!(stray.len() == 1 && stray[0].ends_with("-stray"), "{stray:?}");
    // The other way round nobody can tell.
    stopped(&fixture);
    fixture.disk.rename(&folder(dir), &folder(other)).unwrap();
    copy(&fixture, Path::new("/kept"), &folder(dir));
    let refused = fixture.refused_restart();
    assert!(refused.starts_with("Duplicate log directories for t-0 are found in both /"), "{refused}");
}

#[test]
fn metadata_in_another_directory_than_its_own_is_refused() {
    let mut fixture = two_directories();
    stopped(&fixture);
    fixture.disk.create_dir_all(&Path::new(OTHER_LOG_DIR).join("__cluster_metadata-0")).unwrap();
    let refused = fixture.refused_restart();
    assert!(refused.starts_with("Found unexpected metadata location in data directory `/more/__cluster"), "{refused}");
}
