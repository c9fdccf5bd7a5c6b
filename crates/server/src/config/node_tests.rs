//! Files as users write them, and what becomes of them.

use super::super::embedded::embedded;
use super::*;

const COMBINED: &str = "node.id=1\nprocess.roles=broker,controller\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=localhost:9093\n";

fn load(text: &str) -> Result<Loaded, InvalidConfig> {
    NodeConfig::load(&Properties::parse(text.as_bytes()).unwrap())
}

fn with(more: &str) -> Result<Loaded, InvalidConfig> {
    load(&format!("{COMBINED}{more}"))
}

fn config(more: &str) -> NodeConfig {
    with(more).unwrap().config
}

fn mistakes(result: Result<Loaded, InvalidConfig>) -> Vec<String> {
    result.unwrap_err().mistakes.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(more: &str, expected: &str) {
    let found = mistakes(with(more));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(expected), "{found:#?}");
}

#[test]
fn the_shipped_files_load_without_a_warning() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/");
    for (file, roles, id) in [
        ("server.properties", Roles::Combined, 1),
        ("kraft/server.properties", Roles::Combined, 1),
        ("broker.properties", Roles::Broker, 2),
        ("controller.properties", Roles::Controller, 1),
    ] {
        let bytes = std::fs::read(format!("{config}{file}")).unwrap();
        let loaded = NodeConfig::load(&Properties::parse(&bytes).unwrap()).unwrap();
        assert_eq!(loaded.warnings, [], "{file}");
        assert_eq!((loaded.config.identity.roles, loaded.config.identity.node_id), (roles, id), "{file}");
    }
}

#[test]
fn a_combined_node_has_kafkas_defaults() {
    let config = config("");
    assert_eq!(config.identity.roles, Roles::Combined);
    assert_eq!(config.network.inter_broker_listener_name, "PLAINTEXT");
    assert_eq!(config.network.advertised.len(), 1);
    assert_eq!(config.network.advertised_controllers[0].port, 9093);
    assert!(config.network.is_controller_listener("CONTROLLER"));
    assert_eq!(config.directories.log_dirs, [PathBuf::from("/tmp/kafka-logs")]);
    assert_eq!(config.directories.metadata_log_dir, PathBuf::from("/tmp/kafka-logs"));
    assert_eq!(config.authorization, Authorization::None);
    assert_eq!((config.topics.num_partitions, config.topics.default_replication_factor), (1, 1));
    assert_eq!((config.offsets_topic.num_partitions, config.offsets_topic.replication_factor), (50, 3));
    assert_eq!(config.groups.initial_rebalance_delay_ms, 3000);
    assert_eq!(config.sockets.request_max_bytes, 104_857_600);
    assert_eq!(config.requests.fetch_max_bytes, 57_671_680);
    assert_eq!(config.file.get("broker.id").map(String::as_str), Some("1"));
}

#[test]
fn the_embedded_node_loads() {
    let loaded = NodeConfig::load(&embedded("/data/a b")).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.directories.log_dirs, [PathBuf::from("/data/a b")]);
    assert_eq!(loaded.config.offsets_topic.replication_factor, 1);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let found = mistakes(load(
        "process.roles=broker,controller\nnum.partitions=abc\n\nlog.segment.bytes=5\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.voters=1-localhost:9093\nsuper.users=alice\nauthorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    ));
    let expected = [
        "Missing required configuration \"node.id\" which has no default value.",
        "line 2: Invalid value abc for configuration num.partitions: Not a number of type INT",
        "line 4: Invalid value 5 for configuration log.segment.bytes: Value must be at least 1048576",
        "line 7: Invalid configuration value for controller.quorum.voters. Each entry should be in the form `{id}@{host}:{port}`.",
        "line 8: expected a string in format principalType:principalName but got alice",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_misspelled_key_is_a_warning_that_names_the_nearest() {
    let warnings = with("num.partition=3\nmy.own=1\nbroker.id=1\n").unwrap().warnings;
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "line 6: num.partition is unknown and has no effect; did you mean num.partitions?",
            "line 7: my.own is unknown and has no effect"
        ]
    );
    refused("ottla.speed=11", "there is no key ottla.speed");
}

#[test]
fn the_command_line_comes_last() {
    let mut properties = Properties::parse(COMBINED.as_bytes()).unwrap();
    properties.apply_override("num.partitions=0").unwrap();
    let error = NodeConfig::load(&properties).unwrap_err();
    assert!(error.to_string().starts_with("--override: Invalid value 0"), "{error}");
}

#[test]
fn what_guards_data_is_never_ignored() {
    refused("authorizer.class.name=com.example.Mine", "authorizer com.example.Mine is unknown");
    refused("create.topic.policy.class.name=com.example.Mine", "which topics may be created");
    refused("alter.config.policy.class.name=com.example.Mine", "which configurations may be set");
    refused("principal.builder.class=com.example.Mine", "who a client is");
    refused("client.quota.callback.class=com.example.Mine", "which quota a client has");
    refused("replica.selector.class=com.example.Mine", "from which replica a consumer reads");
    refused("group.consumer.assignors=uniform,com.example.Mine", "group.consumer.assignors=com.example.Mine would");
    refused("ssl.engine.factory.class=com.example.Mine", "which cryptography is used");
    refused("listener.name.x.sasl.server.callback.handler.class=com.example.Mine", "who a client is");
    refused("group.share.persister.class.name=com.example.Mine", "where the state of share groups is kept");
    refused("remote.log.storage.system.enable=true", "tiered storage is not there yet");
    let tls = mistakes(load(&COMBINED.replace("PLAINTEXT://:9092", "PLAINTEXT://:9092,SSL://:9094").replace(
        "CONTROLLER://:9093",
        "CONTROLLER://:9093\nlistener.security.protocol.map=CONTROLLER:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL",
    )));
    assert_eq!(tls.len(), 2, "{tls:#?}");
    assert!(tls.iter().any(|m| m.contains("listener SSL: there is no key")));
    assert!(tls.iter().any(|m| m.contains("listener CONTROLLER wants SASL_SSL")));
}

#[test]
fn a_listeners_own_key_names_one_of_the_nodes_in_lower_case() {
    refused("listener.name.PLAINTEXT.max.connections=5", "is read as listener.name.plaintext.max.connections only");
    let warnings = with(
        "listener.name.controller.plain.sasl.jaas.config=a\nlistener.name.other.ssl.client.auth=required\n\
         listener.name.plaintext.ssl.client.auht=required\n",
    )
    .unwrap()
    .warnings;
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "line 7: listener.name.other.ssl.client.auth has no effect: there is no listener OTHER",
            "line 8: listener.name.plaintext.ssl.client.auht is unknown and has no effect; did you mean ssl.client.auth?",
        ]
    );
}

#[test]
fn kafkas_own_classes_are_known_by_their_names() {
    let loaded = with(
        "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector\n\
         principal.builder.class=org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder\n\
         group.consumer.assignors=range,org.apache.kafka.coordinator.group.assignor.UniformAssignor\n",
    )
    .unwrap();
    assert_eq!((loaded.warnings, loaded.notes), (vec![], vec![]));
}

#[test]
fn a_key_without_effect_is_told_with_the_reason_unless_it_is_at_its_default() {
    let notes = with("num.network.threads=3\nlog.flush.offset.checkpoint.interval.ms=5\nqueued.max.requests=7\n")
        .unwrap()
        .notes;
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "line 7: log.flush.offset.checkpoint.interval.ms has no effect here: checkpoints are written every replica.high.watermark.checkpoint.interval.ms if they have changed",
            "line 8: queued.max.requests has no effect here: a request is worked on where it is read, by one of num.io.threads",
        ]
    );
}

#[test]
fn what_only_observes_is_skipped_with_a_warning() {
    let warnings = with("metric.reporters=com.example.Reporter\nsuper.users=User:a\n").unwrap().warnings;
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].text.contains("is skipped"));
    assert!(warnings[1].text.contains("has no effect without authorizer.class.name"));
    assert_eq!(with("metric.reporters=org.apache.kafka.common.metrics.JmxReporter\n").unwrap().warnings, []);
}

#[test]
fn the_standard_authorizer_is_configured() {
    let authorization = config(&format!(
        "authorizer.class.name={}\nsuper.users=User:a;User:CN=b,O=c\nallow.everyone.if.no.acl.found=true\n",
        guards::STANDARD_AUTHORIZER
    ))
    .authorization;
    let Authorization::Standard { super_users, no_acl_found } = authorization else { panic!("{authorization:?}") };
    assert_eq!(no_acl_found, Decision::Allowed);
    assert!(super_users.contains(&Principal::user("CN=b,O=c")));
}

#[test]
fn ids_agree_or_stand_for_each_other() {
    assert_eq!(load(&COMBINED.replace("node.id=1", "broker.id=7")).unwrap().config.identity.node_id, 7);
    refused("broker.id=2", "must be set to the same value");
}

#[test]
fn directories_have_a_list_a_single_one_and_one_for_metadata() {
    let directories = config("log.dirs=/a, /b\nlog.dir=/c\n").directories;
    assert_eq!(directories.log_dirs, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(directories.metadata_log_dir, PathBuf::from("/a"));
    assert_eq!(config("log.dir=/c\nmetadata.log.dir=/m\n").directories.metadata_log_dir, PathBuf::from("/m"));
}

#[test]
fn listeners_fit_their_roles() {
    refused("controller.quorum.voters=2@localhost:9093", "must be included in the set of voters");
    refused("inter.broker.listener.name=OTHER", "OTHER defined in inter.broker.listener.name not found");
    refused("inter.broker.listener.name=CONTROLLER", "must be a listener name defined in advertised.listeners");
    refused("advertised.listeners=PLAINTEXT://0.0.0.0:1", "nonroutable meta-address");
    refused("controller.listener.names=CONTROLLER,OTHER", "must only contain values appearing in the 'listeners'");
    let broker = COMBINED.replace("broker,controller", "broker");
    assert!(mistakes(load(&broker))[0].contains("must not contain a value appearing in the 'listeners'"));
    let controller = COMBINED.replace("broker,controller", "controller");
    assert!(mistakes(load(&controller))[0].contains("must only contain KRaft controller listeners"));
}

#[test]
fn a_broker_alone_asks_the_controllers() {
    let config = load(
        "node.id=2\nprocess.roles=broker\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@a:9093\n",
    )
    .unwrap()
    .config;
    assert_eq!(config.network.listeners[0].to_string(), "PLAINTEXT://:9092");
    assert_eq!(config.quorum.voters[0].host, "a");
    assert_eq!(config.network.protocols.get("CONTROLLER"), Some(SecurityProtocol::Plaintext));
}

#[test]
fn a_wildcard_controller_is_known_by_its_voters_address() {
    let config = config("controller.quorum.voters=1@host-a:19093\n");
    assert_eq!(config.network.advertised_controllers[0].to_string(), "CONTROLLER://host-a:19093");
}

#[test]
fn numbers_that_do_not_fit_together() {
    refused("queued.max.request.bytes=1000", "must be larger or equal to socket.request.max.bytes");
    refused("max.connections.per.ip=0", "can be set to zero only if max.connections.per.ip.overrides property is set");
    refused("max.connections.per.ip.overrides=127.0.0.1:2,10.0.0.1", "contains invalid addresses");
    refused("max.connections.per.ip.overrides=a b:2", "contains invalid addresses");
    refused("log.retention.ms=0", "log.retention.ms must be unlimited");
    refused(
        "replica.fetch.wait.max.ms=40000\nreplica.lag.time.max.ms=50000",
        "replica.socket.timeout.ms should always",
    );
    refused("connections.max.idle.ms=50", "delay.ms=100 should always be less than connections.max.idle.ms=50");
    refused("group.consumer.session.timeout.ms=40000", "must be greater than or equal to group.consumer.min.session");
    refused("offsets.topic.compression.codec=9", "Unknown compression type id: 9");
    refused("group.coordinator.rebalance.protocols=consumer", "Disabling the 'classic' protocol is not supported.");
}

#[test]
fn listeners_and_directories_that_are_named_elsewhere_exist() {
    refused("early.start.listeners=OTHER", "early.start.listeners contains listener OTHER, but this is not contained");
    refused("cordoned.log.dirs=/other", "Missing entries : /other");
    refused("cordoned.log.dirs=*,/a", "When cordoned.log.dirs is set to *, it must not contain other values");
    assert_eq!(with("early.start.listeners=CONTROLLER\ncordoned.log.dirs=*\n").unwrap().warnings, []);
}

#[test]
fn a_mistake_is_told_without_what_follows_from_it() {
    refused("listener.security.protocol.map=PLAINTEXT:WRONG", "Invalid security protocol `WRONG`");
    let found = mistakes(load(&COMBINED.replace("controller.listener.names=CONTROLLER", "")));
    assert_eq!(found, ["Missing required configuration \"controller.listener.names\" which has no default value."]);
    let found = mistakes(load(&COMBINED.replace("node.id=1", "node.id=one")));
    assert_eq!(found, ["line 1: Invalid value one for configuration broker.id: Not a number of type INT"]);
}

#[test]
fn secrets_are_in_no_message() {
    let error = with("ssl.keystore.password=hunter2\nlistener.name.x.ssl.key.password=hunter2\nnum.partitions=x\n")
        .unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn a_file_from_before_kraft_is_a_node_that_stands_alone() {
    let older = "broker.id=0\nnum.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=102400\nlog.dirs=/tmp/kafka-logs\nnum.partitions=1\nlog.retention.hours=168\n";
    let loaded = load(older).unwrap();
    assert_eq!((loaded.config.identity.node_id, loaded.config.identity.roles), (0, Roles::Combined));
    assert_eq!(loaded.config.offsets_topic.replication_factor, 1);
    assert!(loaded.warnings.iter().any(|warning| warning.text.contains("as before KRaft")), "{:?}", loaded.warnings);
    let config = load(&format!(
        "{older}listeners=OWN://:19092\nlistener.security.protocol.map=OWN:PLAINTEXT\ninter.broker.listener.name=OWN\n"
    ))
    .unwrap()
    .config;
    assert_eq!(config.network.listeners[0].to_string(), "OWN://:19092");
    assert_eq!(config.network.advertised.len(), 1);
    let zookeeper = mistakes(load(&format!("{older}zookeeper.connect=localhost:2181\n")));
    assert!(zookeeper.iter().any(|mistake| mistake.starts_with("line 9: zookeeper.connect: there is no ZooKeeper")));
    assert!(mistakes(load("node.id=1\n")).iter().any(|mistake| mistake.contains("\"process.roles\"")));
}
