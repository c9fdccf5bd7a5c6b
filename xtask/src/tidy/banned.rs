//! What code must not contain: the outside world in machines, `unsafe` outside `io`, sleeping and ignored tests.

use super::source::{Hit, Source, is_word};
use super::{File, Finding, layers};

/// Paths that bring a clock, a socket, a file, a thread or a die into a machine, and what to use instead.
const PATHS: &[(&str, &str)] = &[
    ("tokio", "sockets and timers live in io, server and client/shell; a machine takes bytes and `now`"),
    ("std::net", "sockets live in io; plain addresses are in core::net"),
    ("std::fs", "files live behind machine's Disk"),
    ("std::thread", "threads live in io and server; hand out a job instead"),
    ("std::time::Instant", "take machine's instant as an argument"),
    ("std::time::SystemTime", "take the time as an argument"),
    ("std::time::UNIX_EPOCH", "take the time as an argument"),
    ("rand", "take a seed from machine as an argument"),
    ("std::collections::hash_map::RandomState", "use BTreeMap, or a hasher with a fixed state"),
    ("std::hash::RandomState", "use BTreeMap, or a hasher with a fixed state"),
];

/// Files outside `io` where a benchmark earned an `unsafe` block. Each needs its reason and a test under Miri.
const UNSAFE_FILES: &[&str] = &[];

pub(crate) fn check(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    if layers::is_pure(&file.path) {
        outside_world(file, source, findings);
        random_maps(file, source, findings);
    }
    if !file.path.starts_with("crates/io/") && !UNSAFE_FILES.contains(&file.path.as_str()) {
        for hit in source.words("unsafe") {
            findings.push(file.finding(hit.line, "unsafe", "unsafe code lives in crates/io only"));
        }
    }
    for hit in source.words("#[ignore") {
        findings.push(file.finding(hit.line, "ignored-test", "make the test pass in CI, or delete it"));
    }
    for hit in source.words("sleep(").into_iter().filter(|hit| hit.in_test) {
        findings.push(file.finding(hit.line, "sleeping-test", "wait for the event itself, or drive a virtual clock"));
    }
}

fn outside_world(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    let mut report = |hit: Hit, what: &str, advice: &str| {
        if !hit.in_test {
            findings.push(file.finding(hit.line, "pure", format!("no {what} here: {advice}")));
        }
    };
    for (hit, path) in source.uses() {
        for (banned, advice) in PATHS {
            let inside = path == *banned || path.strip_prefix(banned).is_some_and(|rest| rest.starts_with("::"));
            // `use std::time::*` brings in the clocks as well.
            let glob = path
                .strip_suffix("::*")
                .is_some_and(|parent| banned.strip_prefix(parent).is_some_and(|rest| rest.starts_with("::")));
            if inside || glob {
                report(hit, banned, advice);
                break;
            }
        }
    }
    for (banned, advice) in PATHS {
        for hit in source.words(banned) {
            let code = source.code();
            let end = hit.at + banned.len();
            // A path of its own, not a field or a module of ours that shares the last name.
            let rooted = hit.at < 2 || code[hit.at - 1] != b':' || code[..hit.at].ends_with(b" ::");
            if rooted && (banned.contains("::") || code[end..].starts_with(b"::")) {
                report(hit, banned, advice);
            }
        }
    }
    for hit in source.words("async") {
        report(hit, "async", "answer Ready or Parked; futures live in io, server and client/shell");
    }
    for hit in source.words("thread_local!") {
        report(hit, "thread_local!", "keep the state in the machine");
    }
}

/// HashMap and HashSet with std's hasher iterate in another order in each run: a simulation would not replay.
fn random_maps(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    for (name, parameters) in [("HashMap", 2), ("HashSet", 1)] {
        for hit in source.words(name).into_iter().filter(|hit| !hit.in_test) {
            let rest = &source.code()[hit.at + name.len()..];
            let random = [&b"::new("[..], b"::with_capacity(", b"::from("].iter().any(|call| rest.starts_with(call))
                || generic_arguments(rest) == Some(parameters);
            if random {
                findings.push(file.finding(
                    hit.line,
                    "pure",
                    format!("no {name} with random state here: use a BTree, or a hasher with a fixed state"),
                ));
            }
        }
    }
}

/// How many type arguments follow, as `<K, V>` or `::<K, V>`.
fn generic_arguments(rest: &[u8]) -> Option<usize> {
    let rest = rest.strip_prefix(b"::").unwrap_or(rest);
    let inner = rest.strip_prefix(b"<")?.iter().copied();
    let (mut depth, mut commas, mut pending) = (0usize, 0usize, false);
    let mut previous = b' ';
    for byte in inner {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' if previous == b'-' => {}
            b'>' if depth == 0 => return Some(commas + usize::from(pending)),
            b'>' | b')' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                commas += 1;
                pending = false;
                previous = byte;
                continue;
            }
            b';' | b'{' if depth == 0 => return None,
            _ => {}
        }
        pending |= is_word(byte);
        previous = byte;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::rules;

    fn in_log(code: &str) -> Vec<String> {
        rules(&[("crates/log/src/a.rs", &format!("//! A.\n{code}"))])
            .into_iter()
            .map(|found| found.replace("crates/log/src/a.rs:", ""))
            .collect()
    }

    #[test]
    fn machines_do_not_reach_outside() {
        for code in [
            "use tokio::net::TcpStream;",
            "use std::{fs, io};",
            "use std::time::{Duration, Instant};",
            "use std::time::*;",
            "fn f() { std::thread::spawn(|| ()); }",
            "fn f() { let t = std::time::SystemTime::now(); }",
            "fn f() { rand::random() }",
            "fn f(a: ::std::net::IpAddr) {}",
            "async fn f() {}",
            "thread_local! { static A: u8 = 0; }",
        ] {
            assert_eq!(in_log(code), ["2: pure"], "{code}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_left_alone() {
        for code in [
            "use std::time::Duration;",
            "use core::net::IpAddr;",
            "use crate::rand::Seed;",
            "use std::collections::HashMap;",
            "fn f() { crate::rand::seed() }",
            "// use std::fs;",
            "const A: &str = \"std::fs::read\";",
            "#[cfg(test)]\nmod tests { use std::fs; fn f() { std::fs::read(\"a\"); } }",
        ] {
            let found: Vec<String> = in_log(code).into_iter().filter(|f| f.ends_with("pure")).collect();
            assert!(found.is_empty(), "{code}: {found:?}");
        }
    }

    #[test]
    fn maps_with_random_state_are_found_by_type_and_by_call() {
        for code in [
            "fn f() { let m = HashMap::new(); }",
            "struct A { m: HashMap<(u8, u8), Vec<u8>> }",
            "struct A { m: HashSet<u8,> }",
            "fn f() { let m = HashMap::<u8, fn(u8) -> u8>::default(); }",
            "fn f() { let m = HashSet::with_capacity(3); }",
        ] {
            assert_eq!(in_log(code), ["2: pure"], "{code}");
        }
        assert!(in_log("struct A { m: HashMap<u8, Vec<(u8, u8)>, Fixed>, s: HashSet<u8, Fixed> }").is_empty());
    }

    #[test]
    fn the_program_may_do_all_that() {
        assert!(rules(&[("crates/server/src/a.rs", "//! A.\nuse std::fs;\nasync fn f() {}")]).is_empty());
    }

    #[test]
    fn unsafe_lives_in_io() {
        assert_eq!(in_log("fn f() { unsafe { g() } }"), ["2: unsafe"]);
        assert!(rules(&[("crates/io/src/a.rs", "//! A.\nfn f() { unsafe { g() } }")]).is_empty());
    }

    #[test]
    fn tests_neither_sleep_nor_are_ignored() {
        assert_eq!(
            in_log("#[cfg(test)]\nmod tests {\n#[test]\n#[ignore]\nfn f() { std::thread::sleep(d); }\n}"),
            ["5: ignored-test", "6: sleeping-test"]
        );
        assert!(rules(&[("crates/io/src/a.rs", "//! A.\nfn f() { sleep(d); }")]).is_empty());
    }
}
