//! What is wrong with a configuration, all of it at once, each with its place.

use super::properties::{Origin, Properties};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// One thing that keeps the node from starting, or that is worth saying.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// Where the key stands; `None` where it is missing.
    pub origin: Option<Origin>,
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(Origin::Line(line)) => write!(f, "line {line}: {}", self.text),
            Some(Origin::Variable(name)) => write!(f, "{name}: {}", self.text),
            Some(Origin::Override) => write!(f, "--override: {}", self.text),
            Some(Origin::Program) | None => f.write_str(&self.text),
        }
    }
}

/// Why a node does not start with this configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidConfig {
    pub mistakes: Vec<Remark>,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.as_slice() {
            [only] => write!(f, "{only}"),
            all => {
                write!(f, "{} mistakes in the configuration:", all.len())?;
                all.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
        }
    }
}

/// Collects mistakes and warnings while a configuration is read.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    properties: &'a Properties,
    mistakes: RefCell<Vec<Remark>>,
    warnings: RefCell<Vec<Remark>>,
    notes: RefCell<Vec<Remark>>,
    bad_keys: RefCell<BTreeSet<String>>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(properties: &'a Properties) -> Self {
        let (mistakes, bad_keys) = (RefCell::default(), RefCell::default());
        Self { properties, mistakes, warnings: RefCell::default(), notes: RefCell::default(), bad_keys }
    }

    pub(super) fn mistake(&self, key: &str, text: impl Into<String>) {
        self.bad_keys.borrow_mut().insert(key.to_owned());
        self.mistakes.borrow_mut().push(self.remark(key, text));
    }

    pub(super) fn warning(&self, key: &str, text: impl Into<String>) {
        self.warnings.borrow_mut().push(self.remark(key, text));
    }

    /// What is in order, and may still surprise whoever set it. What the program sets surprises nobody.
    pub(super) fn note(&self, key: &str, text: impl Into<String>) {
        if self.properties.origin(key) != Some(Origin::Program) {
            self.notes.borrow_mut().push(self.remark(key, text));
        }
    }

    /// Whether one of the keys is wrong by itself: what follows from it is not worth telling.
    pub(super) fn is_bad(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.bad_keys.borrow().contains(*key))
    }

    /// The key is not to blame, but what it says cannot be told from another mistake.
    pub(super) fn follows(&self, key: &str) {
        self.bad_keys.borrow_mut().insert(key.to_owned());
    }

    /// A rule over several keys, told at the first that was given. Left out where one of them is wrong by itself already.
    pub(super) fn require(&self, keys: &[&str], holds: bool, text: impl FnOnce() -> String) {
        if holds || self.is_bad(keys) {
            return;
        }
        let given = keys.iter().find(|key| self.properties.origin(key).is_some());
        if let Some(key) = given.or(keys.first()) {
            self.mistake(key, text());
        }
    }

    /// The warnings and the notes, unless there are mistakes.
    pub(super) fn finish(self) -> Result<(Vec<Remark>, Vec<Remark>), InvalidConfig> {
        let mut mistakes = self.mistakes.into_inner();
        if mistakes.is_empty() {
            let mut warnings = self.warnings.into_inner();
            warnings.sort();
            let mut notes = self.notes.into_inner();
            notes.sort();
            return Ok((warnings, notes));
        }
        mistakes.sort();
        mistakes.dedup();
        Err(InvalidConfig { mistakes })
    }

    fn remark(&self, key: &str, text: impl Into<String>) -> Remark {
        Remark { origin: self.properties.origin(key), text: text.into() }
    }
}
