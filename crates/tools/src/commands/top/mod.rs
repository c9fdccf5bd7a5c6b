//! `ottla top`: what a cluster does right now, again and again, in a terminal.

mod connections;
mod page;
mod sample;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, asked_to_end, flag, int, say_json, say_raw, text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, NameFilter, admin_of, block_on};
use ottla_client::Admin;
use page::Page;
use sample::Sample;
use std::io::IsTerminal;
use std::time::Duration;

pub(crate) const TOOL: Tool = Tool {
    name: "top",
    script: "",
    classes: &[],
    group: Group::Cluster,
    about: "Shows live rates, lag and connections of a cluster.",
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &["top", "top --interval 5 --topic 'orders.*'", "top --json --iterations 1"],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "server", "The brokers to begin with.").default(DEFAULT_BOOTSTRAP),
    text("command-config", "file", "A file of settings for the client."),
    int("interval", "seconds", "How often to look.").default("2"),
    int("iterations", "count", "End after so many looks."),
    text("topic", "regex", "Only topics whose whole name matches, or several names with commas between."),
    text("group", "regex", "Only groups whose whole name matches, or several names with commas between."),
    flag("json", "Print one JSON object a look instead of text."),
];

fn run(parsed: &Parsed) -> Done {
    let positive = |option: &str| match parsed.int(option)? {
        Some(number @ ..1) => Err(Failure::told(format!("--{option} must be 1 or more: {number}"))),
        number => Ok(number.map(i32::unsigned_abs)),
    };
    let filter = |option: &str| parsed.value(option)?.map(NameFilter::new).transpose();
    let top = Top {
        interval: Duration::from_secs(positive("interval")?.unwrap_or(2).into()),
        iterations: positive("iterations")?,
        topics: filter("topic")?,
        groups: filter("group")?,
        as_json: parsed.has("json"),
    };
    let admin = admin_of(parsed, "command-config")?;
    let is_screen = std::io::stdout().is_terminal() && !top.as_json && top.iterations.is_none();
    let done = block_on(async {
        tokio::select! {
            done = top.run(&admin, is_screen) => done,
            asked = asked_to_end() => asked.map(drop),
        }
    });
    if is_screen {
        say_raw(page::LEAVE_SCREEN);
    }
    done
}

pub(crate) struct Top {
    interval: Duration,
    iterations: Option<u32>,
    topics: Option<NameFilter>,
    groups: Option<NameFilter>,
    as_json: bool,
}

impl Top {
    async fn run(&self, admin: &Admin, is_screen: bool) -> Done {
        let mut before = self.sample(admin).await?;
        if is_screen {
            say_raw(page::ENTER_SCREEN);
        }
        let mut left = self.iterations;
        loop {
            if left == Some(0) {
                return Ok(());
            }
            left = left.map(|left| left - 1);
            tokio::time::sleep(self.interval).await;
            let now = self.sample(admin).await?;
            let page = Page::new(&before, &now);
            if self.as_json {
                say_json(&page.json());
            } else if is_screen {
                say_raw(&page.screen());
            } else {
                say_raw(&page.text(usize::MAX));
            }
            before = now;
        }
    }

    async fn sample(&self, admin: &Admin) -> Done<Sample> {
        let allows = |filter: &Option<NameFilter>, name: &str| filter.as_ref().is_none_or(|filter| filter.allows(name));
        Sample::take(admin, |topic| allows(&self.topics, topic), |group| allows(&self.groups, group)).await
    }
}
