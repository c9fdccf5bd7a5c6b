//! Parsing as argparse4j does: sub-commands, required options, and names that may be shortened while they are unique.

use super::{Opt, Parsed, Sub, Takes, Tool};

pub(super) enum Found {
    Run(Parsed),
    /// Help of the whole, or of a sub-command.
    Help(Option<&'static Sub>),
    Version,
}

/// A line that does not parse.
pub(super) struct Wrong {
    pub(super) sub: Option<&'static Sub>,
    pub(super) message: String,
}

pub(super) fn parse(tool: &'static Tool, args: &[String]) -> Result<Found, Wrong> {
    let mut sub: Option<&'static Sub> = None;
    let mut parsed = Parsed::new(options(tool, None));
    let mut rest = args.iter().peekable();
    while let Some(arg) = rest.next() {
        let wrong = |message: String| Wrong { sub, message };
        if arg == "-h" || arg == "--help" {
            return Ok(Found::Help(sub));
        }
        if arg == "--version" {
            return Ok(Found::Version);
        }
        if !arg.starts_with('-') || arg == "-" {
            if sub.is_none() && !tool.subcommands.is_empty() {
                let found = tool.subcommands.iter().find(|known| known.name == arg.as_str()).ok_or_else(|| {
                    let names: Vec<_> = tool.subcommands.iter().map(|known| format!("'{}'", known.name)).collect();
                    wrong(format!("invalid choice: '{arg}' (choose from {})", names.join(", ")))
                })?;
                sub = Some(found);
                parsed.subcommand = Some(found.name);
                parsed.extend(found.options);
                continue;
            }
            let words = parsed.all().find(|option| option.is_positional());
            if let Some(words) = words {
                parsed.give(words, Some(arg.clone()));
                continue;
            }
            return Err(wrong(format!("unrecognized arguments: '{arg}'")));
        }
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        let option = find(&parsed, name).map_err(wrong)?;
        let Some(option) = option else { return Err(wrong(format!("unrecognized arguments: '{arg}'"))) };
        let given = parsed.all().find(|other| {
            parsed.has(other.name) && (option.excludes.contains(&other.name) || other.excludes.contains(&option.name))
        });
        if let Some(given) = given {
            let message = format!("argument {}: not allowed with argument {}", spelled(option), spelled(given));
            return Err(wrong(message));
        }
        let spelled = spelled(option);
        match (option.takes, inline) {
            (Takes::Nothing, None) => parsed.give(option, None),
            (Takes::Nothing, Some(_)) => return Err(wrong(format!("argument {spelled}: ignored explicit argument"))),
            (Takes::List(_), None) => {
                let mut count = 0;
                while let Some(value) = rest.next_if(|next| !next.starts_with('-')) {
                    parsed.give(option, Some(value.clone()));
                    count += 1;
                }
                if count == 0 {
                    return Err(wrong(format!("argument {spelled}: expected at least one argument")));
                }
            }
            (takes, inline) => {
                let value = inline.or_else(|| rest.next_if(|next| is_value(next)).cloned());
                if value.is_none() && !matches!(takes, Takes::Maybe(_)) {
                    return Err(wrong(format!("argument {spelled}: expected one argument")));
                }
                check_number(option, value.as_deref()).map_err(wrong)?;
                parsed.give(option, value);
            }
        }
    }
    let wrong = |message: String| Wrong { sub, message };
    if sub.is_none() && !tool.subcommands.is_empty() {
        return Err(wrong("too few arguments".into()));
    }
    match options(tool, sub).into_iter().find(|option| option.is_required && !parsed.has(option.name)) {
        Some(missing) => Err(wrong(format!("argument {} is required", spelled(missing)))),
        None => Ok(Found::Run(parsed)),
    }
}

/// A negative number is a value; anything else after a dash is an option.
fn is_value(text: &str) -> bool {
    !text.starts_with('-') || text.len() == 1 || text.parse::<f64>().is_ok()
}

fn check_number(option: &Opt, value: Option<&str>) -> Result<(), String> {
    let Some(text) = value else { return Ok(()) };
    let (kind, is_number) = match option.takes {
        Takes::Int(_) => ("Integer", text.parse::<i32>().is_ok()),
        Takes::Long(_) => ("Long", text.parse::<i64>().is_ok()),
        _ => return Ok(()),
    };
    if is_number {
        return Ok(());
    }
    Err(format!("argument {}: could not convert '{text}' to {kind} (For input string: \"{text}\")", spelled(option)))
}

fn options(tool: &'static Tool, sub: Option<&'static Sub>) -> Vec<&'static Opt> {
    tool.options.iter().chain(sub.map_or(&[][..], |sub| sub.options)).collect()
}

/// By its whole name, or by a beginning that only one option has.
fn find(parsed: &Parsed, given: &str) -> Result<Option<&'static Opt>, String> {
    let name = given.trim_start_matches('-');
    if let Some(option) = parsed.option(name) {
        return Ok(Some(option));
    }
    if !given.starts_with("--") {
        return Ok(None);
    }
    let matching: Vec<_> =
        parsed.all().filter(|option| option.names().any(|own| own.len() > 1 && own.starts_with(name))).collect();
    match matching[..] {
        [] => Ok(None),
        [option] => Ok(Some(option)),
        _ => {
            let names: Vec<_> = matching.iter().map(|option| Opt::dashed(option.name)).collect();
            Err(format!("ambiguous option: {given} could match {}", names.join(", ")))
        }
    }
}

/// As argparse's errors spell an option: its names in the order of their definition, with dashes and slashes.
fn spelled(option: &Opt) -> String {
    option.names().map(Opt::dashed).collect::<Vec<_>>().join("/")
}
