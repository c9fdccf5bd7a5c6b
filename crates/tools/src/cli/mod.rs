//! How a command is described, and what follows from the description: its parsing, its help, the pages about it.
//!
//! Kafka's tools are written with two parsers, whose habits scripts know: `joptsimple` for most, `argparse4j` for those
//! with sub-commands. [`Style`] says which one a command follows.

mod argparse;
mod colour;
pub(crate) mod convert;
mod failure;
mod help;
mod jopt;
mod opt;
mod output;
mod parsed;
mod progress;
mod signals;

pub(crate) use colour::Colour;
pub(crate) use failure::{Done, Failure};
pub(crate) use opt::{Opt, Takes, flag, int, list, long, maybe, maybe_int, text, words};
pub(crate) use output::{complain, say, say_either, say_json, say_raw, speaks_json, table};
pub(crate) use parsed::Parsed;
pub(crate) use progress::Progress;
pub(crate) use signals::asked_to_end;

use std::process::ExitCode;

/// What people come for; `ottla --help` is ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Node,
    Topics,
    Records,
    Groups,
    Cluster,
    Performance,
}

impl Group {
    pub(crate) const ALL: [Self; 6] =
        [Self::Node, Self::Topics, Self::Records, Self::Groups, Self::Cluster, Self::Performance];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Node => "Run a node",
            Self::Topics => "Topics and their data",
            Self::Records => "Write and read records",
            Self::Groups => "Consumer groups",
            Self::Cluster => "The cluster and its nodes",
            Self::Performance => "Measure and verify",
        }
    }
}

/// Whose habits of parsing a command follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Jopt,
    Argparse,
}

/// What a command says of a line that does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// The message alone.
    Plain,
    /// The message, behind these words.
    Prefixed(&'static str),
    /// The message, then the whole help. Of the argparse style: help, and no failure, where nothing at all is given.
    Usage,
}

impl ParseError {
    fn of(self, message: String) -> Failure {
        match self {
            Self::Plain => Failure::Parse(message),
            Self::Prefixed(words) => Failure::Parse(format!("{words}{message}")),
            Self::Usage => Failure::Usage(message),
        }
    }
}

/// One command.
pub(crate) struct Tool {
    /// As in `ottla topics`.
    pub(crate) name: &'static str,
    /// As in `kafka-topics.sh`; empty where Kafka has no such command.
    pub(crate) script: &'static str,
    /// The Java classes by which `kafka-run-class.sh` knows it.
    pub(crate) classes: &'static [&'static str],
    pub(crate) group: Group,
    /// One sentence.
    pub(crate) about: &'static str,
    pub(crate) style: Style,
    pub(crate) on_parse_error: ParseError,
    pub(crate) options: &'static [Opt],
    /// For commands of the argparse style.
    pub(crate) subcommands: &'static [Sub],
    /// Whole command lines, without the program's name.
    pub(crate) examples: &'static [&'static str],
    pub(crate) run: fn(&Parsed) -> Done,
}

/// A sub-command: `ottla features describe`.
pub(crate) struct Sub {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) options: &'static [Opt],
}

impl Tool {
    /// Parses, runs, and says what went wrong.
    pub(crate) fn main(&'static self, args: &[String]) -> ExitCode {
        match self.parse_and_run(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => self.fail(failure),
        }
    }

    fn parse_and_run(&'static self, args: &[String]) -> Done {
        match self.style {
            Style::Jopt => {
                let parsed = jopt::parse(self, args).map_err(|message| self.on_parse_error.of(message))?;
                if args.is_empty() {
                    return Err(Failure::Usage(self.about.to_owned()));
                }
                if parsed.has("help") {
                    say_raw(&help::page(self));
                    return Ok(());
                }
                if parsed.has("version") {
                    say(crate::KAFKA_VERSION);
                    return Ok(());
                }
                self.run(&parsed)
            }
            Style::Argparse if args.is_empty() && self.on_parse_error == ParseError::Usage => {
                say_raw(&help::argparse_page(self, None));
                Ok(())
            }
            Style::Argparse => match argparse::parse(self, args) {
                Ok(argparse::Found::Run(parsed)) => self.run(&parsed),
                Ok(argparse::Found::Help(sub)) => {
                    say_raw(&help::argparse_page(self, sub));
                    Ok(())
                }
                Ok(argparse::Found::Version) => {
                    say(crate::KAFKA_VERSION);
                    Ok(())
                }
                Err(wrong) => {
                    complain(&format!("{}\n{}: error: {}", help::usage(self, wrong.sub), self.script, wrong.message));
                    Err(Failure::Said)
                }
            },
        }
    }

    fn run(&self, parsed: &Parsed) -> Done {
        if parsed.has("json") {
            output::speak_json();
        }
        (self.run)(parsed)
    }

    pub(crate) fn help(&self) -> String {
        help::page(self)
    }

    /// Its script in brackets, where there is one.
    pub(crate) fn script_shown(&self) -> String {
        if self.script.is_empty() { String::new() } else { format!(" ({}.sh)", self.script) }
    }

    /// The options of the whole and of all sub-commands, with their dashes.
    pub(crate) fn dashed_options(&self) -> Vec<String> {
        let common: &[Opt] = if self.style == Style::Jopt { &jopt::COMMON } else { &[] };
        let of_subcommands = self.subcommands.iter().flat_map(|sub| sub.options);
        let mut names: Vec<_> = self
            .options
            .iter()
            .chain(of_subcommands)
            .chain(common)
            .filter(|option| option.name.len() > 1 && !option.is_positional())
            .map(|option| Opt::dashed(option.name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn fail(&self, failure: Failure) -> ExitCode {
        match failure {
            Failure::Usage(message) => {
                complain(&message);
                complain(help::page(self).trim_end());
            }
            Failure::Parse(message) | Failure::Told(message) => complain(&message),
            Failure::Client(error) => complain(&error.to_string()),
            Failure::Said => {}
        }
        ExitCode::FAILURE
    }
}
