//! Every command that is described by a [`Tool`], and what follows from all of them together: finding one, the overview.

use crate::cli::{Group, Tool};
use crate::commands::{
    acls, broker_api_versions, client_metrics, cluster, configs, console_consumer, console_producer, consumer_groups,
    consumer_perf, delete_records, features, get_offsets, groups, leader_election, log_dirs, metadata_quorum,
    producer_perf, reassign_partitions, topics,
};
use std::fmt::Write;

/// In the order of the overview.
pub(crate) static TOOLS: &[&Tool] = &[
    &topics::TOOL,
    &get_offsets::TOOL,
    &delete_records::TOOL,
    &leader_election::TOOL,
    &reassign_partitions::TOOL,
    &console_producer::TOOL,
    &console_consumer::TOOL,
    &consumer_groups::TOOL,
    &groups::TOOL,
    &configs::TOOL,
    &client_metrics::TOOL,
    &acls::TOOL,
    &cluster::TOOL,
    &metadata_quorum::TOOL,
    &features::TOOL,
    &log_dirs::TOOL,
    &broker_api_versions::TOOL,
    &producer_perf::TOOL,
    &consumer_perf::TOOL,
];

/// The commands that run a node; each reads its own arguments.
pub(crate) const NODE_COMMANDS: [(&str, &str); 3] = [
    ("server-start", "Start a node with a properties file (kafka-server-start.sh)"),
    ("server-stop", "Signal the nodes of this machine to stop (kafka-server-stop.sh)"),
    ("storage", "Format a node's directories, or say what is in them (kafka-storage.sh)"),
];

/// By its own name, by its script's, or by a Java class that it stands for.
pub(crate) fn find(name: &str) -> Option<&'static Tool> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    TOOLS.iter().copied().find(|tool| tool.name == name || tool.script == name || tool.classes.contains(&name))
}

/// The overview: commands by what people do.
pub(crate) fn overview() -> String {
    let mut page = String::from(
        "Apache Kafka, whole, in one binary.\n\nUsage: ottla [COMMAND]\n\nWithout a command, a single node starts on localhost:9092 with its data in ./data.\n\nRun a node\n",
    );
    for (name, about) in NODE_COMMANDS {
        let _ = writeln!(page, "  {name:24} {about}");
    }
    for group in Group::ALL {
        let mut tools = TOOLS.iter().filter(|tool| tool.group == group).peekable();
        if tools.peek().is_some() {
            let _ = writeln!(page, "\n{}", group.title());
        }
        for tool in tools {
            let _ = writeln!(page, "  {:24} {} ({}.sh)", tool.name, tool.about, tool.script);
        }
    }
    page.push_str(
        "\n'ottla COMMAND --help' shows a command's options and examples; 'ottla completion SHELL' completes them.\n",
    );
    page
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::commands::later::LATER;
    use std::path::Path;

    /// All of `docs/commands.md`, from the descriptions that the commands themselves are made of.
    fn page() -> String {
        let mut page = String::from(
            "# Commands\n\nMade from the commands' own descriptions; `OTTLA_WRITE_PAGES=1 cargo test -p ottla-tools page` writes it.\nEach stands in `bin/` under Kafka's name as well, with `.sh` and without.\n",
        );
        for group in Group::ALL {
            let _ = writeln!(page, "\n## {}", group.title());
            for tool in TOOLS.iter().filter(|tool| tool.group == group) {
                let _ = write!(page, "\n### {} (`{}.sh`)\n\n```text\n{}```\n", tool.name, tool.script, tool.help());
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
    fn each_command_has_its_script() {
        for tool in TOOLS {
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
            for name in [tool.name, tool.script].iter().chain(tool.classes) {
                assert!(std::ptr::eq(find(name).unwrap(), *tool), "{name}");
            }
        }
    }
}
