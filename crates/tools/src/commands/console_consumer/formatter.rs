//! How a record is written: Kafka's formatters, by their classes' names.

use crate::cli::{Done, Failure, Parsed, convert, say};
use crate::record_json;
use crate::records::coordinator::{Coordinator, Unreadable};
use crate::records::remote;
use bytes::Bytes;
use ottla_client::session::fetched::ConsumerRecord;
use ottla_wire::Json;
use ottla_wire::batch::TimestampType;
use std::fmt::Write as _;

pub(super) enum Formatter {
    Default(Box<DefaultFormatter>),
    /// Writes the record to the log as well.
    Logging(Box<DefaultFormatter>),
    NoOp,
    /// One JSON object a line, for programs.
    Json,
    /// Records of a coordinator's topic, of these types; of all if none is named.
    Coordinator(Coordinator, &'static [i16]),
    /// Records of `__remote_log_metadata`.
    Remote,
}

/// The types of keys in `__consumer_offsets` that each formatter shows.
const OFFSETS: &[i16] = &[0, 1];
const GROUP_METADATA: &[i16] = &[2];
const SHARE_GROUPS: &[i16] = &[10, 11, 12, 13, 14, 15];

/// Columns in a fixed order, between separators.
#[derive(Debug)]
pub(super) struct DefaultFormatter {
    timestamp: bool,
    key: bool,
    value: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key_deserializer: Deserializer,
    value_deserializer: Deserializer,
    headers_deserializer: Deserializer,
}

/// Kafka's own deserializers, as far as they have a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deserializer {
    /// The bytes as they are.
    None,
    Text,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Uuid,
    Void,
}

impl Formatter {
    pub(super) fn of(parsed: &Parsed) -> Done<Self> {
        if parsed.has("json") {
            return Ok(Self::Json);
        }
        let class = parsed.value("formatter")?.unwrap_or_default();
        if parsed.has("property") && parsed.has("formatter-property") {
            return Err(Failure::usage("Options --property and --formatter-property cannot be specified together."));
        }
        if parsed.has("property") {
            say(
                "Option --property is deprecated and will be removed in a future version. Use --formatter-property instead.",
            );
        }
        let mut properties = match parsed.value("formatter-config")? {
            Some(path) => convert::properties_file(path)?,
            None => Vec::new(),
        };
        for (option, key) in [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")] {
            if let Some(class) = parsed.value(option)?.filter(|class| !class.is_empty()) {
                properties.push((key.to_owned(), class.to_owned()));
            }
        }
        let mut given = parsed.values("property");
        given.extend(parsed.values("formatter-property"));
        properties.extend(convert::pairs(&given));
        let default = || DefaultFormatter::new(&properties).map(Box::new);
        match class {
            "org.apache.kafka.tools.consumer.DefaultMessageFormatter" | "kafka.tools.DefaultMessageFormatter" => {
                Ok(Self::Default(default()?))
            }
            "org.apache.kafka.tools.consumer.LoggingMessageFormatter" | "kafka.tools.LoggingMessageFormatter" => {
                Ok(Self::Logging(default()?))
            }
            "org.apache.kafka.tools.consumer.NoOpMessageFormatter" | "kafka.tools.NoOpMessageFormatter" => {
                Ok(Self::NoOp)
            }
            "org.apache.kafka.tools.consumer.OffsetsMessageFormatter" => {
                Ok(Self::Coordinator(Coordinator::Group, OFFSETS))
            }
            "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter" => {
                Ok(Self::Coordinator(Coordinator::Group, GROUP_METADATA))
            }
            "org.apache.kafka.tools.consumer.ShareGroupMessageFormatter" => {
                Ok(Self::Coordinator(Coordinator::Group, SHARE_GROUPS))
            }
            "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter" => {
                Ok(Self::Coordinator(Coordinator::Transaction, &[]))
            }
            "org.apache.kafka.tools.consumer.group.share.ShareGroupStateMessageFormatter" => {
                Ok(Self::Coordinator(Coordinator::Share, &[]))
            }
            "org.apache.kafka.server.log.remote.metadata.storage.serialization.RemoteLogMetadataSerde$RemoteLogMetadataFormatter" => {
                Ok(Self::Remote)
            }
            // The class is not there, and its name is all that Java says.
            other => Err(Failure::usage(other)),
        }
    }

    pub(super) fn write(&self, record: &ConsumerRecord, page: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::NoOp => Ok(()),
            Self::Json => {
                page.extend_from_slice(record_json::of(record).to_string().as_bytes());
                page.push(b'\n');
                Ok(())
            }
            Self::Default(formatter) => formatter.write(record, page),
            Self::Coordinator(coordinator, kinds) => write_coordinator(*coordinator, kinds, record, page),
            Self::Remote => {
                let value = remote::read(record.value.as_deref().unwrap_or_default())?;
                let line = format!("partition: {}, offset: {}, value: {value}\n", record.partition, record.offset);
                page.extend_from_slice(line.as_bytes());
                Ok(())
            }
            Self::Logging(formatter) => {
                formatter.write(record, page)?;
                let text = |bytes: &Option<Bytes>| {
                    bytes.as_ref().map_or_else(|| "null".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
                };
                let timestamp = format!("{}:{}", type_name(record.timestamp_type), record.timestamp_ms);
                tracing::info!("{timestamp}, key:{}, value:{}", text(&record.key), text(&record.value));
                Ok(())
            }
        }
    }
}

impl DefaultFormatter {
    fn new(properties: &[(String, String)]) -> Done<Self> {
        let mut formatter = Self {
            timestamp: false,
            key: false,
            value: true,
            partition: false,
            offset: false,
            delivery: false,
            epoch: false,
            headers: false,
            key_separator: "\t".into(),
            line_separator: "\n".into(),
            headers_separator: ",".into(),
            null_literal: "null".into(),
            key_deserializer: Deserializer::None,
            value_deserializer: Deserializer::None,
            headers_deserializer: Deserializer::None,
        };
        for (key, value) in properties {
            let is_true = value.trim().eq_ignore_ascii_case("true");
            match key.as_str() {
                "print.timestamp" => formatter.timestamp = is_true,
                "print.key" => formatter.key = is_true,
                "print.value" => formatter.value = is_true,
                "print.partition" => formatter.partition = is_true,
                "print.offset" => formatter.offset = is_true,
                "print.delivery" => formatter.delivery = is_true,
                "print.epoch" => formatter.epoch = is_true,
                "print.headers" => formatter.headers = is_true,
                "key.separator" => formatter.key_separator.clone_from(value),
                "line.separator" => formatter.line_separator.clone_from(value),
                "headers.separator" => formatter.headers_separator.clone_from(value),
                "null.literal" => formatter.null_literal.clone_from(value),
                "key.deserializer" => formatter.key_deserializer = Deserializer::by_class(value)?,
                "value.deserializer" => formatter.value_deserializer = Deserializer::by_class(value)?,
                "headers.deserializer" => formatter.headers_deserializer = Deserializer::by_class(value)?,
                _ => {}
            }
        }
        Ok(formatter)
    }

    fn write(&self, record: &ConsumerRecord, page: &mut Vec<u8>) -> Result<(), String> {
        // In Kafka's order; a separator stands behind each that is not the last.
        let mut columns: Vec<Vec<u8>> = Vec::new();
        if self.timestamp {
            let time = format!("{}:{}", type_name(record.timestamp_type), record.timestamp_ms);
            columns.push(if record.timestamp_ms < 0 { b"NO_TIMESTAMP".to_vec() } else { time.into_bytes() });
        }
        if self.partition {
            columns.push(format!("Partition:{}", record.partition).into_bytes());
        }
        if self.offset {
            columns.push(format!("Offset:{}", record.offset).into_bytes());
        }
        if self.delivery {
            columns.push(b"Delivery:NOT_PRESENT".to_vec());
        }
        if self.epoch {
            // The tool copies records without their epoch.
            columns.push(b"Epoch:NOT_PRESENT".to_vec());
        }
        if self.headers {
            columns.push(self.headers(record)?);
        }
        if self.key {
            columns.push(self.column(self.key_deserializer, record.key.as_ref())?);
        }
        if self.value {
            columns.push(self.column(self.value_deserializer, record.value.as_ref())?);
        }
        let last = columns.len();
        for (column, place) in columns.iter().zip(1..) {
            page.extend_from_slice(column);
            let separator = if place < last { &self.key_separator } else { &self.line_separator };
            page.extend_from_slice(separator.as_bytes());
        }
        Ok(())
    }

    fn headers(&self, record: &ConsumerRecord) -> Result<Vec<u8>, String> {
        if record.headers.is_empty() {
            return Ok(b"NO_HEADERS".to_vec());
        }
        let mut text = Vec::new();
        for (header, place) in record.headers.iter().zip(0..) {
            if place > 0 {
                text.extend_from_slice(self.headers_separator.as_bytes());
            }
            text.extend_from_slice(&header.0);
            text.push(b':');
            text.extend(self.column(self.headers_deserializer, header.1.as_ref())?);
        }
        Ok(text)
    }

    fn column(&self, deserializer: Deserializer, bytes: Option<&Bytes>) -> Result<Vec<u8>, String> {
        deserializer.text(bytes.map_or(self.null_literal.as_bytes(), |bytes| bytes))
    }
}

/// Kafka writes no end of line behind these.
fn write_coordinator(
    coordinator: Coordinator,
    kinds: &[i16],
    record: &ConsumerRecord,
    page: &mut Vec<u8>,
) -> Result<(), String> {
    let Some(key) = &record.key else { return Ok(()) };
    let read = match coordinator.read(key, record.value.as_deref()) {
        Ok(read) => read,
        Err(Unreadable::Type(_)) => return Ok(()),
        Err(Unreadable::Other(why)) => {
            let offset = record.offset;
            return Err(format!("java.lang.RuntimeException: Could not read record at offset {offset} due to: {why}"));
        }
    };
    if !kinds.is_empty() && !kinds.contains(&read.kind) {
        return Ok(());
    }
    let part = |name, number: i16, data| Json::Object(vec![(name, Json::Integer(number.into())), ("data", data)]);
    let value = read.value.map_or(Json::Null, |(version, data)| part("version", version, data));
    let json = Json::Object(vec![("key", part("type", read.kind, read.key)), ("value", value)]);
    page.extend_from_slice(json.to_string().as_bytes());
    Ok(())
}

const fn type_name(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

impl Deserializer {
    fn by_class(class: &str) -> Done<Self> {
        match class.strip_prefix("org.apache.kafka.common.serialization.").unwrap_or(class) {
            "StringDeserializer" => Ok(Self::Text),
            "ByteArrayDeserializer" | "BytesDeserializer" | "ByteBufferDeserializer" => Ok(Self::None),
            "ShortDeserializer" => Ok(Self::Short),
            "IntegerDeserializer" => Ok(Self::Integer),
            "LongDeserializer" => Ok(Self::Long),
            "FloatDeserializer" => Ok(Self::Float),
            "DoubleDeserializer" => Ok(Self::Double),
            "BooleanDeserializer" => Ok(Self::Boolean),
            "UUIDDeserializer" => Ok(Self::Uuid),
            "VoidDeserializer" => Ok(Self::Void),
            other => Err(Failure::told(format!(
                "Unable to instantiate a deserializer from {other}: it is not one of Kafka's own"
            ))),
        }
    }

    /// What Java's `toString` gives for the value in these bytes.
    fn text(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let wrong = |size: usize, kind: &str| {
            format!(
                "org.apache.kafka.common.errors.SerializationException: Size of data received by {kind}Deserializer is not {size}"
            )
        };
        let text = match self {
            Self::None => return Ok(bytes.to_vec()),
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            Self::Short => i16::from_be_bytes(bytes.try_into().map_err(|_| wrong(2, "Short"))?).to_string(),
            Self::Integer => i32::from_be_bytes(bytes.try_into().map_err(|_| wrong(4, "Integer"))?).to_string(),
            Self::Long => i64::from_be_bytes(bytes.try_into().map_err(|_| wrong(8, "Long"))?).to_string(),
            Self::Float => decimal(f64::from(f32::from_be_bytes(bytes.try_into().map_err(|_| wrong(4, "Float"))?))),
            Self::Double => decimal(f64::from_be_bytes(bytes.try_into().map_err(|_| wrong(8, "Double"))?)),
            Self::Boolean => match bytes {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                _ => return Err(wrong(1, "Boolean")),
            },
            Self::Uuid | Self::Void => String::from_utf8_lossy(bytes).into_owned(),
        };
        Ok(text.into_bytes())
    }
}

/// Java always shows a point.
fn decimal(value: f64) -> String {
    let mut text = String::new();
    let _ =
        if value.fract() == 0.0 && value.abs() < 1e7 { write!(text, "{value:.1}") } else { write!(text, "{value}") };
    text
}
