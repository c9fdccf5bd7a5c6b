//! Kafka's commands whose capability is still to come: each says so in one line, and fails. A script that calls one
//! stops there, instead of at a command that is not found.

use crate::cli::complain;
use std::process::ExitCode;

/// A command that is not there yet.
pub(crate) struct Later {
    /// As in `ottla transactions`.
    pub(crate) name: &'static str,
    /// As in `kafka-transactions.sh`.
    pub(crate) script: &'static str,
    /// The Java class by which `kafka-run-class.sh` knows it.
    class: &'static str,
    /// What is missing, in the plural.
    what: &'static str,
}

macro_rules! later {
    ($($name:literal $script:literal $class:literal $what:literal)*) => {
        pub(crate) const LATER: &[Later] =
            &[$(Later { name: $name, script: $script, class: $class, what: $what }),*];
    };
}

later! {
    "transactions" "kafka-transactions" "org.apache.kafka.tools.TransactionsCommand" "transactions"
    "delegation-tokens" "kafka-delegation-tokens" "org.apache.kafka.tools.DelegationTokenCommand" "delegation tokens"
    "share-groups" "kafka-share-groups" "org.apache.kafka.tools.consumer.group.ShareGroupCommand" "share groups"
    "streams-groups" "kafka-streams-groups" "org.apache.kafka.tools.streams.StreamsGroupCommand" "streams groups"
    "console-share-consumer" "kafka-console-share-consumer"
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer" "share groups"
    "verifiable-share-consumer" "kafka-verifiable-share-consumer"
        "org.apache.kafka.tools.VerifiableShareConsumer" "share groups"
    "share-consumer-perf-test" "kafka-share-consumer-perf-test"
        "org.apache.kafka.tools.ShareConsumerPerformance" "share groups"
    "streams-application-reset" "kafka-streams-application-reset"
        "org.apache.kafka.tools.StreamsResetter" "resets of streams applications"
    "connect-standalone" "connect-standalone" "org.apache.kafka.connect.cli.ConnectStandalone" "connectors"
    "connect-distributed" "connect-distributed" "org.apache.kafka.connect.cli.ConnectDistributed" "connectors"
    "connect-mirror-maker" "connect-mirror-maker" "org.apache.kafka.connect.mirror.MirrorMaker" "connectors"
    "connect-plugin-path" "connect-plugin-path" "org.apache.kafka.tools.ConnectPluginPath" "connectors"
    "trogdor" "trogdor" "org.apache.kafka.trogdor.agent.Agent" "Trogdor's agents and coordinators"
}

/// By its own name, by its script's, or by the Java class that it stands for.
pub(crate) fn find(name: &str) -> Option<&'static Later> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    LATER.iter().find(|later| later.name == name || later.script == name || later.class == name)
}

impl Later {
    pub(crate) fn run(&self) -> ExitCode {
        complain(&self.answer());
        ExitCode::FAILURE
    }

    fn answer(&self) -> String {
        format!("{}: {} are not supported yet.", self.script, self.what)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_says_in_one_line_what_is_missing() {
        for later in LATER {
            for name in [later.name, later.script, later.class, &format!("{}.sh", later.script)] {
                let answer = find(name).unwrap().answer();
                assert!(answer.starts_with(later.script) && answer.ends_with(" are not supported yet."), "{name}");
                assert_eq!(answer.lines().count(), 1);
            }
            assert_eq!(later.run(), ExitCode::FAILURE);
            assert!(crate::catalogue::find(later.name).is_none(), "{} is there", later.name);
        }
    }

    #[test]
    fn each_has_its_script() {
        for later in LATER {
            let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin");
            for name in [later.script.to_owned(), format!("{}.sh", later.script)] {
                let text = std::fs::read_to_string(bin.join(&name)).unwrap();
                assert!(text.contains(&format!("ottla-run.sh\" {} ", later.name)), "{name}");
            }
        }
    }
}
