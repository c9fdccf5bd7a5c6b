//! The table, and the page that it stands in: what lies between the marks is written anew, the rest is ours to write.

use super::limit::Limits;
use super::results::{Better, Goal, Measure, Results, Spread};
use super::system::{Program, System};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- written by cargo xtask bench -->\n";
const END: &str = "<!-- until here -->\n";

pub(crate) fn table(results: &Results, limits: &Limits) -> String {
    let mut out = String::from("| case | | Ottla | Apache Kafka | ratio | goal |\n|---|---|---|---|---|---|\n");
    for (measure, systems) in results.rows() {
        let side = |system| systems.get(&system).map_or_else(|| "–".to_owned(), |spread| shown(spread, measure.unit));
        let (ratio, goal) = judged(measure, systems.get(&System::Ottla), systems.get(&System::Kafka));
        let Measure { case, what, .. } = measure;
        // Writing to a string cannot fail.
        let _ =
            writeln!(out, "| {case} | {what} | {} | {} | {ratio} | {goal} |", side(System::Ottla), side(System::Kafka));
    }
    let _ = writeln!(
        out,
        "\nThe limit, CPU of a bare loop: socket to file {}/GB, cached file to socket {}/GB.",
        shown(&limits.to_file, "s"),
        shown(&limits.to_socket, "s")
    );
    out
}

/// The ratio of the medians, and whether it meets its goal.
fn judged(measure: &Measure, ottla: Option<&Spread>, kafka: Option<&Spread>) -> (String, String) {
    let median = ottla.map_or(f64::NAN, Spread::median);
    let ratio = median / kafka.map_or(f64::NAN, Spread::median);
    let ratio_shown = if ratio.is_nan() { "–".to_owned() } else { format!("{ratio:.2}") };
    let sign = match measure.better {
        Better::Less => "≤",
        Better::More => "≥",
    };
    let meets = |value: f64, goal: f64| match measure.better {
        _ if value.is_nan() => "",
        Better::Less if value <= goal => " ✓",
        Better::More if value >= goal => " ✓",
        _ => " ✗",
    };
    let goal = match measure.goal {
        None => String::new(),
        Some(Goal::Ratio(goal)) => format!("{sign} {goal:.2} ×{}", meets(ratio, goal)),
        Some(Goal::Absolute(goal)) => format!("{sign} {goal} {}{}", measure.unit, meets(median, goal)),
    };
    (ratio_shown, goal)
}

/// Minimum, **median** and maximum.
fn shown(spread: &Spread, unit: &str) -> String {
    let number = |value: f64| match value {
        value if value.is_nan() => "–".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    };
    format!("{} – **{}** – {} {unit}", number(spread.min()), number(spread.median()), number(spread.max()))
}

/// What the run was made on and of.
pub(crate) fn machine(programs: &[Program], rounds: usize) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map_or("?", |m| m.1.trim());
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let kib = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok());
    let gb = kib.map_or(0.0, |kib: f64| kib * 1024.0 / 1e9);
    let java = Command::new("java").arg("--version").output();
    let java = java.map_or_else(|_| String::new(), |found| String::from_utf8_lossy(&found.stdout).into_owned());
    let versions: Vec<String> =
        programs.iter().map(|program| format!("{} {}", program.system.name(), program.version)).collect();
    format!(
        "- Machine: {cores} × {model}, {gb:.0} GB, Linux {}; the load runs on it too.\n\
         - Systems: {}; Java: {}; load: franz-go 1.22.2.\n\
         - Settings: [node.properties](node.properties), all else at its default; Kafka with the heap (1 GB) and the \
         collector (G1) of its start script. Acknowledgements are not synced to the disk, by either.\n\
         - Rounds: {rounds}, the systems in turn; minimum – **median** – maximum, ratios of medians.\n",
        read("/proc/sys/kernel/osrelease").trim(),
        versions.join(", "),
        java.lines().next().unwrap_or("none").trim(),
    )
}

/// Puts it between the marks of the page.
pub(crate) fn write(path: &Path, machine: &str, table: &str) -> Result<()> {
    let page = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (before, rest) = page.split_once(BEGIN).context("the page has no mark where the table begins")?;
    let (_, after) = rest.split_once(END).context("the page has no mark where the table ends")?;
    std::fs::write(path, format!("{before}{BEGIN}{machine}\n{table}{END}{after}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> Spread {
        let mut spread = Spread::default();
        values.iter().for_each(|value| spread.add(*value));
        spread
    }

    #[test]
    fn a_goal_is_judged_by_the_medians() {
        let measure = Measure { case: "c", what: "w", unit: "s", better: Better::Less, goal: Some(Goal::Ratio(0.4)) };
        let (ratio, goal) = judged(&measure, Some(&spread(&[0.3, 9.0, 0.2])), Some(&spread(&[1.0])));
        assert_eq!((ratio.as_str(), goal.as_str()), ("0.30", "≤ 0.40 × ✓"));
        let (ratio, goal) = judged(&measure, Some(&spread(&[0.5])), Some(&spread(&[1.0])));
        assert_eq!((ratio.as_str(), goal.as_str()), ("0.50", "≤ 0.40 × ✗"));
        let alone = judged(&measure, Some(&spread(&[0.5])), None);
        assert_eq!((alone.0.as_str(), alone.1.as_str()), ("–", "≤ 0.40 ×"));
        let absolute = Measure { goal: Some(Goal::Absolute(20.0)), unit: "ms", ..measure };
        assert_eq!(judged(&absolute, Some(&spread(&[20.0])), None).1, "≤ 20 ms ✓");
    }

    #[test]
    fn what_we_wrote_around_the_table_stays() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, format!("ours\n{BEGIN}old\n{END}ours too\n")).unwrap();
        write(path.path(), "machine\n", "table\n").unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        assert_eq!(page, format!("ours\n{BEGIN}machine\n\ntable\n{END}ours too\n"));
    }
}
