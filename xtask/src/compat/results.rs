//! What the checks said: one run's lines from a driver, and the last run of each client against each side, which are
//! kept in `compat/results.json` so that a run against one side does not lose the other's.

use super::clients::Client;
use super::node::Side;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::path::Path;

/// One client's run.
pub(crate) struct Outcome {
    pub(crate) client: &'static str,
    pub(crate) checks: Vec<Check>,
}

pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
}

impl Outcome {
    /// Reads a driver's lines: the first is its plan, then one for each check. What was planned and not reported has
    /// failed, with `how` the driver ended as its detail; so has a driver without a plan.
    pub(crate) fn read(client: &Client, path: &Path, how: &str) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(client.name, &text, how)
    }

    fn parse(client: &'static str, text: &str, how: &str) -> Self {
        let mut lines = text.lines();
        let plan: Value = lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        let Some(planned) = plan["plan"].as_array() else {
            let detail = how.to_string();
            return Self { client, checks: vec![Check { name: "driver".to_string(), ok: false, detail }] };
        };
        let mut checks = Vec::new();
        // A driver that was killed may have left half a line.
        for line in lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let Some(name) = line["check"].as_str() else { continue };
            let detail = line["detail"].as_str().unwrap_or_default().to_string();
            checks.push(Check { name: name.to_string(), ok: line["ok"] == Value::Bool(true), detail });
        }
        for name in planned.iter().filter_map(Value::as_str) {
            if !checks.iter().any(|check| check.name == name) {
                checks.push(Check { name: name.to_string(), ok: false, detail: how.to_string() });
            }
        }
        Self { client, checks }
    }
}

/// The content of the results file: side → version, and client → check → passed.
#[derive(Debug, PartialEq)]
pub(crate) struct Results(Value);

impl Results {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self(json!({})));
        }
        let text = std::fs::read_to_string(path)?;
        Ok(Self(serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.0)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Replaces what the same clients said about the same side before.
    pub(crate) fn record(&mut self, side: Side, version: &str, outcomes: &[Outcome]) {
        self.0[side.name()]["version"] = json!(version);
        for outcome in outcomes {
            let checks: Map<String, Value> =
                outcome.checks.iter().map(|check| (check.name.clone(), Value::Bool(check.ok))).collect();
            self.0[side.name()]["clients"][outcome.client] = Value::Object(checks);
        }
    }

    pub(crate) fn version(&self, side: Side) -> Option<&str> {
        self.0[side.name()]["version"].as_str()
    }

    /// Whether a client's check passed; nothing if it was not made.
    pub(crate) fn passed(&self, side: Side, client: &str, check: &str) -> Option<bool> {
        self.0[side.name()]["clients"][client][check].as_bool()
    }

    /// Whether a client ran against a side at all.
    pub(crate) fn ran(&self, side: Side, client: &str) -> bool {
        self.0[side.name()]["clients"][client].is_object()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(outcome: &Outcome, ok: bool) -> Vec<&str> {
        outcome.checks.iter().filter(|check| check.ok == ok).map(|check| check.name.as_str()).collect()
    }

    #[test]
    fn what_was_planned_and_not_reported_has_failed() {
        let text = "{\"plan\":[\"a\",\"b\",\"c\"]}\n{\"check\":\"b\",\"ok\":true}\n{\"check\":\"a\",\"ok\":fal";
        let outcome = Outcome::parse("kcat", text, "killed");
        assert_eq!(names(&outcome, true), ["b"]);
        assert_eq!(names(&outcome, false), ["a", "c"]);
        assert_eq!(outcome.checks[1].detail, "killed");
    }

    #[test]
    fn a_driver_without_a_plan_has_failed() {
        let outcome = Outcome::parse("kcat", "", "exit 1");
        assert_eq!(names(&outcome, false), ["driver"]);
        let idle = Outcome::parse("kcat", "{\"plan\":[]}\n", "exit 0");
        assert!(idle.checks.is_empty());
    }

    #[test]
    fn a_run_against_one_side_keeps_the_other() {
        let outcome = |ok| Outcome {
            client: "kcat",
            checks: vec![Check { name: "acls".to_string(), ok, detail: String::new() }],
        };
        let mut results = Results(json!({}));
        results.record(Side::Kafka, "4.4.0", &[outcome(true)]);
        results.record(Side::Ottla, "0.1.0", &[outcome(false)]);
        assert_eq!(results.passed(Side::Kafka, "kcat", "acls"), Some(true));
        assert_eq!(results.passed(Side::Ottla, "kcat", "acls"), Some(false));
        assert_eq!(results.passed(Side::Ottla, "kcat", "headers"), None);
        assert_eq!(results.version(Side::Kafka), Some("4.4.0"));
        assert!(!results.ran(Side::Ottla, "sarama"));
    }
}
