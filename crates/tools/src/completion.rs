//! `ottla completion bash|zsh|fish`: what a shell needs to complete commands, sub-commands and options.

use crate::catalogue::TOOLS;
use crate::cli::{Tool, complain, say_raw};
use std::fmt::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: ottla completion bash|zsh|fish

  bash  source <(ottla completion bash)
  zsh   source <(ottla completion zsh)
  fish  ottla completion fish | source";

pub(crate) fn run(args: &[String]) -> ExitCode {
    match args {
        [shell] if shell == "bash" => say_raw(&bash()),
        // zsh understands bash's completions once it is told to.
        [shell] if shell == "zsh" => say_raw(&format!("autoload -U +X bashcompinit && bashcompinit\n{}", bash())),
        [shell] if shell == "fish" => say_raw(&fish()),
        _ => {
            complain(USAGE);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The commands, each with what may stand behind it.
fn words() -> Vec<(&'static str, Vec<String>)> {
    let of_tool = |tool: &&Tool| {
        let subcommands = tool.subcommands.iter().map(|sub| sub.name.to_owned());
        (tool.name, subcommands.chain(tool.dashed_options()).collect())
    };
    TOOLS.iter().map(of_tool).collect()
}

fn bash() -> String {
    let mut cases = String::new();
    for (name, words) in words().iter().filter(|(_, words)| !words.is_empty()) {
        let script = TOOLS.iter().find(|tool| tool.name == *name).map_or(*name, |tool| tool.script);
        let names = if script.is_empty() { (*name).to_owned() } else { format!("{name}|{script}|{script}.sh") };
        let _ = writeln!(cases, "    {names}) words='{}' ;;", words.join(" "));
    }
    let commands: Vec<_> = words().into_iter().map(|(name, _)| name).collect();
    let scripts: Vec<_> =
        TOOLS.iter().filter(|tool| !tool.script.is_empty()).map(|tool| format!("{0} {0}.sh", tool.script)).collect();
    format!(
        "_ottla() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[0]##*/}} words=
  if [ \"$command\" = ottla ]; then
    if [ \"$COMP_CWORD\" -eq 1 ]; then
      COMPREPLY=($(compgen -W '{}' -- \"$current\"))
      return
    fi
    command=${{COMP_WORDS[1]}}
  fi
  case $command in
{cases}  esac
  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))
}}
complete -o default -F _ottla ottla {}
",
        commands.join(" "),
        scripts.join(" ")
    )
}

fn fish() -> String {
    let mut page = String::from("complete -c ottla -f\n");
    for (name, words) in words() {
        let _ = writeln!(page, "complete -c ottla -n __fish_use_subcommand -a {name}");
        for word in words {
            let option = match word.strip_prefix("--") {
                Some(option) => format!("-l {option}"),
                None => format!("-a {word}"),
            };
            let _ = writeln!(page, "complete -c ottla -n '__fish_seen_subcommand_from {name}' {option}");
        }
    }
    page
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::process::Command;

    /// bash itself completes: the script is sourced, and its function called as bash would.
    #[test]
    fn bash_completes_commands_and_options() {
        let complete = |words: &str, at: usize| {
            let script = format!("{}COMP_WORDS=({words}); COMP_CWORD={at}; _ottla; echo \"${{COMPREPLY[*]}}\"", bash());
            let output = Command::new("bash").args(["-c", &script]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(complete("ottla topi", 1), "topics");
        assert_eq!(complete("ottla topics --desc", 2), "--describe");
        assert_eq!(complete("kafka-topics.sh --desc", 1), "--describe");
        assert_eq!(complete("ottla metadata-quorum desc", 2), "describe");
    }
}
