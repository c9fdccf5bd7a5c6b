//! `ssl.principal.mapping.rules`: from the distinguished name of a certificate to the name of a principal (KIP-371).
//!
//! Rules are tried in their order: `DEFAULT` takes the name as it is, `RULE:pattern/replacement/` with an `L` or `U` behind
//! it rewrites a name that the pattern matches as a whole. Patterns are regular expressions as far as they need no
//! look-around and no back references; one that does is refused when the configuration is read.

use regex_lite::{Captures, Regex};

/// The rules of a listener.
#[derive(Debug, Clone)]
pub struct PrincipalRules(Vec<Rule>);

#[derive(Debug, Clone)]
enum Rule {
    Default,
    Rewrite { whole: Regex, part: Regex, replacement: Vec<Piece>, case: Case },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Lower,
    Upper,
}

/// A piece of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    #[error("Invalid rule: `{0}`")]
    Shape(String),
    #[error("Invalid rule: `{rule}`: {reason}")]
    Pattern { rule: String, reason: String },
}

impl PrincipalRules {
    pub fn parse(text: &str) -> Result<Self, InvalidRule> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, after) = next_rule(rest)?;
            rules.extend(rule);
            rest = after.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err(InvalidRule::Shape(rest.to_owned())),
            };
        }
        Ok(Self(rules))
    }

    /// The principal's name; `None` where no rule applies, and the client is nobody.
    #[must_use]
    pub fn name(&self, distinguished_name: &str) -> Option<String> {
        self.0.iter().find_map(|rule| rule.apply(distinguished_name))
    }
}

impl Rule {
    fn apply(&self, name: &str) -> Option<String> {
        let Self::Rewrite { whole, part, replacement, case } = self else { return Some(name.to_owned()) };
        if !whole.is_match(name) {
            return None;
        }
        let replaced = part.replace_all(name, |found: &Captures<'_>| {
            let piece = |piece: &Piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Group(index) => found.get(*index).map_or_else(String::new, |group| group.as_str().to_owned()),
            };
            replacement.iter().map(piece).collect::<String>()
        });
        Some(match case {
            Case::Kept => replaced.into_owned(),
            Case::Lower => replaced.to_lowercase(),
            Case::Upper => replaced.to_uppercase(),
        })
    }
}

/// The rule at the beginning of the text, and what follows it.
fn next_rule(text: &str) -> Result<(Option<Rule>, &str), InvalidRule> {
    let end = |rest: &str| rest.trim_start().is_empty() || rest.trim_start().starts_with(',');
    if let Some(rest) = text.strip_prefix("DEFAULT").filter(|rest| end(rest)) {
        return Ok((Some(Rule::Default), rest));
    }
    if text.starts_with(',') {
        // Nothing stands before the comma.
        return Ok((None, text));
    }
    let shape = || InvalidRule::Shape(text.to_owned());
    let rest = text.strip_prefix("RULE:").ok_or_else(shape)?;
    let (pattern, rest) = up_to_slash(rest).ok_or_else(shape)?;
    let (replacement, rest) = up_to_slash(rest).ok_or_else(shape)?;
    let (case, rest) = match rest.chars().next() {
        Some('L') => (Case::Lower, &rest[1..]),
        Some('U') => (Case::Upper, &rest[1..]),
        _ => (Case::Kept, rest),
    };
    if !end(rest) {
        return Err(shape());
    }
    let compile = |pattern: &str| {
        Regex::new(pattern).map_err(|error| InvalidRule::Pattern { rule: text.to_owned(), reason: error.to_string() })
    };
    let (whole, part) = (compile(&format!("^(?:{pattern})$"))?, compile(pattern)?);
    let replacement = pieces(replacement, part.captures_len() - 1);
    Ok((Some(Rule::Rewrite { whole, part, replacement, case }), rest))
}

/// What stands before the next slash that no backslash escapes, and what stands behind it.
fn up_to_slash(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '/' if !escaped => return Some((&text[..at], &text[at + 1..])),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    None
}

/// `$n` is a group, as far as there are that many: of `$12` with three groups the 2 is text.
fn pieces(replacement: &str, groups: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = replacement;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                if let Some(next) = rest.chars().next() {
                    text.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
            '$' => {
                let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let fits = |length: &usize| rest[..*length].parse().ok().filter(|index: &usize| *index <= groups);
                match (1..=digits).rev().find_map(|length| Some((length, fits(&length)?))) {
                    Some((length, index)) => {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                        pieces.push(Piece::Group(index));
                        rest = &rest[length..];
                    }
                    None => text.push('$'),
                }
            }
            other => text.push(other),
        }
    }
    pieces.push(Piece::Text(text));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(rules: &str, distinguished_name: &str) -> Option<String> {
        PrincipalRules::parse(rules).unwrap().name(distinguished_name)
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let rules = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/, RULE:^CN=(.*?),OU=(.*?),O=(.*?),.*$/$1@$2/L, RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U, DEFAULT";
        assert_eq!(name(rules, "CN=kafka,OU=ServiceUsers,O=Unknown").as_deref(), Some("kafka"));
        assert_eq!(name(rules, "CN=Adm,OU=Admins,O=Org,C=DE").as_deref(), Some("adm@admins"));
        assert_eq!(name(rules, "cn=duke.x,C=DE").as_deref(), Some("DUKE.X"));
        assert_eq!(name(rules, "O=nobody").as_deref(), Some("O=nobody"));
    }

    #[test]
    fn where_no_rule_applies_there_is_no_name() {
        assert_eq!(name("RULE:^CN=(.*?),OU=a$/$1/", "CN=b"), None);
        assert_eq!(name("DEFAULT", "CN=b").as_deref(), Some("CN=b"));
        assert_eq!(name("", "CN=b"), None);
    }

    #[test]
    fn slashes_and_groups_that_are_not_there_are_text() {
        assert_eq!(name(r"RULE:^CN=a\/(.*)$/x\/$1/", "CN=a/b").as_deref(), Some("x/b"));
        assert_eq!(name("RULE:^CN=(.*)$/$1@$4/", "CN=a").as_deref(), Some("a@$4"));
        assert_eq!(name("RULE:^CN=(.*)$/$12/", "CN=a").as_deref(), Some("a2"));
    }

    #[test]
    fn rules_that_cannot_be_read() {
        for rules in
            ["default", "RULE:a/b", "RULE:a/b/LU", "RULE:a/b/L DEFAULT", "DEFAULTS", "RULE:(/b/", "RULE:(?=a)a/b/"]
        {
            assert!(PrincipalRules::parse(rules).is_err(), "{rules}");
        }
    }
}
