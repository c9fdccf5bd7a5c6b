//! Adds a controller to the quorum, and removes one. The controller that is added is described by its own file.

use crate::cli::{Done, Failure, Parsed, convert, say};
use crate::cluster::{admin_of, block_on};
use ottla_client::shell::admin::quorum::VoterEndpoint;
use ottla_wire::Uuid;
use std::collections::BTreeMap;
use std::path::Path;

type Properties = BTreeMap<String, String>;

pub(super) fn add(parsed: &Parsed) -> Done {
    let Some(path) = parsed.value("command-config")? else {
        return Err(Failure::told(
            "You must supply the configuration file of the controller you are adding when using add-controller.",
        ));
    };
    let properties: Properties = convert::properties_file(path)?.into_iter().collect();
    let admin = admin_of(parsed, "command-config")?;
    let id = controller_id(&properties)?;
    let directory = metadata_directory(&properties)?;
    let directory_id = directory_id(directory)?;
    let endpoints = advertised(&properties)?;
    let is_dry = parsed.has("dry-run");
    if !is_dry {
        block_on(async { Ok(admin.add_raft_voter(id, directory_id, &endpoints).await?) })?;
    }
    let shown: Vec<_> = endpoints.iter().map(shown).collect();
    say(&format!(
        "{} controller {id} with directory id {directory_id} and endpoints: {}",
        if is_dry { "DRY RUN of adding" } else { "Added" },
        shown.join(", ")
    ));
    Ok(())
}

pub(super) fn remove(parsed: &Parsed) -> Done {
    let admin = admin_of(parsed, "command-config")?;
    let id = parsed.int("controller-id")?.unwrap_or_default();
    if id < 0 {
        return Err(Failure::told(format!("Invalid negative --controller-id: {id}")));
    }
    let text = parsed.value("controller-directory-id")?.unwrap_or_default();
    let directory_id: Uuid = text.parse().map_err(|_| {
        Failure::told(format!("Failed to parse --controller-directory-id: {text} is not 16 bytes in base64"))
    })?;
    let is_dry = parsed.has("dry-run");
    if !is_dry {
        block_on(async { Ok(admin.remove_raft_voter(id, directory_id).await?) })?;
    }
    // Kafka's line has two spaces where it is dry.
    let verb = if is_dry { "DRY RUN of removing " } else { "Removed " };
    say(&format!("{verb} KRaft controller {id} with directory id {directory_id}"));
    Ok(())
}

const NOT_A_CONTROLLER: &str = "Is this a valid controller configuration file?";

fn controller_id(properties: &Properties) -> Done<i32> {
    let wrong = |what: &str| Failure::told(format!("{what} configuration file. {NOT_A_CONTROLLER}"));
    let text = properties.get("node.id").ok_or_else(|| wrong("node.id not found in"))?;
    let id: i32 = text.trim().parse().map_err(|_| Failure::told(format!("For input string: \"{text}\"")))?;
    if id < 0 {
        return Err(wrong("node.id was negative in"));
    }
    match properties.get("process.roles") {
        Some(roles) if roles.contains("controller") => Ok(id),
        _ => Err(wrong("process.roles did not contain 'controller' in")),
    }
}

fn metadata_directory(properties: &Properties) -> Done<&str> {
    match (properties.get("metadata.log.dir"), properties.get("log.dirs")) {
        (Some(dir), _) => Ok(dir),
        (None, Some(dirs)) => Ok(dirs.trim().split(',').next().unwrap_or_default()),
        (None, None) => {
            Err(Failure::told(format!("Neither metadata.log.dir nor log.dirs were found. {NOT_A_CONTROLLER}")))
        }
    }
}

fn directory_id(directory: &str) -> Done<Uuid> {
    let unreadable = || Failure::told(format!("Unable to read meta.properties from {directory}"));
    let path = Path::new(directory).join("meta.properties");
    let path = path.to_str().ok_or_else(unreadable)?;
    let meta: Properties = convert::properties_file(path).map_err(|_| unreadable())?.into_iter().collect();
    let id = meta.get("directory.id").and_then(|text| text.parse().ok());
    id.ok_or_else(|| Failure::told(format!("No directory id found in {directory}")))
}

/// Where the controller's listeners can be reached: as they are advertised, else as they listen.
fn advertised(properties: &Properties) -> Done<Vec<VoterEndpoint>> {
    let mut listeners: BTreeMap<String, VoterEndpoint> = BTreeMap::new();
    for key in ["listeners", "advertised.listeners"] {
        let entries = properties.get(key).map_or("", String::as_str).split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let endpoint = endpoint(entry)
                .ok_or_else(|| Failure::told(format!("Unable to parse {entry} to a broker endpoint")))?;
            listeners.insert(endpoint.listener.clone(), endpoint);
        }
    }
    let names = properties
        .get("controller.listener.names")
        .ok_or_else(|| Failure::told(format!("controller.listener.names was not found. {NOT_A_CONTROLLER}")))?;
    let find = |name: &str| {
        let name = name.trim().to_uppercase();
        let missing = || Failure::told(format!("Cannot find information about controller listener name: {name}"));
        listeners.get(&name).cloned().ok_or_else(missing)
    };
    names.split(',').map(find).collect()
}

/// `NAME://host:port`; a host that is left out is this machine.
fn endpoint(text: &str) -> Option<VoterEndpoint> {
    let (listener, address) = text.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = if host.is_empty() { "localhost" } else { host };
    Some(VoterEndpoint { listener: listener.to_uppercase(), host: host.to_owned(), port: port.parse().ok()? })
}

fn shown(endpoint: &VoterEndpoint) -> String {
    let VoterEndpoint { listener, host, port } = endpoint;
    match host.contains(':') {
        true => format!("{listener}://[{host}]:{port}"),
        false => format!("{listener}://{host}:{port}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_controller_is_reached_where_it_is_advertised() {
        let file = properties(&[
            ("listeners", "CONTROLLER://:9093,OTHER://[::1]:9094,PLAINTEXT://h:9092"),
            ("advertised.listeners", "CONTROLLER://c.example.com:19093"),
            ("controller.listener.names", "controller,OTHER"),
        ]);
        let found: Vec<_> = advertised(&file).unwrap().iter().map(shown).collect();
        assert_eq!(found, ["CONTROLLER://c.example.com:19093", "OTHER://[::1]:9094"]);
        let nobody = properties(&[("controller.listener.names", "X")]);
        assert_eq!(
            advertised(&nobody).unwrap_err().to_string(),
            "Cannot find information about controller listener name: X"
        );
    }

    #[test]
    fn what_is_no_controller_is_said() {
        let said = |pairs: &[(&str, &str)]| controller_id(&properties(pairs)).unwrap_err().to_string();
        assert!(said(&[]).starts_with("node.id not found in configuration file. Is this"));
        assert!(said(&[("node.id", "-1")]).starts_with("node.id was negative"));
        assert!(said(&[("node.id", "1"), ("process.roles", "broker")]).starts_with("process.roles did not contain"));
        let dirs = properties(&[("log.dirs", " /a,/b")]);
        assert_eq!(metadata_directory(&dirs).unwrap(), "/a");
        assert_eq!(metadata_directory(&properties(&[("metadata.log.dir", "/m"), ("log.dirs", "/a")])).unwrap(), "/m");
    }
}
