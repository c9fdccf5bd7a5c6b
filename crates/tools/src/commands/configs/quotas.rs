//! Users, clients and addresses: their quotas (KIP-546), and users' SCRAM credentials (KIP-554).

use super::entities::{Entities, Kind};
use crate::cli::{Done, Failure, say};
use crate::cluster::java_map_order_of;
use ottla_client::Admin;
use ottla_client::shell::admin::quotas::{EntityQuotas, QuotaEntity, QuotaMatch};
use ottla_client::shell::admin::scram::{NewCredential, UserCredentials};
use ottla_io::clock;
use ottla_security::scram::{ITERATIONS_MIN, ScramMechanism};

const OF_USERS_AND_CLIENTS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
const OF_ADDRESSES: [&str; 1] = ["connection_creation_rate"];

/// What an entity's kind is called in the protocol, and in what is printed.
const fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Users => ("user", "user-principal"),
        Kind::Ips => ("ip", "ip"),
        _ => ("client-id", "client-id"),
    }
}

/// Changes quotas or credentials, whichever the keys are of.
pub(super) async fn alter(
    admin: &Admin,
    entities: &Entities,
    added: Vec<(String, String)>,
    deleted: Vec<String>,
) -> Done {
    let kind = entities.kind()?;
    if kind == Kind::Ips {
        let unknown: Vec<&str> =
            keys(&added).chain(texts(&deleted)).filter(|key| !OF_ADDRESSES.contains(key)).collect();
        if !unknown.is_empty() {
            return Err(unexpected("Only connection quota configs can be added for 'ips'", &unknown.join(",")));
        }
        return alter_quotas(admin, entities, &added, &deleted).await;
    }
    let is_quota = |key: &&str| OF_USERS_AND_CLIENTS.contains(key);
    let is_scram = |key: &&str| ScramMechanism::from_name(key).is_some();
    let is_unknown = |key: &&str| !is_quota(key) && !is_scram(key);
    let has_scram = keys(&added).any(|key| is_scram(&key)) || texts(&deleted).any(|key| is_scram(&key));
    let has_quota = keys(&added).any(|key| is_quota(&key)) || texts(&deleted).any(|key| is_quota(&key));
    // The unknown ones first, in the collections that Kafka's program prints.
    let set = |found: Vec<&str>| format!("Set({})", found.join(", "));
    let buffer = |found: Vec<&str>| format!("ArrayBuffer({})", found.join(", "));
    let is_of_client = kind == Kind::Clients || entities.kinds().len() == 2;
    let found = |is: &dyn Fn(&&str) -> bool, scram_too: bool| {
        let of = |all: Vec<&'_ str>| -> Vec<String> {
            let others = all.iter().filter(|key| scram_too && is_scram(key));
            all.iter().filter(|key| is(key)).chain(others).map(|key| (*key).to_owned()).collect()
        };
        (of(keys(&added).collect()), of(texts(&deleted).collect()))
    };
    let (bad_added, bad_deleted) = found(&is_unknown, is_of_client);
    let (whom, what) = match is_of_client {
        true => ("clients", "quota"),
        false => ("users", "quota and SCRAM credential"),
    };
    if !bad_added.is_empty() {
        let names = set(texts(&bad_added).collect());
        return Err(unexpected(&format!("Only {what} configs can be added for '{whom}'"), &names));
    }
    if !bad_deleted.is_empty() {
        let names = buffer(texts(&bad_deleted).collect());
        return Err(unexpected(&format!("Only {what} configs can be deleted for '{whom}'"), &names));
    }
    if has_scram {
        if entities.names().iter().any(String::is_empty) {
            return Err(Failure::told(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.",
            ));
        }
        if has_quota {
            return Err(Failure::told(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
            ));
        }
    }
    match has_quota {
        true => alter_quotas(admin, entities, &added, &deleted).await,
        false => alter_scram(admin, entities, &added, &deleted).await,
    }
}

fn keys(pairs: &[(String, String)]) -> impl Iterator<Item = &str> {
    pairs.iter().map(|(key, _)| key.as_str())
}

fn texts(texts: &[String]) -> impl Iterator<Item = &str> {
    texts.iter().map(String::as_str)
}

fn unexpected(what: &str, names: &str) -> Failure {
    Failure::told(format!("{what} using --bootstrap-server. Unexpected config names: {names}"))
}

async fn alter_quotas(admin: &Admin, entities: &Entities, added: &[(String, String)], deleted: &[String]) -> Done {
    let before = find(admin, entities).await?;
    let has = |key: &str| before.first().is_some_and(|found| found.quotas.iter().any(|(known, _)| known == key));
    let missing: Vec<&str> = texts(deleted).filter(|key| !has(key)).collect();
    if !missing.is_empty() {
        return Err(Failure::told(format!("Invalid config(s): {}", missing.join(","))));
    }
    let kinds = entities.kinds().iter().map(|kind| words(*kind).0.to_owned());
    let names = entities.names().iter().map(|name| (!name.is_empty()).then(|| name.clone()));
    let entity: QuotaEntity = kinds.zip(names).collect();
    let mut changes = Vec::new();
    for (key, value) in added {
        let number = value.trim_end_matches(['d', 'D', 'f', 'F']).parse();
        let number =
            number.map_err(|_| Failure::told(format!("Cannot parse quota configuration value for {key}: {value}")))?;
        changes.push((key.clone(), Some(number)));
    }
    changes.extend(deleted.iter().map(|key| (key.clone(), None)));
    Ok(admin.alter_client_quotas(&entity, &changes).await?)
}

async fn alter_scram(admin: &Admin, entities: &Entities, added: &[(String, String)], deleted: &[String]) -> Done {
    let [user] = entities.names() else {
        return Err(Failure::told("SCRAM credentials are those of one user"));
    };
    let removed: Vec<ScramMechanism> = texts(deleted).filter_map(ScramMechanism::from_name).collect();
    let mut made = Vec::new();
    for (key, value) in added {
        if let Some(mechanism) = ScramMechanism::from_name(key) {
            made.push(new_credential(mechanism, value)?);
        }
    }
    Ok(admin.alter_scram(user, &removed, &made).await?)
}

/// `iterations=N,password=…`, the first of which may be left out.
fn new_credential(mechanism: ScramMechanism, text: &str) -> Done<NewCredential> {
    let invalid =
        || Failure::told(format!("Invalid credential property {}={text}", mechanism.name().replace('-', "_")));
    let (iterations, rest) = match text.strip_prefix("iterations=") {
        Some(rest) => {
            let (number, rest) = rest.split_once(',').ok_or_else(invalid)?;
            if !number.strip_prefix('-').unwrap_or(number).bytes().all(|digit| digit.is_ascii_digit()) {
                return Err(invalid());
            }
            let count = number.parse::<i32>();
            let count = count.map_err(|_| Failure::told(format!("For input string: \"{number}\"")))?;
            (if count == -1 { ITERATIONS_MIN } else { count }, rest)
        }
        None => (ITERATIONS_MIN, text),
    };
    let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
    if iterations < ITERATIONS_MIN {
        return Err(Failure::told(format!(
            "Iterations {iterations} is less than the minimum {ITERATIONS_MIN} required for {}",
            mechanism.name()
        )));
    }
    let salt = [clock::seed().0, clock::seed().0].iter().flat_map(|seed| seed.to_be_bytes()).collect();
    Ok(NewCredential { mechanism, iterations, password: password.to_owned(), salt })
}

/// The quotas of what the command line names, and of nothing that has more to it.
async fn find(admin: &Admin, entities: &Entities) -> Done<Vec<EntityQuotas>> {
    let (kinds, names) = (entities.kinds(), entities.names());
    if names.len() > kinds.len() {
        return Err(Failure::told("More entity names specified than entity types"));
    }
    let wanted = |place: usize| match names.get(place).map(String::as_str) {
        None => QuotaMatch::Any,
        Some("") => QuotaMatch::Default,
        Some(name) => QuotaMatch::Named(name.to_owned()),
    };
    let filter: Vec<_> = kinds.iter().enumerate().map(|(place, kind)| (words(*kind).0, wanted(place))).collect();
    Ok(admin.describe_client_quotas(&filter, true).await?)
}

pub(super) async fn describe(admin: &Admin, entities: &Entities, as_json: bool) -> Done {
    for found in find(admin, entities).await? {
        match as_json {
            true => say(&quotas_as_json(&found)),
            false => say(&quotas_as_text(found)),
        }
    }
    // Of a user alone, and not of the default, the credentials as well.
    if entities.kinds() != [Kind::Users] || entities.names().iter().any(String::is_empty) {
        return Ok(());
    }
    for found in admin.describe_scram(entities.names()).await? {
        match as_json {
            true => say(&scram_as_json(&found)),
            false => say(&scram_as_text(&found)),
        }
    }
    Ok(())
}

fn quotas_as_text(mut found: EntityQuotas) -> String {
    let part = |kind: Kind| {
        let (key, word) = words(kind);
        Some(match found.entity.get(key)? {
            Some(name) => format!("{word} '{name}'"),
            None => format!("the default {word}"),
        })
    };
    let whom: Vec<String> = [Kind::Users, Kind::Clients, Kind::Ips].into_iter().filter_map(part).collect();
    let count = found.quotas.len();
    java_map_order_of(&mut found.quotas, count, |(key, _)| key);
    let quotas: Vec<String> =
        found.quotas.iter().map(|(key, value)| format!("{key}={}", java_number(*value))).collect();
    format!("Quota configs for {} are {}", whom.join(", "), quotas.join(", "))
}

fn scram_as_text(found: &UserCredentials) -> String {
    let user = &found.user;
    match &found.credentials {
        Ok(credentials) => {
            let each = credentials.iter().map(|(mechanism, count)| format!("{}=iterations={count}", mechanism.name()));
            let each = each.collect::<Vec<_>>().join(", ");
            format!("SCRAM credential configs for user-principal '{user}' are {each}")
        }
        Err(error) => format!(
            "Error retrieving SCRAM credential configs for user-principal '{user}': ExecutionException: {}: {error}",
            error.class()
        ),
    }
}

fn quotas_as_json(found: &EntityQuotas) -> String {
    let quotas: serde_json::Map<_, _> =
        found.quotas.iter().map(|(key, value)| (key.clone(), (*value).into())).collect();
    serde_json::json!({ "entity": found.entity, "quotas": quotas }).to_string()
}

fn scram_as_json(found: &UserCredentials) -> String {
    let mechanisms: serde_json::Map<_, _> = found
        .credentials
        .iter()
        .flatten()
        .map(|(mechanism, count)| (mechanism.name().to_owned(), serde_json::json!({ "iterations": count })))
        .collect();
    let error = found.credentials.as_ref().err().map(ToString::to_string);
    serde_json::json!({ "entity": { "user": found.user }, "scram": mechanisms, "error": error }).to_string()
}

/// As Java writes a double: with a fraction, and with an exponent where it is very large or small.
fn java_number(number: f64) -> String {
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) || !number.is_finite() {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_java_writes_them() {
        for (number, text) in [
            (1000.0, "1000.0"),
            (0.5, "0.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.0, "1.2345678E7"),
            (0.0001, "1.0E-4"),
        ] {
            assert_eq!(java_number(number), text);
        }
    }

    #[test]
    fn a_credential_has_iterations_or_kafkas_number_of_them() {
        let new = |text| new_credential(ScramMechanism::Sha256, text).map(|new| (new.iterations, new.password));
        assert_eq!(new("password=a,b").unwrap(), (4096, "a,b".to_owned()));
        assert_eq!(new("iterations=8192,password=x").unwrap(), (8192, "x".to_owned()));
        assert_eq!(new("iterations=-1,password=x").unwrap(), (4096, "x".to_owned()));
        for (text, expected) in [
            ("secret", "Invalid credential property SCRAM_SHA_256=secret"),
            ("iterations=many,password=x", "Invalid credential property SCRAM_SHA_256=iterations=many,password=x"),
            ("iterations=,password=x", "For input string: \"\""),
            ("iterations=1,password=x", "Iterations 1 is less than the minimum 4096 required for SCRAM-SHA-256"),
        ] {
            assert_eq!(new(text).unwrap_err().to_string(), expected);
        }
    }
}
