//! A producer's own settings.

use super::{ClientConfig, Settings};
use crate::error::{ClientError, Result};
use crate::session::batches::Limits;
use ottla_wire::batch::Compression;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    pub client: ClientConfig,
    pub limits: Limits,
    /// 0, 1 or -1 for all.
    pub acks: i16,
    pub max_request_bytes: usize,
    /// What records that were not sent yet may take together.
    pub buffer_bytes: usize,
    /// How long a send may wait for room and for metadata.
    pub max_block: Duration,
    pub max_in_flight: usize,
}

impl ProducerConfig {
    pub fn read(settings: &Settings) -> Result<Self> {
        let mut client = ClientConfig::read(settings)?;
        if settings.get("client.id").is_none() {
            client.client_id = "producer-1".into();
        }
        if settings.get("transactional.id").is_some() {
            return Err(ClientError::Config("transactional.id: transactions are not supported yet".into()));
        }
        let acks = match settings.text("acks", "all") {
            "all" | "-1" => -1,
            "1" => 1,
            "0" => 0,
            other => {
                return Err(ClientError::Config(format!(
                    "Invalid value {other} for configuration acks: String must be one of: all, -1, 0, 1"
                )));
            }
        };
        let max_in_flight = settings.at_least("max.in.flight.requests.per.connection", 5, 1)?;
        let retries = settings.at_least("retries", i64::from(i32::MAX), 0)?;
        let is_idempotent = idempotence(settings, acks, max_in_flight, retries)?;
        let linger = settings.millis("linger.ms", 5)?;
        let delivery_timeout = settings.millis("delivery.timeout.ms", 120_000)?;
        let least = linger + client.request_timeout;
        if delivery_timeout < least && settings.get("delivery.timeout.ms").is_some() {
            return Err(ClientError::Config(
                "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms".into(),
            ));
        }
        let (compression, compression_level) = compression(settings)?;
        let max_in_flight = usize::try_from(max_in_flight).unwrap_or(usize::MAX);
        Ok(Self {
            limits: Limits {
                batch_bytes: bytes(settings, "batch.size", 16_384)?,
                linger,
                compression,
                compression_level,
                in_flight_max: max_in_flight,
                delivery_timeout: delivery_timeout.max(least),
                retries_max: u32::try_from(retries).unwrap_or(u32::MAX),
                is_idempotent,
            },
            acks,
            max_request_bytes: bytes(settings, "max.request.size", 1_048_576)?,
            buffer_bytes: bytes(settings, "buffer.memory", 33_554_432)?,
            max_block: settings.millis("max.block.ms", 60_000)?,
            max_in_flight,
            client,
        })
    }
}

fn bytes(settings: &Settings, key: &str, default: i64) -> Result<usize> {
    Ok(usize::try_from(settings.at_least(key, default, 0)?).unwrap_or(usize::MAX))
}

/// On by default; an explicit wish that contradicts the other settings is an error, a default steps back (KIP-679).
fn idempotence(settings: &Settings, acks: i16, max_in_flight: i64, retries: i64) -> Result<bool> {
    let wanted = settings.get("enable.idempotence").map(|_| settings.flag("enable.idempotence", true)).transpose()?;
    let conflicts = [
        (
            acks != -1,
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.",
        ),
        (retries == 0, "Must set retries to non-zero when using the idempotent producer."),
        (
            max_in_flight > 5,
            "Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent producer.",
        ),
    ];
    let conflict = conflicts.iter().find(|(is_so, _)| *is_so).map(|(_, message)| *message);
    match (wanted, conflict) {
        (Some(false), _) => Ok(false),
        (Some(true), Some(message)) => Err(ClientError::Config(message.into())),
        (_, conflict) => Ok(conflict.is_none()),
    }
}

fn compression(settings: &Settings) -> Result<(Compression, Option<i32>)> {
    let name = settings.one_of("compression.type", "none", &["none", "gzip", "snappy", "lz4", "zstd"])?;
    let (compression, key) = match name {
        "gzip" => (Compression::Gzip, "compression.gzip.level"),
        "snappy" => return Ok((Compression::Snappy, None)),
        "lz4" => (Compression::Lz4, "compression.lz4.level"),
        "zstd" => (Compression::Zstd, "compression.zstd.level"),
        _ => return Ok((Compression::None, None)),
    };
    let level = settings.get(key).map(|_| settings.int(key, 0)).transpose()?;
    Ok((compression, level.and_then(|level| i32::try_from(level).ok())))
}
