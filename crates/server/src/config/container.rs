//! A container's environment as properties, by the rules of Kafka's own images.
//!
//! `KAFKA_NUM_PARTITIONS` is `num.partitions`: the prefix goes, `_` is a dot, `__` an underscore, `___` a hyphen. Kafka
//! writes the outcome into a properties file and reads that, so backslashes in values are escapes here too. What lies
//! behind a variable (files of secrets) is read by the caller.

use super::properties::{Origin, Properties, unescape};
use ottla_metadata::config_defs::{broker, listener_base_name};

/// Variables of Kafka's scripts and of the JVM; they are no properties.
const SCRIPT_VARIABLES: [&str; 17] = [
    "KAFKA_CLUSTER_ID",
    "KAFKA_DEBUG",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_MODE",
    "KAFKA_OPTS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_USER",
    "KAFKA_VERSION",
];

/// The id that Kafka's image gives a cluster without one: nodes that are told none agree all the same.
const DEFAULT_CLUSTER_ID: &str = "5L6g3nShT-eMCtK--X86sw";

/// The listener of controllers where the environment names none, as older images leave it.
const CONTROLLER: &str = "CONTROLLER";

/// Where Kafka's images have keystores, and the files with their passwords.
pub const SECRETS: &str = "/etc/kafka/secrets";

/// A file of secrets under [`SECRETS`], named by the first variable; the second gets what it holds.
pub const SECRET_FILES: [(&str, &str); 3] = [
    ("KAFKA_SSL_KEYSTORE_CREDENTIALS", "ssl.keystore.password"),
    ("KAFKA_SSL_KEY_CREDENTIALS", "ssl.key.password"),
    ("KAFKA_SSL_TRUSTSTORE_CREDENTIALS", "ssl.truststore.password"),
];

/// Keystores under [`SECRETS`], by the name of their file.
const STORE_FILES: [(&str, &str); 2] = [
    ("KAFKA_SSL_KEYSTORE_FILENAME", "ssl.keystore.location"),
    ("KAFKA_SSL_TRUSTSTORE_FILENAME", "ssl.truststore.location"),
];

/// What a container is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub properties: Properties,
    pub cluster_id: String,
}

/// Environment variables in the order of their names.
pub type Variables = std::collections::BTreeMap<String, String>;

impl Container {
    /// What the environment and a mounted file ask for; `None` where neither asks for a node.
    pub fn read(variables: &Variables, mounted: Option<Properties>) -> Option<Self> {
        let given = |name: &str| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let cluster_id = given("CLUSTER_ID");
        let wants = variables.keys().filter_map(|name| property_name(name)).any(|key| is_known(&key));
        if !wants && cluster_id.is_none() && mounted.is_none() {
            return None;
        }
        let mut properties = mounted.unwrap_or_default();
        for (name, value) in variables {
            let Some(key) = property_name(name) else { continue };
            let value = value.trim_start();
            let value = unescape(value).unwrap_or_else(|| value.to_owned());
            properties.set(key, value, Origin::Variable(name.clone()));
        }
        for (name, key) in STORE_FILES {
            if let Some(file) = given(name) {
                properties.set(key, format!("{SECRETS}/{file}"), Origin::Variable(name.to_owned()));
            }
        }
        if properties.iter().next().is_none() {
            defaults(&mut properties);
        }
        complete_listeners(&mut properties);
        Some(Self { properties, cluster_id: cluster_id.unwrap_or(DEFAULT_CLUSTER_ID).to_owned() })
    }
}

/// The property that a variable sets.
fn property_name(variable: &str) -> Option<String> {
    let name = variable.strip_prefix("KAFKA_").filter(|name| !name.is_empty())?;
    let is_file = |(known, _): &(&str, &str)| *known == variable;
    if SCRIPT_VARIABLES.contains(&variable) || SECRET_FILES.iter().any(is_file) || STORE_FILES.iter().any(is_file) {
        return None;
    }
    Some(name.to_lowercase().replace('_', ".").replace("...", "-").replace("..", "_"))
}

fn is_known(key: &str) -> bool {
    broker().get(key).is_some() || listener_base_name(key).is_some()
}

/// The node of a container that is told nothing.
fn defaults(properties: &mut Properties) {
    for (key, value) in [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.voters", "1@localhost:9093"),
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("inter.broker.listener.name", "PLAINTEXT"),
        ("advertised.listeners", "PLAINTEXT://localhost:9092"),
        ("controller.listener.names", CONTROLLER),
        ("log.dirs", "/tmp/kraft-combined-logs"),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
    ] {
        properties.set(key, value, Origin::Program);
    }
}

/// Listeners that are only advertised are listened on, on every address; and a listener that is called CONTROLLER is
/// the controllers' where none is named.
fn complete_listeners(properties: &mut Properties) {
    let set = |properties: &Properties, key: &str| properties.get(key).is_some_and(|value| !value.trim().is_empty());
    if !set(properties, "listeners") && properties.get("process.roles").map(str::trim) != Some("controller") {
        let advertised = properties.get("advertised.listeners").unwrap_or_default();
        let bound: Vec<String> = advertised.split(',').filter_map(everywhere).collect();
        if !bound.is_empty() {
            let origin = properties.origin("advertised.listeners").unwrap_or(Origin::Program);
            properties.set("listeners", bound.join(","), origin);
        }
    }
    let named = |listener: &str| listener.trim().to_uppercase().starts_with(&format!("{CONTROLLER}:"));
    let has_one = |key: &str| properties.get(key).unwrap_or_default().split(',').any(named);
    let asks = set(properties, "controller.quorum.voters") || set(properties, "controller.quorum.bootstrap.servers");
    let is_broker = properties.get("process.roles").map(str::trim) == Some("broker");
    if !set(properties, "controller.listener.names") && (has_one("listeners") || (is_broker && asks)) {
        properties.set("controller.listener.names", CONTROLLER, Origin::Program);
    }
}

/// `NAME://host:port` → `NAME://0.0.0.0:port`.
fn everywhere(listener: &str) -> Option<String> {
    let (name, address) = listener.trim().split_once("://")?;
    let (_, port) = address.rsplit_once(':')?;
    Some(format!("{name}://0.0.0.0:{port}"))
}

#[cfg(test)]
mod tests {
    use super::super::NodeConfig;
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn read(pairs: &[(&str, &str)]) -> Container {
        Container::read(&variables(pairs), None).unwrap()
    }

    #[test]
    fn underscores_are_dots_underscores_and_hyphens() {
        assert_eq!(property_name("KAFKA_NUM_PARTITIONS").as_deref(), Some("num.partitions"));
        assert_eq!(
            property_name("KAFKA_LISTENER_NAME_SSL___INTERNAL_SSL_KEYSTORE_TYPE").as_deref(),
            Some("listener.name.ssl-internal.ssl.keystore.type")
        );
        assert_eq!(property_name("KAFKA_A__B___C").as_deref(), Some("a_b-c"));
        for not_a_property in ["KAFKA_", "KAFKA_HEAP_OPTS", "KAFKA_SSL_KEY_CREDENTIALS", "PATH", "CLUSTER_ID"] {
            assert_eq!(property_name(not_a_property), None, "{not_a_property}");
        }
    }

    #[test]
    fn an_environment_without_kafka_asks_for_nothing() {
        let others = variables(&[("PATH", "/bin"), ("KAFKA_HEAP_OPTS", "-Xmx1G"), ("KAFKA_CLUSTERS_0_NAME", "local")]);
        assert_eq!(Container::read(&others, None), None);
    }

    #[test]
    fn a_cluster_id_alone_asks_for_the_images_own_node() {
        let container = read(&[("CLUSTER_ID", "abc")]);
        assert_eq!(container.cluster_id, "abc");
        let config = NodeConfig::load(&container.properties).unwrap().config;
        assert_eq!(config.quorum.voters.len(), 1);
        assert_eq!(config.network.listeners[0].to_string(), "PLAINTEXT://:9092");
    }

    #[test]
    fn a_full_environment_is_a_node() {
        let container = read(&[
            ("KAFKA_NODE_ID", "1"),
            ("KAFKA_PROCESS_ROLES", "broker,controller"),
            ("KAFKA_LISTENERS", "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093"),
            ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://localhost:9092"),
            ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
            ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
            ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"),
            ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
            ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
            ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
            ("KAFKA_LOG_DIRS", "/tmp/kraft-combined-logs"),
            ("CLUSTER_ID", "MkU3OEVBNTcwNTJENDM2Qk"),
        ]);
        let loaded = NodeConfig::load(&container.properties).unwrap();
        assert_eq!(loaded.config.offsets_topic.replication_factor, 1);
        assert_eq!(container.cluster_id, "MkU3OEVBNTcwNTJENDM2Qk");
    }

    #[test]
    fn an_older_images_environment_leaves_the_controllers_listener_to_its_default() {
        let container = read(&[
            ("KAFKA_NODE_ID", "1"),
            ("KAFKA_PROCESS_ROLES", "broker,controller"),
            ("KAFKA_LISTENERS", "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093"),
            ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://localhost:9092"),
            ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"),
            ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
            ("CLUSTER_ID", "MkU3OEVBNTcwNTJENDM2Qk"),
        ]);
        let config = NodeConfig::load(&container.properties).unwrap().config;
        assert_eq!(config.network.controller_listener_names, ["CONTROLLER"]);
    }

    #[test]
    fn what_is_only_advertised_is_listened_on_everywhere() {
        let container = read(&[("KAFKA_ADVERTISED_LISTENERS", "A://a.example:1,B://[::1]:2")]);
        assert_eq!(container.properties.get("listeners"), Some("A://0.0.0.0:1,B://0.0.0.0:2"));
        let controller =
            read(&[("KAFKA_ADVERTISED_LISTENERS", "A://a.example:1"), ("KAFKA_PROCESS_ROLES", "controller")]);
        assert_eq!(controller.properties.get("listeners"), None);
    }

    #[test]
    fn a_mounted_file_lies_under_the_environment() {
        let mounted = Properties::parse(b"num.partitions=3\nlog.dirs=/data\n").unwrap();
        let container = Container::read(&variables(&[("KAFKA_NUM_PARTITIONS", "5")]), Some(mounted)).unwrap();
        assert_eq!(container.properties.get("num.partitions"), Some("5"));
        assert_eq!(container.properties.get("log.dirs"), Some("/data"));
        assert_eq!(container.properties.origin("log.dirs"), Some(Origin::Line(2)));
    }

    #[test]
    fn a_mistake_names_its_variable() {
        let mut environment = variables(&[("CLUSTER_ID", "a"), ("KAFKA_NUM_PARTITIONS", "many")]);
        environment.insert("KAFKA_SASL_JAAS_CONFIG".to_owned(), "a\\\\b\\nc".to_owned());
        let container = Container::read(&environment, None).unwrap();
        assert_eq!(container.properties.get("sasl.jaas.config"), Some("a\\b\nc"));
        let error = NodeConfig::load(&container.properties).unwrap_err().to_string();
        assert!(error.contains("KAFKA_NUM_PARTITIONS: Invalid value many for configuration num.partitions"), "{error}");
    }
}
