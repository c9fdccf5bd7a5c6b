//! Runs named checks, a few side by side, each under a watchdog, and writes one line of JSON for each. The first line
//! names the plan, so that a driver which dies on the way is told from one that has nothing to say. A check fails by
//! panicking.

use crate::kit::Kit;
use serde_json::json;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

const SIDE_BY_SIDE: usize = 4;
const WATCHDOG: Duration = Duration::from_secs(60);

type Body = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub struct Harness {
    checks: VecDeque<(String, Body)>,
}

impl Harness {
    pub fn check(&mut self, name: &str, kit: &Arc<Kit>, body: impl FnOnce(&Kit) + Send + 'static) {
        let only = std::env::var("COMPAT_CHECK").unwrap_or_default();
        if only.is_empty() || only.split(',').any(|wanted| wanted == name) {
            let kit = Arc::clone(kit);
            self.checks.push_back((name.to_string(), Box::new(move || body(&kit))));
        }
    }

    pub fn run(self, results: &str) -> std::io::Result<()> {
        let names: Vec<&String> = self.checks.iter().map(|(name, _)| name).collect();
        let mut out = File::create(results)?;
        writeln!(out, "{}", json!({ "plan": names }))?;
        let (out, todo) = (Mutex::new(out), Mutex::new(self.checks));
        std::panic::set_hook(Box::new(|_| {}));
        std::thread::scope(|scope| {
            for _ in 0..SIDE_BY_SIDE {
                scope.spawn(|| {
                    loop {
                        let next = todo.lock().unwrap().pop_front();
                        let Some((name, body)) = next else { return };
                        let line = one(&name, body);
                        writeln!(out.lock().unwrap(), "{line}").unwrap();
                    }
                });
            }
        });
        Ok(())
    }
}

fn one(name: &str, body: Body) -> serde_json::Value {
    let began = Instant::now();
    let (done, outcome) = mpsc::channel();
    std::thread::spawn(move || {
        let thrown = catch_unwind(AssertUnwindSafe(body)).err();
        let detail = thrown.map_or(String::new(), |thrown| {
            let text = thrown.downcast_ref::<String>().cloned();
            text.or_else(|| thrown.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or("panic".into())
        });
        let _ = done.send(detail);
    });
    let detail = outcome.recv_timeout(WATCHDOG).unwrap_or(format!("no end after {WATCHDOG:?}"));
    let detail: String = detail.chars().take(400).collect();
    json!({ "check": name, "ok": detail.is_empty(), "detail": detail, "seconds": began.elapsed().as_secs_f32() })
}

/// Asks again until it holds: metadata reaches a broker a moment after the controller's answer.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
