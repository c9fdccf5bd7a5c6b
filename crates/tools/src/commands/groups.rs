//! `ottla groups`: the groups of all kinds, as `kafka-groups.sh`.

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, complain, convert, flag, say, say_json, say_raw, text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin, block_on, group_kind};
use ottla_client::shell::admin::groups::GroupListing;
use std::fmt::Write;

pub(crate) const TOOL: Tool = Tool {
    name: "groups",
    script: "kafka-groups",
    classes: &["org.apache.kafka.tools.GroupsCommand"],
    group: Group::Groups,
    about: "This tool helps to list groups of all types.",
    style: Style::Jopt,
    on_parse_error: ParseError::Usage,
    options: OPTIONS,
    subcommands: &[],
    examples: &["groups --bootstrap-server localhost:9092 --list", "groups --list --group-type classic"],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "server to connect to", "The brokers to begin with.").default(DEFAULT_BOOTSTRAP),
    text("command-config", "command config property file", "A file of settings for the client."),
    flag("list", "List the groups."),
    text("group-type", "type", "Only groups of this type: classic, consumer, share or streams."),
    text("protocol", "protocol", "Only groups of this protocol."),
    flag("consumer", "Only groups of consumers: the type 'consumer', and 'classic' with that protocol or none."),
    flag("share", "Only share groups."),
    flag("streams", "Only streams groups."),
    flag("json", "Print one JSON object a group instead of text."),
];

fn run(parsed: &Parsed) -> Done {
    if !parsed.has("list") {
        return Err(Failure::usage("Command must include exactly one action: --list."));
    }
    let wanted_kind = match parsed.value("group-type")? {
        None => None,
        Some(name) => {
            let known =
                ["classic", "consumer", "share", "streams"].into_iter().find(|kind| name.eq_ignore_ascii_case(kind));
            Some(known.ok_or_else(|| Failure::told("--group-type must be a valid group type."))?)
        }
    };
    parsed.forbid("consumer", &["group-type", "protocol", "share", "streams"])?;
    parsed.forbid("share", &["consumer", "group-type", "protocol", "streams"])?;
    parsed.forbid("streams", &["consumer", "group-type", "protocol", "share"])?;
    let mut settings = convert::settings(parsed, "command-config")?;
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    let protocol = parsed.value("protocol")?;
    let passes = |group: &GroupListing| {
        let kind = group_kind(&group.kind);
        let is = |wanted: &str| kind.eq_ignore_ascii_case(wanted);
        let speaks = |wanted: &str| group.protocol_type == wanted;
        match (wanted_kind, protocol) {
            (Some(wanted), protocol) => is(wanted) && protocol.is_none_or(speaks),
            (None, Some(protocol)) => speaks(protocol),
            (None, None) if parsed.has("consumer") => speaks("consumer") || speaks("") || is("consumer"),
            (None, None) if parsed.has("share") => is("share"),
            (None, None) if parsed.has("streams") => is("streams"),
            (None, None) => true,
        }
    };
    let listed = admin(&mut settings)
        .map_err(Failure::from)
        .and_then(|admin| block_on(async move { Ok(admin.list_groups(&[], &[]).await?) }));
    match listed {
        Ok(groups) => {
            let groups: Vec<_> = groups.into_iter().filter(passes).collect();
            write(&groups, parsed.has("json"));
            Ok(())
        }
        Err(failure) => {
            say(&format!("Error while executing groups command : {failure}"));
            if let Failure::Client(error) = &failure {
                complain(&format!("ERROR {}: {failure} (org.apache.kafka.tools.GroupsCommand)", error.class()));
            }
            Err(Failure::Said)
        }
    }
}

fn write(groups: &[GroupListing], as_json: bool) {
    if as_json {
        for group in groups {
            let json = serde_json::json!({
                "group": group.id, "type": group_kind(&group.kind), "protocol": group.protocol_type, "state": group.state,
            });
            say_json(&json);
        }
        return;
    }
    let widest = groups.iter().flat_map(|group| [group.id.len(), group.protocol_type.len()]).max().unwrap_or(0);
    let width = widest.max(20);
    let mut page = format!("{:width$} {:width$} {:width$}\n", "GROUP", "TYPE", "PROTOCOL");
    for group in groups {
        let kind = group_kind(&group.kind);
        let _ = writeln!(page, "{:width$} {kind:width$} {:width$} ", group.id, group.protocol_type);
    }
    say_raw(&page);
}
