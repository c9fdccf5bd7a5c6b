//! Every command that is described by a [`Tool`], and what follows from all of them together: finding one, the overview.

use crate::cli::{Group, Tool};
use crate::commands::{
    broker_api_versions, cluster, configs, console_consumer, console_producer, consumer_groups, consumer_perf,
    delete_records, get_offsets, groups, log_dirs, metadata_quorum, producer_perf, topics,
};
use std::fmt::Write;

/// In the order of the overview.
pub(crate) static TOOLS: &[&Tool] = &[
    &topics::TOOL,
    &get_offsets::TOOL,
    &delete_records::TOOL,
    &console_producer::TOOL,
    &console_consumer::TOOL,
    &consumer_groups::TOOL,
    &groups::TOOL,
    &configs::TOOL,
    &cluster::TOOL,
    &metadata_quorum::TOOL,
    &log_dirs::TOOL,
    &broker_api_versions::TOOL,
    &producer_perf::TOOL,
    &consumer_perf::TOOL,
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
    let _ = writeln!(page, "  {:24} Start a node with a properties file (kafka-server-start.sh)", "server-start");
    let _ = writeln!(page, "  {:24} Signal the nodes of this machine to stop (kafka-server-stop.sh)", "server-stop");
    let _ = writeln!(page, "  {:24} Format a node's directories, or say what is in them (kafka-storage.sh)", "storage");
    for group in Group::ALL {
        let mut tools = TOOLS.iter().filter(|tool| tool.group == group).peekable();
        if tools.peek().is_some() {
            let _ = writeln!(page, "\n{}", group.title());
        }
        for tool in tools {
            let _ = writeln!(page, "  {:24} {} ({}.sh)", tool.name, tool.about, tool.script);
        }
    }
    page.push_str("\n'ottla COMMAND --help' shows a command's options and examples.\n");
    page
}
