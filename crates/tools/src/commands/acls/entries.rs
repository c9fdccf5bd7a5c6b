//! From the options to resources and entries, and both as Kafka shows them.

use crate::cli::{Done, Failure, Parsed};
use ottla_client::shell::admin::acls::{AclEntry, ResourceFilter, ResourcePattern};
use ottla_security::{AclOperation, AclPermissionType, PatternType, ResourceType};
use std::collections::{BTreeMap, BTreeSet};

const CLUSTER: &str = "kafka-cluster";
const ANYWHERE: &str = "*";

/// The entries of each resource; where entries are to be removed, none of them means all.
#[derive(Debug)]
pub(super) struct Entries(pub(super) BTreeMap<ResourcePattern, BTreeSet<AclEntry>>);

impl Entries {
    /// What is to be removed.
    pub(super) fn of(parsed: &Parsed) -> Done<Self> {
        let mut entries = BTreeMap::new();
        let (produces, consumes) = (parsed.has("producer"), parsed.has("consumer"));
        let named = resources(parsed)?;
        if !produces && !consumes {
            let own = acls(parsed, &operations(parsed))?;
            // Kafka looks at the entries first, then at whether there is anything to put them on.
            let named = some(named)?;
            entries.extend(named.into_iter().map(|resource| (resource, own.clone())));
        } else {
            let named = some(named)?;
            let of_kind = |kind: ResourceType| {
                named.iter().filter(move |resource| resource.resource_type == kind.code()).cloned()
            };
            use AclOperation::{Create, Describe, IdempotentWrite, Read, Write};
            let mut grant = |resources: Vec<ResourcePattern>, operations: &[AclOperation]| -> Done {
                for resource in resources {
                    let known: &mut BTreeSet<AclEntry> = entries.entry(resource).or_default();
                    known.extend(acls(parsed, operations)?);
                }
                Ok(())
            };
            if produces {
                grant(of_kind(ResourceType::Topic).collect(), &[Write, Describe, Create])?;
                grant(of_kind(ResourceType::TransactionalId).collect(), &[Write, Describe])?;
                if parsed.has("idempotent") {
                    grant(vec![cluster()], &[IdempotentWrite])?;
                }
            }
            if consumes {
                grant(of_kind(ResourceType::Topic).collect(), &[Read, Describe])?;
                grant(of_kind(ResourceType::Group).collect(), &[Read])?;
            }
        }
        check_operations(&entries)?;
        Ok(Self(entries))
    }

    /// What is to be added: names that are meant one way only, and somebody to whom it applies.
    pub(super) fn to_add(parsed: &Parsed) -> Done<Self> {
        let pattern = pattern_type(parsed)?;
        if !matches!(pattern, PatternType::Literal | PatternType::Prefixed) {
            return Err(Failure::usage(format!(
                "A '--resource-pattern-type' value of '{pattern}' is not valid when adding acls."
            )));
        }
        let entries = Self::of(parsed)?;
        match entries.0.values().any(BTreeSet::is_empty) {
            true => Err(Failure::usage(
                "You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.",
            )),
            false => Ok(entries),
        }
    }
}

fn some(named: BTreeSet<ResourcePattern>) -> Done<BTreeSet<ResourcePattern>> {
    match named.is_empty() {
        true => Err(Failure::usage(
            "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or --delegation-token <Delegation Token ID>",
        )),
        false => Ok(named),
    }
}

fn cluster() -> ResourcePattern {
    ResourcePattern {
        resource_type: ResourceType::Cluster.code(),
        name: CLUSTER.to_owned(),
        pattern_type: PatternType::Literal.code(),
    }
}

fn pattern_type(parsed: &Parsed) -> Done<PatternType> {
    let text = parsed.value("resource-pattern-type")?.unwrap_or_default();
    let known = PatternType::VALUES.iter().find(|kind| kind.name().eq_ignore_ascii_case(text));
    known
        .copied()
        .filter(|kind| *kind != PatternType::Unknown)
        .ok_or_else(|| Failure::Parse(format!("Cannot parse argument '{text}' of option resource-pattern-type")))
}

/// The resources that are named.
pub(super) fn resources(parsed: &Parsed) -> Done<BTreeSet<ResourcePattern>> {
    let pattern = pattern_type(parsed)?;
    let named = [
        ("topic", ResourceType::Topic),
        ("group", ResourceType::Group),
        ("transactional-id", ResourceType::TransactionalId),
        ("delegation-token", ResourceType::DelegationToken),
        ("user-principal", ResourceType::User),
    ];
    let mut found = BTreeSet::new();
    for (option, kind) in named {
        found.extend(parsed.values(option).into_iter().map(|name| ResourcePattern {
            resource_type: kind.code(),
            name: if kind == ResourceType::TransactionalId { name } else { name.trim() }.to_owned(),
            pattern_type: pattern.code(),
        }));
    }
    if pattern == PatternType::Literal && (parsed.has("cluster") || parsed.has("idempotent")) {
        found.insert(cluster());
    }
    Ok(found)
}

/// Principals as they are written: a type, a colon, a name.
pub(super) fn principals(parsed: &Parsed, option: &str) -> Done<BTreeSet<String>> {
    let principal = |text: &str| match text.split_once(':') {
        Some(_) => Ok(text.to_owned()),
        None => Err(Failure::told(format!("expected a string in format principalType:principalName but got {text}"))),
    };
    parsed.values(option).into_iter().map(|text| principal(text.trim())).collect()
}

fn operations(parsed: &Parsed) -> Vec<AclOperation> {
    let given = parsed.values("operation");
    let given = if given.is_empty() { vec![AclOperation::All.pascal_name()] } else { given };
    let find = |text: &str| {
        let known = AclOperation::VALUES.iter().find(|one| one.pascal_name().eq_ignore_ascii_case(text.trim()));
        known.copied().unwrap_or(AclOperation::Unknown)
    };
    given.into_iter().map(find).collect()
}

/// Every principal with every operation from every host.
fn acls(parsed: &Parsed, operations: &[AclOperation]) -> Done<BTreeSet<AclEntry>> {
    let mut entries = BTreeSet::new();
    for (who, from, permission) in [
        ("allow-principal", "allow-host", AclPermissionType::Allow),
        ("deny-principal", "deny-host", AclPermissionType::Deny),
    ] {
        let given: BTreeSet<&str> = parsed.values(from).into_iter().map(str::trim).collect();
        let hosts = if given.is_empty() { BTreeSet::from([ANYWHERE]) } else { given };
        for principal in principals(parsed, who)? {
            for operation in operations {
                entries.extend(hosts.iter().map(|host| AclEntry {
                    principal: principal.clone(),
                    host: (*host).to_owned(),
                    operation: operation.code(),
                    permission_type: permission.code(),
                }));
            }
        }
    }
    Ok(entries)
}

fn check_operations(entries: &BTreeMap<ResourcePattern, BTreeSet<AclEntry>>) -> Done {
    for (resource, entries) in entries {
        let kind = ResourceType::from_code(resource.resource_type);
        let supported = kind.supported_operations();
        let fits = |entry: &AclEntry| {
            let operation = AclOperation::from_code(entry.operation);
            operation == AclOperation::All || supported.contains(&operation)
        };
        if !entries.iter().all(fits) {
            let names: Vec<_> = supported.iter().chain([&AclOperation::All]).map(|one| one.name()).collect();
            let names = names.join(", ");
            return Err(Failure::usage(format!("ResourceType {kind} only supports operations [{names}]")));
        }
    }
    Ok(())
}

pub(super) fn shown_resource(resource: &ResourcePattern) -> String {
    shown_filter(&ResourceFilter::from(resource))
}

pub(super) fn shown_filter(filter: &ResourceFilter) -> String {
    format!(
        "ResourcePattern(resourceType={}, name={}, patternType={})",
        ResourceType::from_code(filter.resource_type),
        filter.name.as_deref().unwrap_or("<any>"),
        PatternType::from_code(filter.pattern_type)
    )
}

pub(super) fn shown_entry(entry: &AclEntry) -> String {
    format!(
        "(principal={}, host={}, operation={}, permissionType={})",
        entry.principal,
        entry.host,
        AclOperation::from_code(entry.operation),
        AclPermissionType::from_code(entry.permission_type)
    )
}
