//! Parsing as joptsimple does: no abbreviations; `--name value`, `--name=value`; an option that needs a value takes
//! whatever stands next, also if it begins with a dash.

use super::{Opt, Parsed, Takes, Tool, flag};

/// What every command of this style has besides its own.
pub(super) const COMMON: [Opt; 2] =
    [flag("help", "Print this help."), flag("version", "Print the version of Kafka that this is.")];

pub(super) fn parse(tool: &'static Tool, args: &[String]) -> Result<Parsed, String> {
    let mut parsed = Parsed::new(tool.options.iter().chain(&COMMON).collect());
    parsed.line = args.join(" ");
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            parsed.others.extend(rest.by_ref().cloned());
            break;
        }
        let Some(dashless) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|text| !text.is_empty())
        else {
            parsed.others.push(arg.clone());
            continue;
        };
        let (name, value) = match dashless.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (dashless, None),
        };
        let Some(option) = parsed.option(name) else { return Err(unknown(arg, name)) };
        let value = match (option.takes, value) {
            (Takes::Nothing, Some(_)) => return Err(unknown(arg, dashless)),
            (Takes::Nothing, None) => None,
            (_, Some(value)) => Some(value),
            (Takes::Maybe(_), None) => rest.as_slice().first().filter(|next| !next.starts_with('-')).cloned(),
            (Takes::MaybeInt(_), None) => rest.as_slice().first().filter(|next| next.parse::<i32>().is_ok()).cloned(),
            (_, None) => match rest.as_slice().first() {
                Some(next) => Some(next.clone()),
                None => {
                    let names = option.shown().trim_matches(['[', ']']).replace(", ", "/");
                    return Err(format!("Option {names} requires an argument"));
                }
            },
        };
        if value.is_some() && !arg.contains('=') {
            rest.next();
        }
        parsed.give(option, value);
    }
    Ok(parsed)
}

/// After one dash, the first letter is taken for an option.
fn unknown(arg: &str, name: &str) -> String {
    let shown = if arg.starts_with("--") { name } else { name.get(..1).unwrap_or(name) };
    format!("{shown} is not a recognized option")
}
