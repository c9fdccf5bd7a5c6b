//! `ottla log verify`: reads all that log directories hold and says what is not as it must be. It changes nothing and takes no
//! lock, so that it may run beside a node.

use super::{load, properties};
use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Progress, Style, Sub, Tool, flag, list, say_either, text,
};
use ottla_io::disk::RealDisk;
use ottla_log::directory::{Folder, FolderState};
use ottla_log::{Finding, Verified, Verifier, VerifyStep};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) const TOOL: Tool = Tool {
    name: "log",
    script: "",
    classes: &[],
    group: Group::Records,
    about: "Look after the files of logs.",
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: &[],
    subcommands: &[Sub {
        name: "verify",
        about: "Read everything, and hold checksums, offsets, epochs and indexes against each other.",
        options: VERIFY,
    }],
    examples: &[
        "log verify --config config/server.properties",
        "log verify --log-dirs /var/lib/kafka/a /var/lib/kafka/b --topic orders --json",
    ],
    run,
};

const VERIFY: &[Opt] = &[
    text("config", "FILE", "The node's properties file, which names its log directories.")
        .also(&["c"])
        .instead_of(&["log-dirs"]),
    list("log-dirs", "DIR", "The log directories, or folders of partitions."),
    text("topic", "TOPIC", "Look at this topic alone."),
    flag("json", "Print one JSON object a finding, and one at the end, instead of text."),
];

/// Read between two looks at the clock.
const STEP_BYTES: usize = 4 << 20;

fn run(parsed: &Parsed) -> Done {
    let dirs: Vec<PathBuf> = match parsed.value("config")? {
        Some(file) => {
            let config =
                properties(Path::new(file)).and_then(|properties| load(&properties)).map_err(Failure::error)?;
            let mut dirs = config.directories.log_dirs;
            if !dirs.contains(&config.directories.metadata_log_dir) {
                dirs.push(config.directories.metadata_log_dir);
            }
            dirs
        }
        None => parsed.values("log-dirs").into_iter().map(PathBuf::from).collect(),
    };
    if dirs.is_empty() {
        return Err(Failure::told("log verify: say where to look, with --config FILE or --log-dirs DIR"));
    }
    let topic = parsed.value("topic")?;
    let mut folders = Vec::new();
    for dir in &dirs {
        folders.extend(partitions(dir, topic)?);
    }
    let total = folders.iter().map(|folder| bytes_of(folder)).sum();
    let mut scrub = Scrub { progress: Progress::new("bytes", total), all: Verified::default(), findings: 0 };
    for folder in &folders {
        scrub.folder(folder)?;
    }
    scrub.progress.end();
    let Scrub { all, findings, .. } = scrub;
    let words = format!(
        "{} partitions, {} segments, {} batches, {} bytes were read: {}",
        folders.len(),
        all.segments,
        all.batches,
        all.bytes,
        match findings {
            0 => "nothing is wrong".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        }
    );
    say_either(&words, || {
        json!({
            "partitions": folders.len(), "segments": all.segments, "batches": all.batches, "bytes": all.bytes,
            "findings": findings,
        })
    });
    if findings == 0 { Ok(()) } else { Err(Failure::Said) }
}

/// The folders of partitions in a log directory; itself, if it is one.
fn partitions(dir: &Path, topic: Option<&str>) -> Done<Vec<PathBuf>> {
    let current = |path: &Path| {
        let folder = path.file_name().and_then(|name| Folder::parse(name.to_str()?))?;
        (folder.state == FolderState::Current).then_some(folder.partition.topic)
    };
    let is_wanted = |path: &Path| current(path).is_some_and(|found| topic.is_none_or(|topic| topic == &*found));
    if current(dir).is_some() {
        return Ok(if is_wanted(dir) { vec![dir.to_owned()] } else { Vec::new() });
    }
    let entries = std::fs::read_dir(dir).map_err(|error| Failure::told(format!("{}: {error}", dir.display())))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir() && is_wanted(path)).collect();
    folders.sort_unstable();
    Ok(folders)
}

fn bytes_of(folder: &Path) -> u64 {
    let logs = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let logs = logs.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "log"));
    logs.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

struct Scrub {
    progress: Progress,
    all: Verified,
    findings: u64,
}

impl Scrub {
    fn folder(&mut self, folder: &Path) -> Done {
        let failed = |error: ottla_log::LogError| Failure::told(error.to_string());
        let mut verifier = Verifier::new(RealDisk, folder).map_err(failed)?;
        loop {
            let step = verifier.step(STEP_BYTES).map_err(failed)?;
            for finding in verifier.take_findings() {
                self.progress.end();
                self.findings += 1;
                tell(&finding);
            }
            if step == VerifyStep::Done {
                break;
            }
            self.progress.show(self.all.bytes + verifier.verified().bytes);
        }
        let verified = verifier.verified();
        self.all.segments += verified.segments;
        self.all.batches += verified.batches;
        self.all.bytes += verified.bytes;
        Ok(())
    }
}

fn tell(finding: &Finding) {
    let Finding { file, position, offset, what, .. } = finding;
    let at = position.map(|position| format!(", byte {position}")).unwrap_or_default();
    let of = offset.map(|offset| format!(", offset {offset}")).unwrap_or_default();
    say_either(
        &format!("{}{at}{of}: {what}", file.display()),
        || json!({ "file": file, "position": position, "offset": offset, "what": what }),
    );
}
