//! The driver of the Rust client: `compat-rust BOOTSTRAP RESULTS`, or
//! `compat-rust member BOOTSTRAP TOPIC GROUP ASSIGNOR` for the member of a group that is to die.

mod admin;
mod data;
mod groups;
mod harness;
mod kit;

use harness::Harness;
use kit::Kit;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["member", bootstrap, topic, group, assignor] => {
            groups::member(&Kit::new(bootstrap), topic, group, assignor);
        }
        [bootstrap, results] => {
            let kit = Arc::new(Kit::new(bootstrap));
            let mut harness = Harness::default();
            data::register(&mut harness, &kit);
            groups::register(&mut harness, &kit);
            admin::register(&mut harness, &kit);
            harness.run(results)?;
        }
        _ => return Err("usage: compat-rust BOOTSTRAP RESULTS".into()),
    }
    // Threads that a watchdog gave up on must not keep the process.
    std::process::exit(0)
}
