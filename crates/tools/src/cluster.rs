//! What commands share that talk to a cluster: settings, a client, a runtime to wait in, filters by name.

use crate::cli::{Done, Failure, Parsed, convert};
use ottla_client::config::Settings;
use ottla_client::shell::network::resolve;
use ottla_client::{Admin, ClientConfig, ClientError};
use regex_lite::Regex;
use std::future::Future;

/// Where tools look if nobody says otherwise.
pub(crate) const DEFAULT_BOOTSTRAP: &str = "localhost:9092";

/// Runs a command's calls on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Done<T>>) -> Done<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::told(format!("cannot start: {error}")))?;
    runtime.block_on(future)
}

/// Runs a test that is to be as fast as the machine.
pub(crate) fn block_on_all_cores<T>(future: impl Future<Output = Done<T>>) -> Done<T> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::told(format!("cannot start: {error}")))?;
    runtime.block_on(future)
}

/// A client from settings that hold its bootstrap addresses.
pub(crate) fn admin(settings: &mut Settings) -> Result<Admin, ClientError> {
    settings.set_default("client.id", "adminclient-1");
    resolved(ClientConfig::read(settings), |config| config).map(Admin::new).map_err(|error| match error {
        ClientError::Bootstrap(why) => {
            ClientError::Bootstrap(format!("Failed to create new KafkaAdminClient\nCaused by: {why}"))
        }
        other => other,
    })
}

/// A configuration of which an address to begin with can be found: without one no client is made.
pub(crate) fn resolved<T>(
    config: Result<T, ClientError>,
    client: impl Fn(&T) -> &ClientConfig,
) -> Result<T, ClientError> {
    config.and_then(|config| resolve(client(&config)).map(|()| config))
}

/// A client of the usual options: `--bootstrap-server` or `--bootstrap-controller`, and a file of settings.
pub(crate) fn admin_of(parsed: &Parsed, file_option: &str) -> Done<Admin> {
    let mut settings = convert::settings(parsed, file_option)?;
    let servers = parsed.value("bootstrap-server")?;
    let controllers =
        if parsed.option("bootstrap-controller").is_some() { parsed.value("bootstrap-controller")? } else { None };
    match (servers, controllers) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage("You cannot specify both --bootstrap-controller and --bootstrap-server."));
        }
        (Some(servers), None) => {
            settings.remove("bootstrap.controllers");
            settings.set("bootstrap.servers", servers);
        }
        (None, Some(controllers)) => {
            settings.remove("bootstrap.servers");
            settings.set("bootstrap.controllers", controllers);
        }
        (None, None) => settings.set_default("bootstrap.servers", DEFAULT_BOOTSTRAP),
    }
    Ok(admin(&mut settings)?)
}

/// Kafka's tools look at the addresses before anything else.
pub(crate) fn check_bootstrap(text: &str) -> Done {
    if text.is_empty() {
        return Err(Failure::usage("Error while validating the bootstrap address\n"));
    }
    let is_address = |entry: &str| {
        entry.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if text.split(',').filter(|entry| !entry.is_empty()).all(|entry| is_address(entry.trim())) {
        return Ok(());
    }
    Err(Failure::usage("Please provide valid host:port like host1:9091,host2:9092\n "))
}

/// A list of names or patterns, separated by commas, as Kafka's tools read it.
pub(crate) struct NameFilter(Regex);

impl NameFilter {
    pub(crate) fn new(text: &str) -> Done<Self> {
        let pattern = text.trim().replace(',', "|").replace(' ', "");
        let pattern = pattern.trim_matches(['"', '\'']);
        Regex::new(&format!("^(?:{pattern})$"))
            .map(Self)
            .map_err(|_| Failure::told(format!("{pattern} is an invalid regex.")))
    }

    pub(crate) fn allows(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// The topics that clusters keep for themselves.
pub(crate) fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// A group's type as Kafka's tools write it; brokers tell it in several spellings, old ones not at all.
pub(crate) fn group_kind(told: &str) -> &'static str {
    match told.to_ascii_lowercase().as_str() {
        "classic" => "Classic",
        "consumer" => "Consumer",
        "share" => "Share",
        "streams" => "Streams",
        _ => "Unknown",
    }
}

/// Numbers with commas between.
pub(crate) fn joined(numbers: &[i32]) -> String {
    numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

/// The order in which a Java program that kept these names in a `HashMap` shows them. Scripts compare such lines.
pub(crate) fn java_map_order<T>(entries: &mut [T], name: impl Fn(&T) -> &str) {
    java_map_order_of(entries, 16, name);
}

/// The same where the program made its `HashMap` with room for so many.
pub(crate) fn java_map_order_of<T>(entries: &mut [T], room: usize, name: impl Fn(&T) -> &str) {
    java_hash_order(entries, room, |entry| java_hash(name(entry)));
}

/// The same, of partitions.
pub(crate) fn java_partition_order<T>(entries: &mut [T], partition: impl Fn(&T) -> (&str, i32)) {
    java_hash_order(entries, 16, |entry| {
        let (topic, index) = partition(entry);
        index.cast_unsigned().wrapping_add(31).wrapping_mul(31).wrapping_add(java_hash(topic))
    });
}

fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

fn java_hash_order<T>(entries: &mut [T], room: usize, hash: impl Fn(&T) -> u32) {
    // Java's table has a power of two of places, and doubles when it is three quarters full.
    let mut places = room.max(1).next_power_of_two();
    while entries.len() * 4 > places * 3 {
        places *= 2;
    }
    entries.sort_by_key(|entry| {
        let hash = hash(entry);
        (hash ^ hash >> 16) as usize & (places - 1)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_java_puts_them() {
        let mut names = ["retention.ms", "cleanup.policy", "min.insync.replicas"];
        // Seen with Kafka's own tool, in a map of all keys of a topic.
        let mut all: Vec<&str> = ottla_metadata::config_defs::topic().iter().map(|def| def.name).collect();
        java_map_order(&mut all, |name| name);
        names.sort_by_key(|name| all.iter().position(|other| other == name));
        assert_eq!(names, ["min.insync.replicas", "cleanup.policy", "retention.ms"]);
    }
}
