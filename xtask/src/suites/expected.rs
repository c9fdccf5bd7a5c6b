//! What is expected of a suite: `compat/suites/NAME.txt`, written by `--against kafka`, with excuses written by hand.
//!
//! ```text
//! # Remarks.
//! [excused: transactions]         pass on Kafka, and cannot pass on Ottla yet: one that does fails the run
//! TestTxn
//! [left out: transactions]        the same, and would wait for minutes: not run against Ottla
//! [sometimes: it races with …]    pass on Kafka, and on Ottla as luck has it
//! [flaky]                         pass on Kafka, but not at every first try
//! [passes]                        the rest of what passes on Kafka
//! ```

use super::outcomes::Outcomes;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Excused(String),
    LeftOut(String),
    Sometimes(String),
    Flaky,
    Passes,
}

impl Class {
    fn parse(header: &str) -> Result<Self> {
        Ok(match header.split_once(": ") {
            None if header == "passes" => Self::Passes,
            None if header == "flaky" => Self::Flaky,
            Some(("excused", why)) => Self::Excused(why.to_owned()),
            Some(("left out", why)) => Self::LeftOut(why.to_owned()),
            Some(("sometimes", why)) => Self::Sometimes(why.to_owned()),
            _ => bail!("unknown heading [{header}]"),
        })
    }

    fn header(&self) -> String {
        match self {
            Self::Excused(why) => format!("[excused: {why}]"),
            Self::LeftOut(why) => format!("[left out: {why}]"),
            Self::Sometimes(why) => format!("[sometimes: {why}]"),
            Self::Flaky => "[flaky]".to_owned(),
            Self::Passes => "[passes]".to_owned(),
        }
    }

    pub(super) fn must_pass(&self) -> bool {
        matches!(self, Self::Flaky | Self::Passes)
    }
}

/// Every test that passes on Apache Kafka, and what is expected of it here.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Expected {
    /// The lines that the file begins with.
    remarks: String,
    tests: BTreeMap<String, Class>,
}

impl Expected {
    /// Nothing, if there is no file yet.
    pub(super) fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut expected = Self::default();
        let mut class = None;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                class = Some(Class::parse(header)?);
            } else if let (true, None) = (line.starts_with('#'), &class) {
                writeln!(expected.remarks, "{line}")?;
            } else {
                let class = class.clone().with_context(|| format!("'{line}' stands under no heading"))?;
                if expected.tests.insert(line.to_owned(), class).is_some() {
                    bail!("'{line}' stands there twice");
                }
            }
        }
        Ok(expected)
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.text()?).with_context(|| format!("cannot write {}", path.display()))
    }

    fn text(&self) -> Result<String> {
        let mut text = self.remarks.clone();
        let classes: BTreeSet<&Class> = self.tests.values().collect();
        for class in classes {
            writeln!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, class.header())?;
            for (name, _) in self.tests.iter().filter(|(_, found)| *found == class) {
                writeln!(text, "{name}")?;
            }
        }
        Ok(text)
    }

    pub(super) fn class(&self, name: &str) -> Option<&Class> {
        self.tests.get(name)
    }

    pub(super) fn tests(&self) -> impl Iterator<Item = (&str, &Class)> {
        self.tests.iter().map(|(name, class)| (name.as_str(), class))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Takes in a run against Apache Kafka: what passed at once or, `later`, when it was tried again. Excuses stay where the
    /// test still passes, and what was flaky once stays flaky. Gives the names that have gone.
    pub(super) fn record(&mut self, outcomes: &Outcomes, later: &BTreeSet<String>) -> Vec<String> {
        let before = std::mem::take(&mut self.tests);
        let at_once = outcomes.passing().map(|name| (name.to_owned(), Class::Passes));
        self.tests = at_once.chain(later.iter().map(|name| (name.clone(), Class::Flaky))).collect();
        let mut gone = Vec::new();
        for (name, class) in before {
            match self.tests.get_mut(&name) {
                Some(kept) if class != Class::Passes => *kept = class,
                Some(_) => {}
                None => gone.push(name),
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::outcomes::Outcome;

    const TEXT: &str =
        "# A remark.\n\n[excused: transactions]\nTestTxn\n\n[flaky]\nTestB\n\n[passes]\nTestA\nTestA/sub c\n";

    #[test]
    fn a_file_is_read_and_written_alike() {
        let expected = Expected::parse(TEXT).unwrap();
        assert_eq!(expected.text().unwrap(), TEXT);
        assert_eq!(expected.class("TestTxn"), Some(&Class::Excused("transactions".to_owned())));
        assert_eq!(expected.class("TestC"), None);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        assert!(Expected::parse("TestA\n").is_err());
        assert!(Expected::parse("[passes]\nTestA\nTestA\n").is_err());
        assert!(Expected::parse("[excused]\nTestA\n").is_err());
    }

    #[test]
    fn a_new_run_against_kafka_keeps_excuses_and_what_was_flaky() {
        let mut expected = Expected::parse(TEXT).unwrap();
        let mut outcomes = Outcomes::default();
        for name in ["TestTxn", "TestB", "TestNew"] {
            outcomes.add(name, Outcome::Passed);
        }
        outcomes.add("TestA/sub c", Outcome::Failed);
        let gone = expected.record(&outcomes, &BTreeSet::from(["TestA".to_owned()]));
        assert_eq!(gone, ["TestA/sub c"]);
        let class = |name| expected.class(name).unwrap().header();
        assert_eq!(class("TestTxn"), "[excused: transactions]");
        assert_eq!([class("TestA"), class("TestB"), class("TestNew")], ["[flaky]", "[flaky]", "[passes]"]);
    }
}
