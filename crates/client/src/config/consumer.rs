//! A consumer's own settings.

use super::{ClientConfig, Settings};
use crate::error::{ClientError, Result};
use crate::session::assignors::Assignor;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    pub client: ClientConfig,
    pub group: Option<GroupConfig>,
    pub reset: Reset,
    pub fetch_min_bytes: i32,
    pub fetch_max_bytes: i32,
    pub fetch_max_wait: Duration,
    pub max_partition_fetch_bytes: i32,
    pub max_poll_records: usize,
    pub check_crcs: bool,
    pub is_read_committed: bool,
    pub allow_auto_create_topics: bool,
    pub exclude_internal_topics: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    pub id: String,
    pub instance_id: Option<String>,
    pub session_timeout: Duration,
    pub heartbeat_interval: Duration,
    /// How long a rebalance waits for this member: `max.poll.interval.ms`.
    pub rebalance_timeout: Duration,
    /// In the order of preference.
    pub assignors: Vec<Assignor>,
    /// None without `enable.auto.commit`.
    pub auto_commit: Option<Duration>,
}

/// Where to begin without a committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    Earliest,
    Latest,
    None,
}

impl ConsumerConfig {
    pub fn read(settings: &Settings) -> Result<Self> {
        let mut client = ClientConfig::read(settings)?;
        let group = group(settings)?;
        if settings.get("client.id").is_none() {
            client.client_id = match &group {
                Some(group) => format!("consumer-{}-1", group.id),
                None => "consumer-1".into(),
            };
        }
        let reset = match settings.text("auto.offset.reset", "latest") {
            "earliest" => Reset::Earliest,
            "latest" => Reset::Latest,
            "none" => Reset::None,
            other => {
                return Err(ClientError::Config(format!(
                    "Invalid value {other} for configuration auto.offset.reset: Invalid value `{other}` for configuration auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
                )));
            }
        };
        if settings
            .one_of("group.protocol", "classic", &["classic", "consumer", "CLASSIC", "CONSUMER"])?
            .eq_ignore_ascii_case("consumer")
        {
            return Err(ClientError::Config("group.protocol=consumer is not supported yet; use classic".into()));
        }
        let isolation =
            settings.one_of("isolation.level", "read_uncommitted", &["read_committed", "read_uncommitted"])?;
        Ok(Self {
            client,
            group,
            reset,
            fetch_min_bytes: number(settings, "fetch.min.bytes", 1)?,
            fetch_max_bytes: number(settings, "fetch.max.bytes", 52_428_800)?,
            fetch_max_wait: settings.millis("fetch.max.wait.ms", 500)?,
            max_partition_fetch_bytes: number(settings, "max.partition.fetch.bytes", 1_048_576)?,
            max_poll_records: usize::try_from(settings.at_least("max.poll.records", 500, 1)?).unwrap_or(usize::MAX),
            check_crcs: settings.flag("check.crcs", true)?,
            is_read_committed: isolation == "read_committed",
            allow_auto_create_topics: settings.flag("allow.auto.create.topics", true)?,
            exclude_internal_topics: settings.flag("exclude.internal.topics", true)?,
        })
    }
}

fn group(settings: &Settings) -> Result<Option<GroupConfig>> {
    let Some(id) = settings.get("group.id").filter(|id| !id.is_empty()) else { return Ok(None) };
    let default = "org.apache.kafka.clients.consumer.RangeAssignor";
    let wanted = match settings.list("partition.assignment.strategy") {
        list if list.is_empty() => vec![default],
        list => list,
    };
    let unknown = |class: &str| {
        ClientError::Config(format!(
            "partition.assignment.strategy: {class} is not supported; there are RangeAssignor and RoundRobinAssignor"
        ))
    };
    let assignors =
        wanted.iter().map(|class| Assignor::by_class(class).ok_or_else(|| unknown(class))).collect::<Result<_>>()?;
    let interval = settings.millis("auto.commit.interval.ms", 5_000)?;
    Ok(Some(GroupConfig {
        id: id.to_owned(),
        instance_id: settings.get("group.instance.id").map(str::to_owned),
        session_timeout: settings.millis("session.timeout.ms", 45_000)?,
        heartbeat_interval: settings.millis("heartbeat.interval.ms", 3_000)?,
        rebalance_timeout: settings.millis("max.poll.interval.ms", 300_000)?,
        assignors,
        auto_commit: settings.flag("enable.auto.commit", true)?.then_some(interval),
    }))
}

fn number(settings: &Settings, key: &str, default: i64) -> Result<i32> {
    Ok(i32::try_from(settings.at_least(key, default, 0)?).unwrap_or(i32::MAX))
}
