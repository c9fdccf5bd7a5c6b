//! `ottla jmx`: takes the options of `kafka-jmx.sh`, and says that there is nothing to ask.
//!
//! Ottla is no Java program, so that no port of it speaks JMX; and a node has no metrics yet that can be asked from
//! outside. Once it has, this is where they are shown in the tool's forms.

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, flag, int, maybe, text};

pub(crate) const TOOL: Tool = Tool {
    name: "jmx",
    script: "kafka-jmx",
    classes: &["org.apache.kafka.tools.JmxTool", "kafka.tools.JmxTool"],
    group: Group::Performance,
    about: "Dump JMX values to standard output.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &[],
    run,
};

const OPTIONS: &[Opt] = &[
    text("object-name", "name", "A JMX object to ask for; it may hold wildcards and may be given again."),
    text("attributes", "name", "The attributes to show, separated by commas."),
    int("reporting-interval", "ms", "The milliseconds between two rounds; below 0 for one round.").default("2000"),
    maybe("one-time", "one-time", "Ask once.").default("false"),
    text("date-format", "format", "How times are written."),
    text("jmx-url", "service-url", "Where to ask.").default("service:jmx:rmi:///jndi/rmi://:9999/jmxrmi"),
    text("report-format", "report-format", "original, properties, csv or tsv.").default("original"),
    text("jmx-auth-prop", "jmx-auth-prop", "username=password."),
    text("jmx-ssl-enable", "ssl-enable", "Whether to ask over SSL.").default("false"),
    flag("wait", "Wait for the objects to be there."),
    flag("json", "Print one JSON object a round instead of text."),
];

fn run(parsed: &Parsed) -> Done {
    parsed.int("reporting-interval")?;
    Err(Failure::told(
        "kafka-jmx: Ottla has no JMX, and a node has no metrics yet that can be asked from outside; a Java broker is asked with Kafka's own kafka-jmx.sh.",
    ))
}
