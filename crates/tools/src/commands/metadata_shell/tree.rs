//! What a metadata image looks like as a tree of names: the nodes of Kafka's shell, with the texts that its objects show.

use crate::times::Civil;
use ottla_metadata::features::MetadataVersion;
use ottla_metadata::image::{
    Acl, Broker, ConfigResource, ConfigResourceKind, Controller, DelegationToken, Endpoint, Image, Partition,
    QuotaEntity, ScramCredential, SupportedFeatures, Topic,
};
use ottla_security::{AclOperation, AclPermissionType, PatternType, ResourceType};
use ottla_wire::Json;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A directory or a file of the tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory(BTreeMap<String, Node>),
    File(String),
}

/// What the image was made from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Provenance {
    pub(super) offset: i64,
    pub(super) epoch: i32,
    pub(super) time_ms: i64,
}

impl Node {
    /// All of it, each level two spaces further in.
    pub(super) fn print(&self, depth: usize, page: &mut String) {
        let indent = "  ".repeat(depth);
        match self {
            Self::File(text) => {
                let _ = writeln!(page, "{indent}{text}");
            }
            Self::Directory(children) => {
                for (name, child) in children {
                    let _ = writeln!(page, "{indent}{name}:");
                    child.print(depth + 1, page);
                }
            }
        }
    }
}

fn file(text: impl Into<String>) -> Node {
    Node::File(text.into())
}

fn directory<N: Into<String>>(children: impl IntoIterator<Item = (N, Node)>) -> Node {
    Node::Directory(children.into_iter().map(|(name, node)| (name.into(), node)).collect())
}

/// The root: this program, and the image.
pub(super) fn root(image: &Image, provenance: Provenance) -> Node {
    let local = directory([("version", file(crate::KAFKA_VERSION)), ("commitId", file(env!("CARGO_PKG_VERSION")))]);
    directory([("local", local), ("image", of_image(image, provenance))])
}

fn of_image(image: &Image, provenance: Provenance) -> Node {
    let brokers = image.brokers.values().map(|broker| (broker.id.to_string(), file(broker_text(broker))));
    let controllers =
        image.controllers.values().map(|controller| (controller.id.to_string(), file(controller_text(controller))));
    let by_name = image.topics.iter().map(|topic| (topic.name.to_string(), of_topic(topic)));
    let by_id = image.topics.iter().map(|topic| (topic.id.to_string(), of_topic(topic)));
    let configs = image.configs.iter().map(|(resource, configs)| {
        let entries = configs.iter().map(|(key, value)| (key.clone(), file(value.clone())));
        (resource_name(resource), directory(entries))
    });
    let quotas = image.quotas.iter().map(|(entity, quotas)| {
        let entries = quotas.iter().map(|(key, value)| (key.clone(), file(Json::Double(*value).to_string())));
        // Kafka's shell finds no entity that is a default: its node is there, and shows nothing.
        let has_default = entity.values().any(Option::is_none);
        (entity_name(entity), if has_default { Node::Directory(BTreeMap::new()) } else { directory(entries) })
    });
    // Before the first block Kafka's image has none.
    let next_producer_id = if image.next_producer_id == 0 { -1 } else { image.next_producer_id };
    let acls = image.acls.iter().map(|(id, acl)| (id.to_string(), file(acl_text(acl))));
    let tokens = image.delegation_tokens.iter().map(|(id, token)| (id.clone(), file(token_text(id, token))));
    directory([
        ("provenance", file(provenance_text(provenance))),
        ("features", of_features(image)),
        ("cluster", directory([("brokers", directory(brokers)), ("controllers", directory(controllers))])),
        ("topics", directory([("byName", directory(by_name)), ("byId", directory(by_id))])),
        ("configs", directory(configs)),
        ("clientQuotas", directory(quotas)),
        ("producerIds", directory([("nextProducerId", file(next_producer_id.to_string()))])),
        ("acls", directory([("byId", directory(acls))])),
        ("scram", of_scram(image)),
        ("delegationToken", directory(tokens)),
    ])
}

fn of_features(image: &Image) -> Node {
    let level = image.metadata_version;
    // As Java shows a level that may be absent.
    let version = match level.map(|level| (level, MetadataVersion::from_level(level))) {
        None => "Optional.empty".to_owned(),
        Some((_, Some(version))) => format!("Optional[{}]", version.name),
        Some((level, None)) => format!("Optional[{level}]"),
    };
    let mut children = BTreeMap::from([("metadataVersion".to_owned(), file(version))]);
    children.extend(image.features.iter().map(|(name, level)| (format!("finalized_{name}"), file(level.to_string()))));
    Node::Directory(children)
}

fn of_topic(topic: &Topic) -> Node {
    let mut children = BTreeMap::from([
        ("name".to_owned(), file(topic.name.to_string())),
        ("id".to_owned(), file(topic.id.to_string())),
    ]);
    let partitions = topic.partitions.iter();
    children.extend(partitions.map(|(index, partition)| (index.to_string(), file(partition_text(partition)))));
    Node::Directory(children)
}

fn of_scram(image: &Image) -> Node {
    directory([(1, "SCRAM-SHA-256"), (2, "SCRAM-SHA-512")].map(|(code, name)| {
        let users = image.scram.iter().filter(|((mechanism, _), _)| *mechanism == code);
        let users = users.map(|((_, user), credential)| (user.clone(), file(credential_text(credential))));
        (name, directory(users))
    }))
}

fn resource_name(resource: &ConfigResource) -> String {
    let kind = match resource.kind {
        ConfigResourceKind::Topic => "TOPIC",
        ConfigResourceKind::Broker => "BROKER",
        ConfigResourceKind::BrokerLogger => "BROKER_LOGGER",
        ConfigResourceKind::ClientMetrics => "CLIENT_METRICS",
        ConfigResourceKind::Group => "GROUP",
    };
    if resource.name.is_empty() { kind.to_owned() } else { format!("{kind}:{}", resource.name) }
}

fn entity_name(entity: &QuotaEntity) -> String {
    let parts = [("client-id", "clientId"), ("ip", "ip"), ("user", "user")].iter().filter_map(|(kind, shown)| {
        let name = entity.get(*kind)?.as_ref()?;
        let name = name.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
        Some(format!("{shown}({name})"))
    });
    parts.collect::<Vec<_>>().join("_")
}

/// As Java shows lists and arrays.
fn list<T: ToString>(values: &[T]) -> String {
    format!("[{}]", values.iter().map(T::to_string).collect::<Vec<_>>().join(", "))
}

fn endpoints_text(endpoints: &[Endpoint]) -> String {
    let mut sorted: Vec<&Endpoint> = endpoints.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let shown = sorted.iter().map(|endpoint| {
        let protocol = match endpoint.security_protocol {
            0 => "PLAINTEXT",
            1 => "SSL",
            2 => "SASL_PLAINTEXT",
            3 => "SASL_SSL",
            _ => "null",
        };
        format!(
            "Endpoint(listenerName='{}', securityProtocol={protocol}, host='{}', port={})",
            endpoint.name, endpoint.host, endpoint.port
        )
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn features_text(features: &SupportedFeatures) -> String {
    let shown = features.iter().map(|(name, (low, high))| match (low, high) {
        (low, high) if low == high => format!("{name}: {low}"),
        (low, &i16::MAX) => format!("{name}: {low}+"),
        (low, high) => format!("{name}: {low}-{high}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn broker_text(broker: &Broker) -> String {
    format!(
        "BrokerRegistration(id={}, epoch={}, incarnationId={}, listeners=[{}], supportedFeatures={{{}}}, rack={}, fenced={}, \
         inControlledShutdown={}, isMigratingZkBroker={}, directories={}, cordonedDirectories={})",
        broker.id,
        broker.epoch,
        broker.incarnation_id,
        endpoints_text(&broker.endpoints),
        features_text(&broker.features),
        broker.rack.as_ref().map_or_else(|| "Optional.empty".to_owned(), |rack| format!("Optional[{rack}]")),
        broker.fenced,
        broker.in_controlled_shutdown,
        broker.is_migrating_zk_broker,
        list(&broker.log_dirs),
        broker.cordoned_log_dirs.as_ref().map_or_else(|| "null".to_owned(), |dirs| list(dirs)),
    )
}

fn controller_text(controller: &Controller) -> String {
    format!(
        "ControllerRegistration(id={}, incarnationId={}, zkMigrationReady={}, listeners=[{}], supportedFeatures={{{}}})",
        controller.id,
        controller.incarnation_id,
        controller.zk_migration_ready,
        endpoints_text(&controller.endpoints),
        features_text(&controller.features),
    )
}

fn partition_text(partition: &Partition) -> String {
    let recovery = if partition.leader_recovery_state == 0 { "RECOVERED" } else { "RECOVERING" };
    format!(
        "PartitionRegistration(replicas={}, directories={}, isr={}, removingReplicas={}, addingReplicas={}, elr={}, \
         lastKnownElr={}, leader={}, leaderRecoveryState={recovery}, leaderEpoch={}, partitionEpoch={})",
        list(&partition.replicas),
        list(&partition.directories),
        list(&partition.isr),
        list(&partition.removing_replicas),
        list(&partition.adding_replicas),
        list(&partition.eligible_leader_replicas),
        list(&partition.last_known_elr),
        partition.leader,
        partition.leader_epoch,
        partition.partition_epoch,
    )
}

fn acl_text(acl: &Acl) -> String {
    format!(
        "StandardAcl[resourceType={}, resourceName={}, patternType={}, principal={}, host={}, operation={}, permissionType={}]",
        ResourceType::from_code(acl.resource_type),
        acl.resource_name,
        PatternType::from_code(acl.pattern_type),
        acl.principal,
        acl.host,
        AclOperation::from_code(acl.operation),
        AclPermissionType::from_code(acl.permission_type),
    )
}

fn credential_text(credential: &ScramCredential) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!(
        "ScramCredentialData(salt={}, storedKey={}, serverKey={}, iterations={})",
        hex(&credential.salt),
        hex(&credential.stored_key),
        hex(&credential.server_key),
        credential.iterations,
    )
}

/// The parentheses stand as Kafka writes them.
fn token_text(id: &str, token: &DelegationToken) -> String {
    format!(
        "DelegationTokenDatatokenId={id}(owner={}(tokenRequester={}(renewers={}, issueTimestamp={}, maxTimestamp={}), \
         expiryTimestamp={}",
        token.owner,
        token.requester,
        token.renewers.join(" "),
        token.issue_timestamp,
        token.max_timestamp,
        token.expiration_timestamp,
    )
}

fn provenance_text(provenance: Provenance) -> String {
    format!("offset {}, epoch {}, time {}", provenance.offset, provenance.epoch, Civil::of(provenance.time_ms).iso())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_named_with_their_parts_in_order() {
        let entity: QuotaEntity =
            [("user".to_owned(), Some("a(b)\\".to_owned())), ("client-id".to_owned(), Some("c".to_owned()))].into();
        assert_eq!(entity_name(&entity), r"clientId(c)_user(a\(b\)\\)");
        assert_eq!(entity_name(&[("user".to_owned(), None)].into()), "");
    }

    #[test]
    fn an_empty_image_has_all_its_directories() {
        let root = root(&Image::default(), Provenance::default());
        let Node::Directory(children) = &root else { panic!("{root:?}") };
        let Node::Directory(children) = &children["image"] else { panic!("{root:?}") };
        assert_eq!(
            children.keys().map(String::as_str).collect::<Vec<_>>(),
            [
                "acls",
                "clientQuotas",
                "cluster",
                "configs",
                "delegationToken",
                "features",
                "producerIds",
                "provenance",
                "scram",
                "topics"
            ]
        );
    }
}
