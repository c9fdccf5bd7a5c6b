//! The help of a command: what it is, its options in two columns, and examples.

use super::{Opt, Style, Sub, Tool, jopt};
use std::fmt::Write;

const COLUMN: usize = 40;
const WIDTH: usize = 100;

pub(super) fn page(tool: &Tool) -> String {
    if tool.style == Style::Argparse {
        return argparse_page(tool, None);
    }
    let mut page = format!("{}\n\nUsage: ottla {} OPTIONS\n\n", tool.about, tool.name);
    let _ = writeln!(page, "{:COLUMN$} Description", "Option");
    let _ = writeln!(page, "{:COLUMN$} -----------", "------");
    let mut options: Vec<_> = tool.options.iter().chain(&jopt::COMMON).collect();
    options.sort_by_key(|option| option.name);
    for option in options {
        row(&mut page, option);
    }
    examples(&mut page, tool);
    page
}

pub(super) fn argparse_page(tool: &Tool, sub: Option<&Sub>) -> String {
    let mut page = usage(tool, sub);
    let _ = write!(page, "\n\n{}\n", sub.map_or(tool.about, |sub| sub.about));
    if sub.is_none() && !tool.subcommands.is_empty() {
        page.push_str("\nCommands:\n");
        for sub in tool.subcommands {
            let _ = writeln!(page, "  {:22} {}", sub.name, sub.about);
        }
    }
    page.push_str("\nOptions:\n");
    for option in sub.map_or(&[][..], |sub| sub.options).iter().chain(tool.options) {
        row(&mut page, option);
    }
    examples(&mut page, tool);
    page
}

/// argparse's line of usage.
pub(super) fn usage(tool: &Tool, sub: Option<&Sub>) -> String {
    let mut usage = format!("usage: {} [-h]", tool.script);
    let _ = write!(usage, "{}", shown_options(tool.options));
    match sub {
        Some(sub) => {
            let _ = write!(usage, " {} [-h]{}", sub.name, shown_options(sub.options));
        }
        None if !tool.subcommands.is_empty() => {
            let names: Vec<_> = tool.subcommands.iter().map(|sub| sub.name).collect();
            let _ = write!(usage, " {{{}}} ...", names.join(","));
        }
        None => {}
    }
    usage
}

fn shown_options(options: &[Opt]) -> String {
    let mut text = String::new();
    for option in options {
        if option.is_positional() {
            let _ = write!(text, " [{0} [{0} ...]]", option.name);
            continue;
        }
        let value = option.takes.described().map_or_else(String::new, |(_, name)| format!(" {}", name.to_uppercase()));
        let whole = format!("{}{value}", Opt::dashed(option.name));
        let _ = if option.is_required { write!(text, " {whole}") } else { write!(text, " [{whole}]") };
    }
    text
}

/// An option, and its description beside it, wrapped.
fn row(page: &mut String, option: &Opt) {
    let names: Vec<_> =
        if option.is_positional() { vec![option.name.to_owned()] } else { option.names().map(Opt::dashed).collect() };
    let value = option.takes.described().map_or_else(String::new, |(kind, name)| format!(" <{kind}: {name}>"));
    let left = format!("{}{value}", names.join(", "));
    let default = option.default.map_or_else(String::new, |value| format!(" (default: {value})"));
    let mut lines = wrap(&format!("{}{default}", option.help), WIDTH - COLUMN - 1).into_iter();
    if left.len() > COLUMN {
        let _ = writeln!(page, "{left}");
    } else {
        let _ = writeln!(page, "{left:COLUMN$} {}", lines.next().unwrap_or_default());
    }
    for line in lines {
        let _ = writeln!(page, "{:COLUMN$} {line}", "");
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn examples(page: &mut String, tool: &Tool) {
    if tool.examples.is_empty() {
        return;
    }
    page.push_str("\nExamples:\n");
    for example in tool.examples {
        let _ = writeln!(page, "  ottla {example}");
    }
}
