//! Standard output and standard error. A reader that went away is nobody's mistake: what cannot be written is dropped, as
//! Java does.
//!
//! With `--json` each line of standard output is a JSON object: what is told as data by [`say_json`], and whatever else a
//! command says as `{"message": …}`.

use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// One for the process, as its standard output is.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// From here on lines of text become JSON objects.
pub(crate) fn speak_json() {
    AS_JSON.store(true, Ordering::Relaxed);
}

pub(crate) fn speaks_json() -> bool {
    AS_JSON.load(Ordering::Relaxed)
}

/// A line, or several.
pub(crate) fn say(text: &str) {
    if speaks_json() {
        text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| say_json(&json!({ "message": line })));
    } else {
        say_raw(&format!("{text}\n"));
    }
}

pub(crate) fn say_json(object: &Value) {
    say_raw(&format!("{object}\n"));
}

/// A line for people, or the same as data.
pub(crate) fn say_either(text: &str, object: impl FnOnce() -> Value) {
    if speaks_json() { say_json(&object()) } else { say(text) }
}

pub(crate) fn say_raw(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line on standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Columns as wide as their widest entry, with a tab behind each.
pub(crate) fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let entries = rows.iter().filter_map(|row| row.get(column)).map(|entry| entry.chars().count());
        entries.chain(headers.get(column).map(|header| header.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    let line = |row: &mut dyn Iterator<Item = &str>| {
        let cells = row.zip(&widths).map(|(entry, width)| format!("{entry:width$}\t"));
        cells.collect::<String>() + "\n"
    };
    let mut text = line(&mut headers.iter().copied());
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}
