//! Running a command: Kafka's in one JVM for all (`compat/tools/Runner.java`), Ottla's as the processes they are.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What a command did.
pub(super) struct Raw {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

pub(super) struct Java {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Java {
    /// `folder` holds the runner and its policy.
    pub(super) fn start(libs: &Path, folder: &Path) -> Result<Self> {
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-XX:+UseSerialGC", "-Djava.security.manager=allow"]);
        java.arg(format!("-Djava.security.policy=={}", folder.join("all.policy").display()));
        // Its hooks at the end are run after each tool.
        java.args(["--add-opens", "java.base/java.lang=ALL-UNNAMED"]);
        java.arg("-cp").arg(format!("{}/*", libs.display())).arg(folder.join("Runner.java"));
        java.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = java.spawn().context("cannot run java")?;
        let requests = process.stdin.take().context("java has no standard input")?;
        let answers = BufReader::new(process.stdout.take().context("java has no standard output")?);
        Ok(Self { process, requests, answers })
    }

    pub(super) fn call(&mut self, class: &str, args: &[String], input: &str) -> Result<Raw> {
        let fields: Vec<_> = [class, input].into_iter().chain(args.iter().map(String::as_str)).map(encode).collect();
        writeln!(self.requests, "{}", fields.join("\t")).context("the runner is gone")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let fields: Vec<_> = line.trim_end_matches(['\r', '\n']).split('\t').collect();
        ensure!(fields.len() == 3, "the runner answered '{}'", line.trim_end());
        Ok(Raw { code: fields[0].parse()?, stdout: decode(fields[1])?, stderr: decode(fields[2])? })
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that takes longer is ended, and counts as failed.
const TIME_MAX: Duration = Duration::from_secs(60);

pub(super) struct Native {
    pub(super) binary: String,
}

impl Native {
    pub(super) fn call(&self, tool: &str, args: &[String], input: &str) -> Result<Raw> {
        let mut command = Command::new(&self.binary);
        command.arg(tool).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("cannot run {}", self.binary))?;
        if let Some(mut stdin) = process.stdin.take() {
            // A command that does not read its input may be gone already.
            let _ = stdin.write_all(input.as_bytes());
        }
        let watched = process.id().to_string();
        let (ended, is_over) = mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if is_over.recv_timeout(TIME_MAX) == Err(mpsc::RecvTimeoutError::Timeout) {
                // It may have ended this very moment.
                let _ = Command::new("kill").args(["-KILL", &watched]).status();
            }
        });
        let output = process.wait_with_output()?;
        drop(ended);
        let _ = watchdog.join();
        Ok(Raw {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
            encoded.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    encoded
}

fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = ALPHABET.iter().position(|known| *known == letter).context("not base64")?;
        bits = bits << 6 | u32::try_from(value)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff)?);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for text in ["", "a", "ab", "abc", "abcd", "ü\n"] {
            assert_eq!(decode(&encode(text)).ok().as_deref(), Some(text));
        }
        assert_eq!(encode("ab"), "YWI=");
    }
}
