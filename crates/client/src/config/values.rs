//! Properties as a client reads them: each key's text, as the type that is asked for.

use crate::error::{ClientError, Result};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Keys and values, and which of them were read.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    read: RefCell<BTreeSet<String>>,
}

impl Settings {
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { values, read: RefCell::default() }
    }

    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.values.insert(key.into(), value.into());
    }

    pub fn set_default(&mut self, key: &str, value: &str) {
        self.values.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }

    pub fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.read.borrow_mut().insert(key.to_owned());
        self.values.get(key).map(|value| value.trim())
    }

    /// The keys that nobody has asked for, in their order.
    pub fn unread(&self) -> Vec<String> {
        let read = self.read.borrow();
        self.values.keys().filter(|key| !read.contains(*key)).cloned().collect()
    }

    pub fn text<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.get(key).unwrap_or(default)
    }

    pub fn list(&self, key: &str) -> Vec<&str> {
        let text = self.get(key).unwrap_or_default();
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect()
    }

    pub fn int(&self, key: &str, default: i64) -> Result<i64> {
        let Some(text) = self.get(key) else { return Ok(default) };
        text.parse().map_err(|_| wrong(key, text, "Not a number of type INT"))
    }

    /// A number that must not be below `least`.
    pub fn at_least(&self, key: &str, default: i64, least: i64) -> Result<i64> {
        let value = self.int(key, default)?;
        if value < least {
            return Err(wrong(key, &value.to_string(), &format!("Value must be at least {least}")));
        }
        Ok(value)
    }

    pub fn millis(&self, key: &str, default: i64) -> Result<Duration> {
        let value = self.at_least(key, default, 0)?;
        Ok(Duration::from_millis(value.unsigned_abs()))
    }

    pub fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(wrong(key, text, "Expected value to be either true or false")),
        }
    }

    /// One of some words.
    pub fn one_of<'a>(&'a self, key: &str, default: &'a str, words: &[&str]) -> Result<&'a str> {
        let text = self.text(key, default);
        if words.contains(&text) {
            return Ok(text);
        }
        Err(wrong(key, text, &format!("String must be one of: {}", words.join(", "))))
    }
}

/// Kafka's sentence for a value that does not fit.
fn wrong(key: &str, value: &str, why: &str) -> ClientError {
    ClientError::Config(format!("Invalid value {value} for configuration {key}: {why}"))
}
