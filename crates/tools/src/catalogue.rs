//! Every command that is described by a [`Tool`], and what follows from all of them together: finding one, the overview.

use crate::cli::{Group, Tool};
use crate::commands::{
    acls, broker_api_versions, client_metrics, cluster, configs, console_consumer, console_producer, consumer_groups,
    consumer_perf, delete_records, dump_log, e2e_latency, features, get_offsets, groups, jmx, leader_election, log,
    log_dirs, metadata_quorum, metadata_shell, producer_perf, reassign_partitions, replica_verification, server_start,
    server_stop, storage, tail, top, topics, verifiable,
};
use ottla_metadata::config_defs;
use std::fmt::Write;

/// In the order of the overview.
pub(crate) static TOOLS: &[&Tool] = &[
    &server_start::TOOL,
    &server_stop::TOOL,
    &storage::TOOL,
    &topics::TOOL,
    &get_offsets::TOOL,
    &delete_records::TOOL,
    &leader_election::TOOL,
    &reassign_partitions::TOOL,
    &console_producer::TOOL,
    &console_consumer::TOOL,
    &tail::TOOL,
    &log::TOOL,
    &dump_log::TOOL,
    &consumer_groups::TOOL,
    &groups::TOOL,
    &configs::TOOL,
    &client_metrics::TOOL,
    &acls::TOOL,
    &cluster::TOOL,
    &top::TOOL,
    &metadata_quorum::TOOL,
    &metadata_shell::TOOL,
    &features::TOOL,
    &log_dirs::TOOL,
    &broker_api_versions::TOOL,
    &producer_perf::TOOL,
    &consumer_perf::TOOL,
    &e2e_latency::TOOL,
    &verifiable::producer::TOOL,
    &verifiable::consumer::TOOL,
    &replica_verification::TOOL,
    &jmx::TOOL,
];

/// By its own name, by its script's, or by a Java class that it stands for.
pub(crate) fn find(name: &str) -> Option<&'static Tool> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    TOOLS
        .iter()
        .copied()
        .find(|tool| tool.name == name || (tool.script == name && !name.is_empty()) || tool.classes.contains(&name))
}

/// The overview: commands by what people do.
pub(crate) fn overview() -> String {
    let mut page = String::from(
        "Apache Kafka, whole, in one binary.\n\nUsage: ottla [COMMAND]\n\nWithout a command, a single node starts on localhost:9092 with its data in ./data;\nwhere KAFKA_* or CLUSTER_ID are set, a node as in Kafka's container images.\n",
    );
    for group in Group::ALL {
        let mut tools = TOOLS.iter().filter(|tool| tool.group == group).peekable();
        if tools.peek().is_some() {
            let _ = writeln!(page, "\n{}", group.title());
        }
        for tool in tools {
            let _ = writeln!(page, "  {:24} {}{}", tool.name, tool.about, tool.script_shown());
        }
    }
    page.push_str(
        "\n'ottla COMMAND --help' shows a command's options and examples; 'ottla completion SHELL' completes them.\n",
    );
    page
}

/// What is said of a command that there is none of.
pub(crate) fn unknown(name: &str) -> String {
    let near = config_defs::nearest(TOOLS.iter().map(|tool| tool.name), name);
    let hint = near.map_or_else(String::new, |near| format!(" Did you mean '{near}'?"));
    format!("ottla has no command '{name}'.{hint}\n'ottla --help' lists what there is.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cli::Opt;
    use crate::commands::later::LATER;
    use std::path::Path;

    /// All of `docs/commands.md`, from the descriptions that the commands themselves are made of.
    fn page() -> String {
        let mut page = String::from(
            "# Commands\n\nMade from the commands' own descriptions; `OTTLA_WRITE_PAGES=1 cargo test -p ottla-tools page` writes it.\nKafka's stand in `bin/` under Kafka's names as well, with `.sh` and without.\n",
        );
        for group in Group::ALL {
            let _ = writeln!(page, "\n## {}", group.title());
            for tool in TOOLS.iter().filter(|tool| tool.group == group) {
                let _ = write!(page, "\n### {}{}\n\n```text\n{}```\n", tool.name, tool.script_shown(), tool.help());
            }
        }
        page.push_str("\n## Not there yet\n\nThese say in one line what is missing, and fail.\n\n");
        for later in LATER {
            let _ = writeln!(page, "- {} (`{}.sh`)", later.name, later.script);
        }
        page
    }

    #[test]
    fn the_page_of_commands_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
        if std::env::var_os("OTTLA_WRITE_PAGES").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written == page(), "docs/commands.md is not what the commands say: see its first lines");
    }

    #[test]
    fn each_command_speaks_json() {
        let has = |options: &[Opt]| options.iter().any(|option| option.name == "json");
        for tool in TOOLS {
            let speaks = has(tool.options) || tool.subcommands.iter().any(|sub| has(sub.options));
            assert!(speaks, "{}", tool.name);
            assert!(!tool.examples.is_empty() || tool.name == "jmx", "{}", tool.name);
        }
    }

    #[test]
    fn each_command_has_its_script() {
        for tool in TOOLS.iter().filter(|tool| !tool.script.is_empty()) {
            let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin");
            for name in [tool.script.to_owned(), format!("{}.sh", tool.script)] {
                let text = std::fs::read_to_string(bin.join(&name)).unwrap();
                assert!(text.contains(&format!("ottla-run.sh\" {} ", tool.name)), "{name}");
            }
        }
    }

    #[test]
    fn names_are_told_apart() {
        for tool in TOOLS {
            let names = [tool.name, tool.script].into_iter().chain(tool.classes.iter().copied());
            for name in names.filter(|name| !name.is_empty()) {
                assert!(std::ptr::eq(find(name).unwrap(), *tool), "{name}");
            }
        }
    }
}
