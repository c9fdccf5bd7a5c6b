//! How a line becomes a record: headers, key and value, as `LineMessageReader` divides them.

use crate::cli::{Done, Failure};
use ottla_client::shell::producer::ProducerRecord;
use std::sync::Arc;

/// Keys and values.
type Headers = Vec<(String, Option<Vec<u8>>)>;

pub(super) struct LineReader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    null_marker: Option<String>,
    line_number: u64,
}

/// As Java shows an error that nobody caught: with its class.
pub(super) fn broken(message: String) -> Failure {
    Failure::told(format!("org.apache.kafka.common.KafkaException: {message}"))
}

impl LineReader {
    /// A later property replaces an earlier one; what is not known is passed over, as Kafka does.
    pub(super) fn new(properties: &[(String, String)]) -> Done<Self> {
        let mut reader = Self {
            parse_key: false,
            parse_headers: false,
            ignore_error: false,
            key_separator: "\t".into(),
            headers_delimiter: "\t".into(),
            headers_separator: ",".into(),
            headers_key_separator: ":".into(),
            null_marker: None,
            line_number: 0,
        };
        let is_true = |value: &str| value.trim().eq_ignore_ascii_case("true");
        for (key, value) in properties {
            match key.as_str() {
                "parse.key" => reader.parse_key = is_true(value),
                "parse.headers" => reader.parse_headers = is_true(value),
                "ignore.error" => reader.ignore_error = is_true(value),
                "key.separator" => reader.key_separator.clone_from(value),
                "headers.delimiter" => reader.headers_delimiter.clone_from(value),
                "headers.separator" => reader.headers_separator.clone_from(value),
                "headers.key.separator" => reader.headers_key_separator.clone_from(value),
                "null.marker" => reader.null_marker = Some(value.clone()),
                _ => {}
            }
        }
        reader.check()?;
        Ok(reader)
    }

    fn check(&self) -> Done {
        let different = |one: &str, other: &str, names: &str| {
            if one == other { Err(broken(format!("{names} may not be equal"))) } else { Ok(()) }
        };
        different(&self.headers_delimiter, &self.headers_separator, "headers.delimiter and headers.separator")?;
        different(&self.headers_delimiter, &self.headers_key_separator, "headers.delimiter and headers.key.separator")?;
        different(&self.headers_separator, &self.headers_key_separator, "headers.separator and headers.key.separator")?;
        let Some(marker) = &self.null_marker else { return Ok(()) };
        different(marker, &self.key_separator, "null.marker and key.separator")?;
        different(marker, &self.headers_separator, "null.marker and headers.separator")?;
        different(marker, &self.headers_delimiter, "null.marker and headers.delimiter")?;
        different(marker, &self.headers_key_separator, "null.marker and headers.key.separator")
    }

    pub(super) fn read(&mut self, topic: &Arc<str>, line: &str) -> Result<ProducerRecord, String> {
        self.line_number += 1;
        let (headers, rest) = self.cut(self.parse_headers, line, line, &self.headers_delimiter, "headers delimiter")?;
        let (key, value) = self.cut(self.parse_key, line, rest, &self.key_separator, "key separator")?;
        let headers = match headers {
            Some(headers) if !self.is_null(headers) => self.headers(headers)?,
            _ => Vec::new(),
        };
        let bytes = |text: &str| (!self.is_null(text)).then(|| text.as_bytes().to_vec());
        Ok(ProducerRecord {
            topic: Arc::clone(topic),
            key: key.and_then(bytes),
            value: bytes(value),
            headers,
            ..ProducerRecord::default()
        })
    }

    /// What stands before a separator, and what stands behind it.
    fn cut<'a>(
        &self,
        is_wanted: bool,
        line: &str,
        rest: &'a str,
        separator: &str,
        name: &str,
    ) -> Result<(Option<&'a str>, &'a str), String> {
        if !is_wanted {
            return Ok((None, rest));
        }
        match rest.split_once(separator) {
            Some((before, behind)) => Ok((Some(before), behind)),
            None if self.ignore_error => Ok((None, rest)),
            None => Err(format!("No {name} found on line number {}: '{line}'", self.line_number)),
        }
    }

    fn headers(&self, text: &str) -> Result<Headers, String> {
        let mut headers = Vec::new();
        for pair in text.split(self.headers_separator.as_str()) {
            let Some((key, value)) = pair.split_once(self.headers_key_separator.as_str()) else {
                if self.ignore_error {
                    headers.push((pair.to_owned(), None));
                    continue;
                }
                return Err(format!(
                    "No header key separator found in pair '{pair}' on line number {}",
                    self.line_number
                ));
            };
            if self.is_null(key) {
                let marker = self.null_marker.as_deref().unwrap_or_default();
                return Err(format!(
                    "Header keys should not be equal to the null marker '{marker}' as they can't be null"
                ));
            }
            headers.push((key.to_owned(), (!self.is_null(value)).then(|| value.as_bytes().to_vec())));
        }
        Ok(headers)
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn reader(properties: &[(&str, &str)]) -> LineReader {
        let owned: Vec<_> = properties.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        LineReader::new(&owned).unwrap()
    }

    #[test]
    fn a_line_is_a_value_unless_told_otherwise() {
        let record = reader(&[]).read(&"t".into(), "a\tb").unwrap();
        assert_eq!((record.key, record.value), (None, Some(b"a\tb".to_vec())));
    }

    #[test]
    fn headers_key_and_value_are_divided() {
        let properties = [("parse.key", "true"), ("parse.headers", "true"), ("null.marker", "NULL")];
        let record = reader(&properties).read(&"t".into(), "h:1,g:NULL\tk\tNULL").unwrap();
        assert_eq!(record.headers, [("h".into(), Some(b"1".to_vec())), ("g".into(), None)]);
        assert_eq!((record.key, record.value), (Some(b"k".to_vec()), None));
    }

    #[test]
    fn a_missing_separator_is_an_error_with_its_line() {
        let mut strict = reader(&[("parse.key", "true"), ("key.separator", ":")]);
        assert!(strict.read(&"t".into(), "k:v").is_ok());
        let told = strict.read(&"t".into(), "nothing").unwrap_err();
        assert_eq!(told, "No key separator found on line number 2: 'nothing'");
    }
}
