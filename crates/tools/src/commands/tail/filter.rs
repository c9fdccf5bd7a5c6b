//! Which records are shown: matches in keys, values and headers.

use crate::cli::{Done, Failure, Parsed};
use ottla_client::session::fetched::ConsumerRecord;
use regex_lite::Regex;

/// All that was asked for must hold. What is not UTF-8 is matched with a mark in the place of each wrong byte.
#[derive(Debug, Default)]
pub(super) struct Filter {
    key: Option<Regex>,
    value: Option<Regex>,
    /// Names, and what their values must match.
    headers: Vec<(String, Option<Regex>)>,
}

impl Filter {
    pub(super) fn of(parsed: &Parsed) -> Done<Self> {
        let one = |option: &str| parsed.value(option)?.map(|text| regex(option, text)).transpose();
        let headers = parsed.values("header").into_iter().map(|text| match text.split_once('=') {
            Some((name, pattern)) => Ok((name.to_owned(), Some(regex("header", pattern)?))),
            None => Ok((text.to_owned(), None)),
        });
        Ok(Self { key: one("key")?, value: one("value")?, headers: headers.collect::<Done<_>>()? })
    }

    pub(super) fn passes(&self, record: &ConsumerRecord) -> bool {
        let has_header = |(wanted, pattern): &(String, Option<Regex>)| {
            let mut values = record.headers.iter().filter(|(name, _)| **name == *wanted.as_bytes());
            values.any(|(_, value)| matches(pattern.as_ref(), value.as_deref()))
        };
        matches(self.key.as_ref(), record.key.as_deref())
            && matches(self.value.as_ref(), record.value.as_deref())
            && self.headers.iter().all(has_header)
    }
}

/// What is not there matches nothing.
fn matches(pattern: Option<&Regex>, bytes: Option<&[u8]>) -> bool {
    let Some(pattern) = pattern else { return true };
    bytes.is_some_and(|bytes| pattern.is_match(&String::from_utf8_lossy(bytes)))
}

fn regex(option: &str, text: &str) -> Done<Regex> {
    Regex::new(text).map_err(|why| Failure::usage(format!("--{option}: '{text}' is no regular expression: {why}")))
}
