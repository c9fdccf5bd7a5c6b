//! `ottla metadata-shell`: the cluster's metadata as a tree to look around in, as `kafka-metadata-shell.sh`.
//!
//! A snapshot or the metadata log itself is read whole into an image, and the image becomes the tree. At a terminal a line
//! can be edited, completed and brought back.

mod complete;
mod glob;
mod shell;
mod tree;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, complain, flag, say, say_json, say_raw, speaks_json,
    text, words,
};
use crate::log_file::Source;
use complete::Offers;
use ottla_io::disk::RealDisk;
use ottla_machine::Disk;
use ottla_metadata::framing;
use ottla_metadata::image::Loader;
use ottla_wire::batch::Codecs;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{CompletionType, Editor};
use serde_json::json;
use shell::{After, Shell};
use std::cell::RefCell;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tree::{Node, Provenance};

pub(crate) const TOOL: Tool = Tool {
    name: "metadata-shell",
    script: "kafka-metadata-shell",
    classes: &["org.apache.kafka.shell.MetadataShell"],
    group: Group::Cluster,
    about: "The Apache Kafka metadata shell",
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "metadata-shell --snapshot data/__cluster_metadata-0/00000000000000000000.log",
        "metadata-shell --snapshot data/__cluster_metadata-0/00000000000000000000.log tree /image/topics/byName",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("snapshot", "SNAPSHOT", "The snapshot, or the file of the metadata log, to read.").also(&["s"]).required(),
    words("command", "COMMAND", "What to run, instead of asking: cat, find, ls or tree, with its paths."),
    flag("json", "Print one JSON object a command, with the lines that it shows, instead of text."),
];

fn run(parsed: &Parsed) -> Done {
    let path = PathBuf::from(parsed.value("snapshot")?.unwrap_or_default());
    let command: Vec<String> = parsed.values("command").into_iter().map(str::to_owned).collect();
    let loaded = lock(&path).and_then(|lock| {
        if command.is_empty() {
            say("Loading...");
        }
        Ok((load(&path)?, lock))
    });
    let (root, _lock) = loaded.map_err(|failure| Failure::told(format!("Unexpected error: {failure}")))?;
    let mut shell = Shell::new(root);
    if command.is_empty() {
        return interact(shell);
    }
    answer(&mut shell, &command);
    Ok(())
}

/// A snapshot of a directory that a node may be using is read only while none does: a file may go at any time.
fn lock(snapshot: &Path) -> Done<Option<<RealDisk as Disk>::Lock>> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => path.to_owned(),
    };
    let directory = parent(&parent(snapshot));
    let lock = directory.join(".lock");
    if !lock.exists() {
        return Ok(None);
    }
    RealDisk.lock(&lock).map(Some).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Failure::told(format!(
            "Unable to lock {}. Please ensure that no broker or controller process is using this directory before proceeding.",
            std::path::absolute(&directory).unwrap_or(directory).display()
        )),
        _ => Failure::told(format!("{}: {error}", lock.display())),
    })
}

/// What cannot be read, or does not fit, is told and passed over: the shell is for metadata that is in trouble, too.
fn load(path: &Path) -> Done<Node> {
    let source = Source::open(path)?;
    let mut loader = Loader::default();
    let mut provenance = Provenance::default();
    let mut published = loader.image().clone();
    let mut codecs = Codecs::default();
    let mut position = 0;
    while let Some(batch) = source.batch_at(position, source.size)? {
        position += batch.size;
        if batch.header.attributes.is_control() {
            continue;
        }
        source.records(&batch, &mut codecs, |record| {
            let offset = record.offset;
            match framing::decode(record.record.value.unwrap_or_default()) {
                Ok(read) => {
                    if let Err(error) = loader.replay(&read) {
                        complain(&format!("ERROR {error} (offset {offset})"));
                    }
                }
                Err(error) => complain(&format!("ERROR unable to read metadata record at offset {offset}: {error}")),
            }
            Ok(())
        })?;
        // A transaction without its end has not happened yet.
        if let Some((image, _)) = loader.publish() {
            published = image;
            provenance = Provenance {
                offset: batch.header.last_offset(),
                epoch: batch.header.partition_leader_epoch,
                time_ms: batch.header.max_timestamp,
            };
        }
    }
    Ok(tree::root(&published, provenance))
}

/// Reads lines until there are no more. At a terminal they can be edited, and come back.
fn interact(mut shell: Shell) -> Done {
    say("Starting...");
    say("[ Kafka Metadata Shell ]");
    shell.history = Some(Vec::new());
    shell.width = Some(width());
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return at_terminal(shell);
    }
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::told(format!("standard input: {error}")))?;
        if answer_line(&mut shell, &line) == After::Exit {
            break;
        }
    }
    Ok(())
}

fn at_terminal(shell: Shell) -> Done {
    let shell = Rc::new(RefCell::new(shell));
    let failed = |error: ReadlineError| Failure::told(format!("Unexpected error: {error}"));
    let config = rustyline::Config::builder().completion_type(CompletionType::List).build();
    let mut editor = Editor::<Offers, MemHistory>::with_history(config, MemHistory::new()).map_err(failed)?;
    editor.set_helper(Some(Offers(Rc::clone(&shell))));
    loop {
        match editor.readline(">> ") {
            Ok(line) => {
                editor.add_history_entry(&line).map_err(failed)?;
                shell.borrow_mut().width = Some(width());
                if answer_line(&mut shell.borrow_mut(), &line) == After::Exit {
                    return Ok(());
                }
            }
            Err(ReadlineError::Interrupted) => say("^C"),
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Runs a line, and says what comes of it.
fn answer_line(shell: &mut Shell, line: &str) -> After {
    if !line.trim().is_empty() {
        shell.history.get_or_insert_default().push(line.to_owned());
    }
    answer(shell, &shell::words(line))
}

fn answer(shell: &mut Shell, command: &[String]) -> After {
    let mut page = String::new();
    let after = shell.run(command, &mut page);
    if speaks_json() {
        say_json(&json!({ "command": command, "lines": page.lines().collect::<Vec<_>>() }));
    } else {
        say_raw(&page);
    }
    after
}

/// As many letters as a line of the terminal has; where nobody knows, as many as they all once had.
fn width() -> usize {
    let told = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    told.filter(|width| *width > 0).unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree of a file that Apache Kafka wrote.
    fn tree(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/captured/logs/__cluster_metadata-0");
        let mut page = String::new();
        load(&folder.join(name)).unwrap().print(0, &mut page);
        page
    }

    #[test]
    fn a_snapshot_is_a_tree() {
        let tree = tree("00000000000000000163-0000000001.checkpoint");
        for line in [
            "    metadataVersion:\n      Optional[4.4-IV2]\n",
            "    clientId(c1)_user(carol):\n      producer_byte_rate:\n        1048576.0\n",
            "    BROKER:\n      log.cleaner.threads:\n        2\n",
            "host=*, operation=READ, permissionType=ALLOW]\n",
            "    nextProducerId:\n      1000\n",
            "      erin:\n        ScramCredentialData(salt=316f61",
        ] {
            assert!(tree.contains(line), "{line} is not in\n{tree}");
        }
    }

    #[test]
    fn the_log_is_read_to_its_end() {
        let tree = tree("00000000000000000000.log");
        assert!(tree.contains("  provenance:\n    offset 163, epoch 1, time 2026-11-21T"), "{tree}");
        assert!(tree.contains("leader=-1, leaderRecoveryState=RECOVERED, leaderEpoch=1, partitionEpoch=1)"), "{tree}");
    }
}
