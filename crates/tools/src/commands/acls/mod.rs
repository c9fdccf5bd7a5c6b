//! `ottla acls`: lists, adds and removes access control entries, as `kafka-acls.sh`.

mod entries;

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, flag, maybe, say, say_json, text};
use crate::cluster::{admin_of, block_on};
use entries::{Entries, principals, resources, shown_entry, shown_filter, shown_resource};
use ottla_client::Admin;
use ottla_client::shell::admin::acls::{AclEntry, ResourceFilter, ResourcePattern};
use ottla_security::{AclOperation, AclPermissionType, PatternType, ResourceType};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const TOOL: Tool = Tool {
    name: "acls",
    script: "kafka-acls",
    classes: &["org.apache.kafka.tools.AclCommand", "kafka.admin.AclCommand"],
    group: Group::Cluster,
    about: "This tool helps to manage acls on kafka.",
    style: Style::Jopt,
    on_parse_error: ParseError::Usage,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "acls --bootstrap-server localhost:9092 --add --allow-principal User:ann --operation Read --topic orders",
        "acls --bootstrap-server localhost:9092 --add --allow-principal User:app --producer --topic orders. --resource-pattern-type prefixed",
        "acls --bootstrap-server localhost:9092 --list --topic orders",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    flag("json", "Print one JSON object an entry instead of text (--list)."),
    text("bootstrap-server", "server to connect to", "The brokers to begin with."),
    text("bootstrap-controller", "controller to connect to", "The controllers to begin with, instead of brokers."),
    maybe("command-config", "command-config", "A file of settings for the client."),
    text("topic", "topic", "A topic; '*' is all of them."),
    flag("cluster", "The cluster itself."),
    text("group", "group", "A group; '*' is all of them."),
    text("transactional-id", "transactional-id", "A transactional id; '*' is all of them."),
    flag("idempotent", "With --producer: that it may be idempotent."),
    text("delegation-token", "delegation-token", "A delegation token; '*' is all of them."),
    text(
        "resource-pattern-type",
        "ANY|MATCH|LITERAL|PREFIXED",
        "How names are meant. To list and remove: 'any' is every type with that very name, 'match' all that affects the name.",
    )
    .default("LITERAL"),
    flag("add", "Add entries."),
    flag("remove", "Remove entries."),
    flag("list", "List entries."),
    text(
        "operation",
        "String",
        "What is allowed or denied: All, Read, Write, Create, Delete, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, CreateTokens, DescribeTokens, TwoPhaseCommit.",
    )
    .default("All"),
    text("allow-principal", "allow-principal", "Who is allowed, as User:name; User:* is everybody."),
    text("deny-principal", "deny-principal", "Who is denied, which weighs more than what is allowed."),
    maybe("principal", "principal", "With --list: only entries of this principal."),
    text("allow-host", "allow-host", "From where --allow-principal holds; from anywhere unless given."),
    text("deny-host", "deny-host", "From where --deny-principal holds; from anywhere unless given."),
    flag("producer", "What a producer needs: to write, describe and create the topic."),
    flag("consumer", "What a consumer needs: to read and describe the topic, and to read the group."),
    flag("force", "Ask nothing."),
    text("user-principal", "user-principal", "A user, as a resource."),
];

fn run(parsed: &Parsed) -> Done {
    check(parsed)?;
    let done = admin_of(parsed, "command-config").and_then(|admin| {
        block_on(async {
            if parsed.has("add") {
                add(&admin, parsed).await
            } else if parsed.has("remove") {
                remove(&admin, parsed).await
            } else {
                list(&admin, parsed).await
            }
        })
    });
    let failed = |message: String| {
        say(&format!("Error while executing ACL command: {message}"));
        Failure::Said
    };
    done.map_err(|failure| match failure {
        Failure::Client(error) => failed(format!("{}: {error}", error.class())),
        Failure::Told(message) | Failure::Parse(message) => failed(message),
        other => other,
    })
}

fn check(parsed: &Parsed) -> Done {
    let usage = |message: &str| Err(Failure::usage(message));
    if parsed.has("bootstrap-server") && parsed.has("bootstrap-controller") {
        return usage("Only one of --bootstrap-server or --bootstrap-controller must be specified");
    }
    if ["add", "remove", "list"].into_iter().filter(|action| parsed.has(action)).count() != 1 {
        return usage("Command must include exactly one action: --list, --add, --remove. ");
    }
    let who = ["producer", "consumer", "allow-host", "allow-principal", "deny-host", "deny-principal"];
    parsed.forbid("list", &who)?;
    let inferred = ["operation", "deny-principal", "deny-host"];
    parsed.forbid("producer", &inferred)?;
    parsed.forbid("consumer", &inferred)?;
    if parsed.has("principal") && !parsed.has("list") {
        return usage("The --principal option is only available if --list is set");
    }
    if parsed.has("producer") && !parsed.has("topic") {
        return usage("With --producer you must specify a --topic");
    }
    if parsed.has("idempotent") && !parsed.has("producer") {
        return usage("The --idempotent option is only available if --producer is set");
    }
    let of_producers = !parsed.has("producer") && (parsed.has("cluster") || parsed.has("transactional-id"));
    if parsed.has("consumer") && (!parsed.has("topic") || !parsed.has("group") || of_producers) {
        return usage(
            "With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id option should be specified.",
        );
    }
    Ok(())
}

async fn add(admin: &Admin, parsed: &Parsed) -> Done {
    let entries = Entries::to_add(parsed)?;
    for (resource, entries) in entries.0 {
        let filter = ResourceFilter::from(&resource);
        let known: BTreeSet<_> = admin.describe_acls(&filter).await?.into_iter().collect();
        let mut new = Vec::new();
        for entry in entries {
            if known.contains(&(resource.clone(), entry.clone())) {
                let (pattern, entry) = (shown_resource(&resource), shown_entry(&entry));
                say(&format!("Acl (pattern={pattern}, entry={entry}) already exists."));
            } else {
                new.push(entry);
            }
        }
        if !new.is_empty() {
            say(&format!("Adding ACLs for resource `{}`: \n {}\n", shown_resource(&resource), lines(&new)));
            admin.create_acls(&resource, &new).await?;
        }
    }
    Ok(())
}

async fn remove(admin: &Admin, parsed: &Parsed) -> Done {
    let entries = Entries::of(parsed)?;
    for (resource, entries) in entries.0 {
        let entries: Vec<AclEntry> = entries.into_iter().collect();
        let filter = ResourceFilter::from(&resource);
        let question = match entries.is_empty() {
            true => {
                let filter = shown_filter(&filter);
                format!("Are you sure you want to delete all ACLs for resource filter `{filter}`? (y/n)")
            }
            false => format!(
                "Are you sure you want to remove ACLs: \n {}\n from resource filter `{}`? (y/n)",
                lines(&entries),
                shown_filter(&filter)
            ),
        };
        if parsed.has("force") || confirmed(&question)? {
            let entries = (!entries.is_empty()).then_some(entries.as_slice());
            admin.delete_acls(&filter, entries).await?;
        }
    }
    Ok(())
}

fn confirmed(question: &str) -> Done<bool> {
    say(question);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Failure::told(error.to_string()))?;
    Ok(answer.trim_end_matches(['\r', '\n']).eq_ignore_ascii_case("y"))
}

async fn list(admin: &Admin, parsed: &Parsed) -> Done {
    let filters = resources(parsed)?;
    let wanted = principals(parsed, "principal")?;
    let mut found: BTreeMap<ResourcePattern, BTreeSet<AclEntry>> = BTreeMap::new();
    let filters: Vec<ResourceFilter> = match filters.is_empty() {
        true => vec![ResourceFilter::EVERYTHING],
        false => filters.iter().map(ResourceFilter::from).collect(),
    };
    for filter in &filters {
        for (resource, entry) in admin.describe_acls(filter).await? {
            found.entry(resource).or_default().insert(entry);
        }
    }
    if parsed.has("json") {
        let entries = found.iter().flat_map(|(resource, entries)| entries.iter().map(move |entry| (resource, entry)));
        for (resource, entry) in entries.filter(|(_, entry)| wanted.is_empty() || wanted.contains(&entry.principal)) {
            say_json(&json(resource, entry));
        }
        return Ok(());
    }
    if wanted.is_empty() {
        print(&found);
        return Ok(());
    }
    for principal in wanted {
        say(&format!("ACLs for principal `{principal}`"));
        let mut own = found.clone();
        own.values_mut().for_each(|entries| entries.retain(|entry| entry.principal == principal));
        own.retain(|_, entries| !entries.is_empty());
        print(&own);
    }
    Ok(())
}

fn json(resource: &ResourcePattern, entry: &AclEntry) -> serde_json::Value {
    serde_json::json!({
        "resourceType": ResourceType::from_code(resource.resource_type).to_string(),
        "name": resource.name,
        "patternType": PatternType::from_code(resource.pattern_type).to_string(),
        "principal": entry.principal,
        "host": entry.host,
        "operation": AclOperation::from_code(entry.operation).to_string(),
        "permissionType": AclPermissionType::from_code(entry.permission_type).to_string(),
    })
}

fn print(found: &BTreeMap<ResourcePattern, BTreeSet<AclEntry>>) {
    for (resource, entries) in found {
        let entries: Vec<AclEntry> = entries.iter().cloned().collect();
        say(&format!("Current ACLs for resource `{}`:\n{}\n", shown_resource(resource), lines(&entries)));
    }
}

fn lines(entries: &[AclEntry]) -> String {
    entries.iter().map(|entry| format!("\t{}", shown_entry(entry))).collect::<Vec<_>>().join("\n")
}
