//! `ottla log verify`, beside a node and on files that are damaged.

use super::{Place, command, text};
use serde_json::Value;
use std::os::unix::fs::FileExt;

fn verify(line: &str) -> (bool, Vec<Value>) {
    let output = command(&format!("log verify --json {line}")).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn the_directory_of_a_node_at_work_is_verified() {
    let place = Place::start();
    for (topic, value) in [("orders", "one"), ("orders", "two"), ("orders", "three"), ("payments", "four")] {
        place.produce(topic, &[value]);
    }
    place.run("console-consumer --topic orders --group billing --from-beginning --max-messages 3");
    let dir = place.node.directory().display().to_string();
    let (is_sound, told) = verify(&format!("--log-dirs {dir}"));
    assert!(is_sound, "{told:?}");
    assert_eq!(told[0]["findings"], 0);
    assert!(told[0]["partitions"].as_u64() >= Some(4), "{told:?}");
    let (_, told) = verify(&format!("--log-dirs {dir} --topic orders"));
    assert_eq!((&told[0]["partitions"], &told[0]["batches"]), (&1.into(), &3.into()));
    let words = text(command(&format!("log verify --log-dirs {dir}/orders-0")).output().unwrap());
    assert!(
        words.starts_with("1 partitions, 1 segments, 3 batches, ") && words.ends_with("nothing is wrong\n"),
        "{words}"
    );
}

#[test]
fn damage_is_named_with_its_file_and_place() {
    let place = Place::start();
    ["one", "two", "three"].iter().for_each(|value| place.produce("orders", &[value]));
    let log = place.node.directory().join("orders-0/00000000000000000000.log");
    let file = std::fs::File::options().read(true).write(true).open(&log).unwrap();
    let second = u64::from(u32::from_be_bytes({
        let mut length = [0; 4];
        file.read_exact_at(&mut length, 8).unwrap();
        length
    })) + 12;
    file.write_all_at(b"X", second + 67).unwrap();
    let (is_sound, told) = verify(&format!("--log-dirs {}", place.node.directory().display()));
    assert!(!is_sound);
    assert_eq!(told[0]["file"], log.display().to_string());
    assert_eq!((&told[0]["position"], &told[0]["offset"]), (&second.into(), &1.into()));
    assert!(told[0]["what"].as_str().unwrap().starts_with("the batch's checksum is "), "{told:?}");
    assert_eq!(told[1]["findings"], 1);
}

#[test]
fn where_to_look_must_be_said() {
    let output = command("log verify").output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--config FILE or --log-dirs DIR"), "{told}");
    let output = command("log verify --log-dirs /no/such/place").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("/no/such/place"));
}
