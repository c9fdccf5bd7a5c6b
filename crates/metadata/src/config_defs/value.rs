//! The values of configuration keys: their types, how text becomes one, and how Kafka prints it again.

use super::ConfigError;
use std::fmt;

/// The type of a key, with its code in DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl ConfigType {
    /// As in DescribeConfigs v3 and later. 0 is a key that the node does not know.
    pub fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    pub(super) fn parse_name(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "string" => Self::String,
            "int" => Self::Int,
            "short" => Self::Short,
            "long" => Self::Long,
            "double" => Self::Double,
            "list" => Self::List,
            "class" => Self::Class,
            "password" => Self::Password,
            _ => return None,
        })
    }
}

/// As it stands in Kafka's messages.
impl fmt::Display for ConfigType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        })
    }
}

/// A parsed value. Printed as DescribeConfigs shows it.
#[derive(Clone, PartialEq)]
pub enum ConfigValue {
    /// Unset, and without a default.
    Null,
    Boolean(bool),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    String(String),
    List(Vec<String>),
    /// A class name. Which ones exist is for the reader of the key to say.
    Class(String),
    /// Never printed.
    Password(String),
}

impl ConfigValue {
    /// Reads text as Java does: surrounding blanks do not count.
    pub(super) fn parse(name: &str, kind: ConfigType, text: &str) -> Result<Self, ConfigError> {
        let trimmed = text.trim();
        let number = || ConfigError::value(name, text, format!("Not a number of type {kind}"));
        Ok(match kind {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Self::Boolean(true),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Self::Boolean(false),
            ConfigType::Boolean => {
                return Err(ConfigError::value(name, text, "Expected value to be either true or false"));
            }
            ConfigType::Int => Self::Int(trimmed.parse().map_err(|_| number())?),
            ConfigType::Short => Self::Short(trimmed.parse().map_err(|_| number())?),
            ConfigType::Long => Self::Long(trimmed.parse().map_err(|_| number())?),
            ConfigType::Double => Self::Double(parse_double(trimmed).ok_or_else(number)?),
            ConfigType::String => Self::String(trimmed.to_owned()),
            ConfigType::Class => Self::Class(trimmed.to_owned()),
            ConfigType::Password => Self::Password(trimmed.to_owned()),
            ConfigType::List => Self::List(parse_list(trimmed)),
        })
    }

    /// The number, whatever its width; for ranges.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(v) => Some(f64::from(*v)),
            Self::Short(v) => Some(f64::from(*v)),
            // Ranges of longs are compared as doubles in Kafka too.
            #[allow(clippy::cast_precision_loss)]
            Self::Long(v) => Some(*v as f64),
            Self::Double(v) => Some(*v),
            _ => None,
        }
    }

    /// The text of DescribeConfigs; nothing for an unset value and for a password.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Null | Self::Password(_) => None,
            other => Some(other.to_string()),
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(v) => Some(*v),
            _ => None,
        }
    }

    /// An int or short.
    pub fn as_i32(&self) -> Option<i32> {
        match self {
            Self::Int(v) => Some(*v),
            Self::Short(v) => Some(i32::from(*v)),
            _ => None,
        }
    }

    /// An int, short or long.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Long(v) => Some(*v),
            other => other.as_i32().map(i64::from),
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Double(v) => Some(*v),
            _ => None,
        }
    }

    /// A string, class name or password.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(v) | Self::Class(v) | Self::Password(v) => Some(v),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[String]> {
        match self {
            Self::List(v) => Some(v),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(v) => v.fmt(f),
            Self::Int(v) => v.fmt(f),
            Self::Short(v) => v.fmt(f),
            Self::Long(v) => v.fmt(f),
            Self::Double(v) => f.write_str(&java_double(*v)),
            Self::String(v) | Self::Class(v) => f.write_str(v),
            Self::List(v) => f.write_str(&v.join(",")),
            Self::Password(_) => f.write_str("[hidden]"),
        }
    }
}

impl fmt::Debug for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Entries separated by commas with blanks around them, each once: Kafka drops repetitions.
fn parse_list(text: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    if !text.is_empty() {
        for entry in text.split(',').map(str::trim) {
            if !entries.iter().any(|known| known == entry) {
                entries.push(entry.to_owned());
            }
        }
    }
    entries
}

/// Java's `Double.parseDouble`, without its hexadecimal form.
fn parse_double(text: &str) -> Option<f64> {
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    match text.trim_start_matches(['+', '-']) {
        "NaN" | "Infinity" => text.parse().ok(),
        digits if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => text.parse().ok(),
        _ => None,
    }
}

/// Java's `Double.toString`: decimal from 10^-3 up to 10^7, computerized scientific notation outside.
fn java_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: ConfigType, text: &str) -> Result<String, String> {
        ConfigValue::parse("k", kind, text).map(|value| value.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn text_becomes_values_as_in_java() {
        assert_eq!(parse(ConfigType::Int, " +5 "), Ok("5".into()));
        assert_eq!(parse(ConfigType::Boolean, "TRUE"), Ok("true".into()));
        assert_eq!(parse(ConfigType::List, " a , b,a "), Ok("a,b".into()));
        assert_eq!(parse(ConfigType::List, "  "), Ok(String::new()));
        assert_eq!(parse(ConfigType::Double, "5e-1d"), Ok("0.5".into()));
        assert_eq!(parse(ConfigType::Password, "secret"), Ok("[hidden]".into()));
    }

    #[test]
    fn mistakes_are_told_in_kafkas_words() {
        assert_eq!(
            parse(ConfigType::Int, "abc"),
            Err("Invalid value abc for configuration k: Not a number of type INT".into())
        );
        assert_eq!(
            parse(ConfigType::Short, "70000"),
            Err("Invalid value 70000 for configuration k: Not a number of type SHORT".into())
        );
        assert_eq!(
            parse(ConfigType::Boolean, "yes"),
            Err("Invalid value yes for configuration k: Expected value to be either true or false".into())
        );
        for text in ["inf", "nan", "", "0x1p3", "1_0"] {
            assert!(parse(ConfigType::Double, text).is_err(), "{text}");
        }
    }

    #[test]
    fn doubles_are_printed_as_java_does() {
        for (value, text) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (1e7, "1.0E7"),
            (2_147_483_647.0, "2.147483647E9"),
            (f64::MAX, "1.7976931348623157E308"),
            (0.0005, "5.0E-4"),
        ] {
            assert_eq!(java_double(value), text);
        }
    }
}
