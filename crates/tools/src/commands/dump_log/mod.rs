//! `ottla dump-log`: what stands in the files of a log directory, as `kafka-dump-log.sh`.

mod decoders;
mod index;
mod line;
mod segment;
mod state;

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, complain, flag, int, maybe, text};
use crate::cluster::java_map_order;
use decoders::Decoders;
use line::Line;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

pub(crate) const TOOL: Tool = Tool {
    name: "dump-log",
    script: "kafka-dump-log",
    classes: &["org.apache.kafka.tools.DumpLogSegments", "kafka.tools.DumpLogSegments"],
    group: Group::Records,
    about: "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly \
        corrupt log segment.",
    style: Style::Jopt,
    on_parse_error: ParseError::Prefixed("joptsimple.OptionException: "),
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "dump-log --files data/orders-0/00000000000000000000.log --print-data-log",
        "dump-log --files data/orders-0/00000000000000000000.index,data/orders-0/00000000000000000000.timeindex",
        "dump-log --cluster-metadata-decoder --files data/__cluster_metadata-0/00000000000000000000.log",
    ],
    run,
};

const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

const OPTIONS: &[Opt] = &[
    flag("print-data-log", "Print the contents of records. A decoder implies it."),
    flag("verify-index-only", "Check indexes against their log without printing their entries."),
    flag("index-sanity-check", "Only make the check that decides at a start whether an index is rebuilt."),
    text("files", "file1, file2, ...", "REQUIRED: The files, separated by commas."),
    int("max-message-size", "size", "The largest batch that an index may point to, in bytes.").default("5242880"),
    int("max-bytes", "size", "Read no more of each log than so many bytes.").default("2147483647"),
    flag("deep-iteration", "Show each record, not only batches. Printing contents implies it."),
    maybe("value-decoder-class", "class", "How values are read: one of Kafka's decoders, by its class.")
        .default(STRING_DECODER),
    maybe("key-decoder-class", "class", "How keys are read: one of Kafka's decoders, by its class.")
        .default(STRING_DECODER),
    flag("offsets-decoder", "Read records as those of __consumer_offsets."),
    flag("transaction-log-decoder", "Read records as those of __transaction_state."),
    flag("cluster-metadata-decoder", "Read records as those of the cluster's metadata."),
    flag("remote-log-metadata-decoder", "Read records as those of __remote_log_metadata."),
    flag("share-group-state-decoder", "Read records as those of __share_group_state."),
    flag("skip-record-metadata", "Print nothing but contents, and nothing of control records."),
    flag("json", "Print one JSON object a file, batch, record or entry instead of text."),
];

/// What every kind of file needs to know.
struct Dump<'p> {
    parsed: &'p Parsed,
    as_json: bool,
    out: io::BufWriter<io::Stdout>,
    /// Per file, the places where offsets do not follow each other.
    gaps: Findings,
    index_mismatches: Findings,
    time_mismatches: Findings,
    time_disorder: Findings,
    time_not_found: Findings,
}

/// Pairs of numbers that do not fit, by file.
type Findings = Vec<(String, Vec<(i64, i64)>)>;

fn note(findings: &mut Findings, file: &DumpedFile, pair: (i64, i64)) {
    match findings.iter_mut().find(|(own, _)| *own == file.absolute) {
        Some((_, pairs)) => pairs.push(pair),
        None => findings.push((file.absolute.clone(), vec![pair])),
    }
}

/// A file, as it was named.
struct DumpedFile {
    shown: String,
    absolute: String,
    path: PathBuf,
    /// The last part of its path.
    name: String,
}

impl DumpedFile {
    fn new(given: &str) -> Self {
        // As Java writes paths: no double slashes, none at the end.
        let mut shown = String::new();
        for char in given.chars() {
            if char != '/' || !shown.ends_with('/') {
                shown.push(char);
            }
        }
        if shown.len() > 1 {
            shown.truncate(shown.trim_end_matches('/').len());
        }
        let path = PathBuf::from(&shown);
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone()).display().to_string();
        let name = shown.rsplit('/').next().unwrap_or_default().to_owned();
        Self { shown, absolute, path, name }
    }

    fn suffix(&self) -> Option<&str> {
        self.name.rfind('.').map(|dot| &self.name[dot..])
    }

    /// The offset that the name begins with.
    fn base_offset(&self) -> Done<i64> {
        let text = self.name.split('.').next().unwrap_or_default();
        text.parse()
            .map_err(|_| Failure::told(format!("java.lang.NumberFormatException: For input string: \"{text}\"")))
    }

    /// The file beside it, of the same offset.
    fn sibling(&self, suffix: &str) -> PathBuf {
        let stem = self.name.split('.').next().unwrap_or_default();
        self.path.with_file_name(format!("{stem}{suffix}"))
    }
}

fn run(parsed: &Parsed) -> Done {
    parsed.require(&["files"])?;
    let mut dump = Dump {
        parsed,
        as_json: parsed.has("json"),
        out: io::BufWriter::new(io::stdout()),
        gaps: Vec::new(),
        index_mismatches: Vec::new(),
        time_mismatches: Vec::new(),
        time_disorder: Vec::new(),
        time_not_found: Vec::new(),
    };
    let done = dump.files();
    dump.flush()?;
    done?;
    dump.report();
    Ok(())
}

impl Dump<'_> {
    /// Writes to standard output. A reader that went away ends the command: a log may be long.
    fn print(&mut self, text: &str) -> Done {
        self.out.write_all(text.as_bytes()).map_err(|_| Failure::Said)
    }

    fn line(&mut self, text: &str) -> Done {
        self.print(text)?;
        self.print("\n")
    }

    fn object(&mut self, object: impl Into<Value>) -> Done {
        self.line(&object.into().to_string())
    }

    /// A batch, a record or an entry.
    fn fields(&mut self, line: Line) -> Done {
        if self.as_json { self.object(line.json()) } else { self.line(&line.text()) }
    }

    /// Words about a file; `name` is what they are called among the values of a JSON object.
    fn words(&mut self, name: &str, value: impl Into<Value>, words: &str) -> Done {
        if self.as_json { self.object(json!({ name: value.into() })) } else { self.line(words) }
    }

    fn flush(&mut self) -> Done {
        self.out.flush().map_err(|_| Failure::Said)
    }

    /// A line on standard error, behind what was printed before it.
    fn complain(&mut self, text: &str) -> Done {
        self.flush()?;
        complain(text);
        Ok(())
    }

    /// A number among the options, which Kafka's tool reads when it comes to a file.
    fn int(&self, option: &str) -> Done<i32> {
        let read = self
            .parsed
            .int(option)
            .map_err(|failure| Failure::told(format!("joptsimple.OptionArgumentConversionException: {failure}")));
        read.map(Option::unwrap_or_default)
    }

    fn files(&mut self) -> Done {
        let given = self.parsed.value("files")?.unwrap_or_default();
        let mut names: Vec<&str> = given.split(',').collect();
        // Java drops what is empty at the end.
        while names.len() > 1 && names.last().is_some_and(|name| name.is_empty()) {
            names.pop();
        }
        for name in names {
            let file = DumpedFile::new(name);
            self.words("file", &*file.shown, &format!("Dumping {}", file.shown))?;
            match file.suffix() {
                Some(".log" | ".checkpoint") => {
                    let decoders = Decoders::of(self.parsed)?;
                    let bytes_max = self.int("max-bytes")?;
                    segment::dump(self, &file, &decoders, bytes_max)?;
                }
                Some(".index") => {
                    let batch_bytes_max = self.int("max-message-size")?;
                    index::dump_offsets(self, &file, batch_bytes_max)?;
                }
                Some(".timeindex") => index::dump_times(self, &file)?,
                Some(".snapshot") => state::dump_producers(self, &file)?,
                Some(".txnindex") => state::dump_transactions(self, &file)?,
                _ => self.complain(&format!("Ignoring unknown file {}", file.shown))?,
            }
        }
        Ok(())
    }

    /// What did not fit together, in the order in which Java's maps give it.
    fn report(&mut self) {
        for findings in [
            &mut self.gaps,
            &mut self.index_mismatches,
            &mut self.time_mismatches,
            &mut self.time_disorder,
            &mut self.time_not_found,
        ] {
            java_map_order(findings, |(file, _)| file);
        }
        for (_, pairs) in &mut self.index_mismatches {
            pairs.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
            keep_last_of_each(pairs);
        }
        for (_, pairs) in &mut self.gaps {
            pairs.sort_by_key(|(before, _)| *before);
            keep_last_of_each(pairs);
        }
        let tell = |findings: &Findings, head: &str, text: &dyn Fn(i64, i64) -> String| {
            for (file, pairs) in findings {
                complain(&format!("{head}{file}"));
                for (one, other) in pairs {
                    complain(&text(*one, *other));
                }
            }
        };
        tell(&self.index_mismatches, "Mismatches in :", &|index, log| {
            format!("  Index offset: {index}, log offset: {log}")
        });
        tell(&self.time_mismatches, "Found timestamp mismatch in :", &|index, log| {
            format!("  Index timestamp: {index}, log timestamp: {log}")
        });
        tell(&self.time_disorder, "Found out of order timestamp in :", &|index, before| {
            format!("  Index timestamp: {index}, Previously indexed timestamp: {before}")
        });
        tell(&self.time_not_found, "The following indexed offsets are not found in :", &|index, log| {
            format!("Indexed offset: {index}, found log offset: {log}")
        });
        tell(&self.gaps, "Non-consecutive offsets in ", &|before, after| format!("  {before} is followed by {after}"));
    }
}

/// Kafka keeps these in a map: of pairs with one key, the last stays. The sort before keeps their order.
fn keep_last_of_each(pairs: &mut Vec<(i64, i64)>) {
    pairs.reverse();
    pairs.dedup_by_key(|(key, _)| *key);
    pairs.reverse();
}
