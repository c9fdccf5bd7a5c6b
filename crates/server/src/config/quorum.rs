//! Who the controllers are: `controller.quorum.voters` (static) or `controller.quorum.bootstrap.servers` (KIP-853).

use super::listeners::parse_host_port;

/// A controller's id and address, from the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    pub host: String,
    pub port: u16,
}

/// `id@host:port` each.
pub(super) fn parse_voters(entries: &[String]) -> Result<Vec<Voter>, String> {
    let mut voters: Vec<Voter> = Vec::new();
    for entry in entries {
        let shape = "Each entry should be in the form `{id}@{host}:{port}`.";
        let Some((id, address)) = entry.split_once('@') else {
            return Err(format!("Invalid configuration value for controller.quorum.voters. {shape}"));
        };
        let Some(id) = id.trim().parse::<i32>().ok().filter(|id| *id >= 0) else {
            return Err(format!("Failed to parse voter ID as an integer from {id}"));
        };
        let Some((host, port)) = parse_host_port(address).filter(|(host, _)| !host.is_empty()) else {
            return Err(format!(
                "Failed to parse host {} from entry {entry} for the configuration controller.quorum.voters. {shape}",
                missing_part(address)
            ));
        };
        // A voter given twice is the one given last.
        voters.retain(|known| known.id != id);
        voters.push(Voter { id, host, port });
    }
    voters.sort_by_key(|voter| voter.id);
    Ok(voters)
}

/// `host:port` each.
pub(super) fn parse_bootstrap_servers(entries: &[String]) -> Result<Vec<(String, u16)>, String> {
    entries
        .iter()
        .map(|entry| {
            parse_host_port(entry).filter(|(host, _)| !host.is_empty()).ok_or_else(|| {
                format!(
                    "Failed to parse host {} from {entry} for the configuration controller.quorum.bootstrap.servers. Each entry should be in the form \"{{host}}:{{port}}\"",
                    missing_part(entry)
                )
            })
        })
        .collect()
}

/// What of an address cannot be read: Kafka looks for the name first, which it finds only before a port.
fn missing_part(address: &str) -> &'static str {
    let port = address.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    if port.is_some_and(|port| !port.is_empty() && !address.starts_with(':')) { "port" } else { "name" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voters(entries: &[&str]) -> Result<Vec<Voter>, String> {
        parse_voters(&entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn voters_have_ids_and_addresses() {
        let found = voters(&["2@b:9093", "1@[::1]:9093"]).unwrap();
        assert_eq!(found[0], Voter { id: 1, host: "::1".into(), port: 9093 });
        assert_eq!(found[1].id, 2);
        for entry in ["1", "a@b:1", "-1@b:1", "1@b", "1@:1", "1@b:x"] {
            assert!(voters(&[entry]).is_err(), "{entry}");
        }
    }

    #[test]
    fn bootstrap_servers_are_addresses() {
        let parse = |text: &str| parse_bootstrap_servers(&[text.to_owned()]);
        assert_eq!(parse("a:1"), Ok(vec![("a".into(), 1)]));
        assert!(parse("a").is_err() && parse(":1").is_err());
    }
}
