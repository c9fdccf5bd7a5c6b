//! Which values of its type a key takes, and what Kafka says about the others.

use super::{ConfigDef, ConfigError, ConfigValue};

/// The check on top of the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Valid {
    Anything,
    /// Bounds as Kafka prints them.
    Range {
        min: &'static str,
        max: Option<&'static str>,
        or_minus_one: bool,
    },
    OneOf(Vec<&'static str>),
    AnyCaseOf(Vec<&'static str>),
    /// A string that is null or has a character.
    NonEmpty,
    /// `*`, or entries of partition and broker.
    ThrottledReplicas,
    /// `latest`, `earliest` or `by_duration:` with an ISO 8601 duration that is not negative (KIP-1106).
    ShareOffsetReset,
}

impl Valid {
    pub(super) fn check(&self, def: &ConfigDef, value: &ConfigValue) -> Result<(), ConfigError> {
        let name = def.name;
        let refuse = |why: String| Err(ConfigError::value(name, value, why));
        if let ConfigValue::List(entries) = value
            && *self != Self::ThrottledReplicas
        {
            return self.check_list(def, entries);
        }
        match self {
            Self::Anything => Ok(()),
            Self::Range { min, max, or_minus_one } => {
                let Some(number) = value.number() else {
                    return Ok(());
                };
                let bound = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
                if *or_minus_one && number == -1.0 {
                    return Ok(());
                }
                let below = number < bound(min);
                let above = max.is_some_and(|max| number > bound(max));
                match (or_minus_one, max) {
                    (true, Some(max)) if below || above => {
                        refuse(format!("Value must be between {min} and {max} or equal to -1"))
                    }
                    _ if below => refuse(format!("Value must be at least {min}")),
                    (_, Some(max)) if above => refuse(format!("Value must be no more than {max}")),
                    _ => Ok(()),
                }
            }
            Self::OneOf(values) => match value.as_str() {
                Some(text) if !values.contains(&text) => {
                    refuse(format!("String must be one of: {}", values.join(", ")))
                }
                _ => Ok(()),
            },
            Self::AnyCaseOf(values) => match value.as_str() {
                Some(text) if !values.iter().any(|v| v.eq_ignore_ascii_case(text)) => {
                    refuse(format!("String must be one of (case insensitive): {}", values.join(", ")))
                }
                _ => Ok(()),
            },
            Self::NonEmpty => match value.as_str() {
                Some("") => refuse("String must be non-empty".to_owned()),
                _ => Ok(()),
            },
            Self::ThrottledReplicas => match value.as_list() {
                Some(entries) if !are_replicas(entries) => Err(ConfigError::value(
                    name,
                    format_args!("[{}]", entries.join(", ")),
                    format_args!(
                        "{name} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                    ),
                )),
                _ => Ok(()),
            },
            Self::ShareOffsetReset => match value.as_str() {
                Some(text) if !is_offset_reset(text) => refuse(format!(
                    "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
                )),
                _ => Ok(()),
            },
        }
    }

    fn check_list(&self, def: &ConfigDef, entries: &[String]) -> Result<(), ConfigError> {
        let name = def.name;
        let allowed = match self {
            Self::OneOf(values) => Some(values),
            _ => None,
        };
        if def.non_empty && entries.is_empty() {
            let values =
                allowed.map_or_else(|| "any non-empty value".to_owned(), |values| format!("[{}]", values.join(", ")));
            return Err(ConfigError(format!(
                "Configuration '{name}' must not be empty. Valid values include: {values}"
            )));
        }
        for entry in entries {
            if entry.is_empty() {
                return Err(ConfigError(format!("Configuration '{name}' values must not be empty.")));
            }
            if let Some(values) = allowed
                && !values.contains(&entry.as_str())
            {
                return Err(ConfigError::value(
                    name,
                    entry,
                    format_args!("String must be one of: {}", values.join(", ")),
                ));
            }
        }
        Ok(())
    }
}

fn are_replicas(entries: &[String]) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let replica = |entry: &String| {
        entry.is_empty() || entry.split_once(':').is_some_and(|(partition, broker)| number(partition) && number(broker))
    };
    entries.iter().all(replica) || entries.concat() == "*"
}

fn is_offset_reset(text: &str) -> bool {
    match text.strip_prefix("by_duration:") {
        Some(duration) => is_duration(duration),
        None => matches!(text, "latest" | "earliest"),
    }
}

/// `PnDTnHnMn.nS`, at least one part, none negative.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(['P', 'p']) else {
        return false;
    };
    let upper = rest.to_ascii_uppercase();
    let (days, time) = match upper.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (upper.as_str(), None),
    };
    if days.is_empty() && time.is_none() || time == Some("") {
        return false;
    }
    parts(days, "D") && parts(time.unwrap_or_default(), "HMS")
}

/// Numbers followed by units in order; only seconds have a fraction.
fn parts(mut text: &str, units: &str) -> bool {
    let mut units = units.chars();
    while !text.is_empty() {
        let Some(end) = text.find(|c: char| c.is_ascii_alphabetic()) else {
            return false;
        };
        let (number, unit) = (&text[..end], text[end..].chars().next());
        if !units.any(|expected| Some(expected) == unit) {
            return false;
        }
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if unit == Some('S') => (whole, fraction),
            Some(_) => return false,
            None => (number, ""),
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 18 || !digits(whole) || fraction.len() > 9 || !digits(fraction) {
            return false;
        }
        text = &text[end + 1..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::{broker, group, topic};

    fn refused(defs: &super::super::ConfigDefs, name: &str, text: &str) -> String {
        defs.get(name).unwrap().parse(text).unwrap_err().to_string()
    }

    #[test]
    fn refusals_are_told_in_kafkas_words() {
        assert_eq!(
            refused(broker(), "num.partitions", "0"),
            "Invalid value 0 for configuration num.partitions: Value must be at least 1"
        );
        assert_eq!(
            refused(topic(), "min.cleanable.dirty.ratio", "1.5"),
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"
        );
        assert_eq!(
            refused(topic(), "compression.type", "brotli"),
            "Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"
        );
        assert_eq!(
            refused(topic(), "cleanup.policy", "delete,shred"),
            "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"
        );
        assert_eq!(
            refused(broker(), "process.roles", ""),
            "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]"
        );
        assert_eq!(
            refused(broker(), "listeners", "PLAINTEXT://:1,,"),
            "Configuration 'listeners' values must not be empty."
        );
    }

    #[test]
    fn gzip_takes_its_levels_and_minus_one() {
        let def = topic().get("compression.gzip.level").unwrap();
        for (text, valid) in [("-1", true), ("1", true), ("9", true), ("0", false), ("10", false)] {
            assert_eq!(def.parse(text).is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn throttled_replicas() {
        let def = topic().get("leader.replication.throttled.replicas").unwrap();
        for (text, valid) in
            [("*", true), ("", true), ("0:1,2:3", true), ("0:1,*", false), ("0", false), ("a:b", false)]
        {
            assert_eq!(def.parse(text).is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn where_a_share_group_starts() {
        let def = group().get("share.auto.offset.reset").unwrap();
        for text in ["latest", "earliest", "by_duration:P1D", "by_duration:PT1H30M", "by_duration:P2DT0.5S"] {
            def.parse(text).unwrap();
        }
        for text in [
            "none",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:-PT1H",
            "by_duration:P1H",
            "by_duration:PT1M1H",
            "by_duration:PT1.5H",
        ] {
            assert!(def.parse(text).is_err(), "{text}");
        }
    }
}
