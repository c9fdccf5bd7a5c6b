//! The clients: pinned versions, what each needs to be installed, and how its driver is called.

use super::Work;
use std::process::Command;

pub(crate) struct Client {
    /// The name that drivers, results and the table use.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) language: &'static str,
    pub(crate) suite: Suite,
    /// Commands that must be there.
    pub(crate) tools: &'static [&'static str],
    /// Debian packages that a machine where we are root gets when it lacks them.
    pub(crate) packages: &'static [&'static str],
}

/// Drivers; clients of one language share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suite {
    Java,
    Python,
    KafkaJs,
    ConfluentJs,
    Go,
    Rust,
}

pub(crate) const KAFKA_VERSION: &str = "4.4.0";

const PYTHON_TOOLS: &[&str] = &["python3"];
const NODE_TOOLS: &[&str] = &["node", "npm"];
/// librdkafka's build wants these beside its compiler.
const LIBRDKAFKA_PACKAGES: &[&str] =
    &["g++", "make", "libcurl4-openssl-dev", "libssl-dev", "libzstd-dev", "zlib1g-dev"];

pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: "kafka-clients",
        version: KAFKA_VERSION,
        language: "Java",
        suite: Suite::Java,
        tools: &["java", "javac", "mvn"],
        packages: &[],
    },
    Client {
        name: "confluent-kafka",
        version: "2.16.1",
        language: "Python",
        suite: Suite::Python,
        tools: PYTHON_TOOLS,
        packages: &[],
    },
    Client {
        name: "kafka-python",
        version: "3.0.12",
        language: "Python",
        suite: Suite::Python,
        tools: PYTHON_TOOLS,
        packages: &[],
    },
    Client {
        name: "aiokafka",
        version: "0.14.0",
        language: "Python",
        suite: Suite::Python,
        tools: PYTHON_TOOLS,
        packages: &[],
    },
    Client {
        name: "kafkajs",
        version: "2.2.4",
        language: "JavaScript",
        suite: Suite::KafkaJs,
        tools: NODE_TOOLS,
        packages: &["g++", "make"],
    },
    Client {
        name: "confluent-kafka-javascript",
        version: "1.10.1",
        language: "JavaScript",
        suite: Suite::ConfluentJs,
        tools: NODE_TOOLS,
        packages: LIBRDKAFKA_PACKAGES,
    },
    Client { name: "franz-go", version: "1.22.2", language: "Go", suite: Suite::Go, tools: &["go"], packages: &[] },
    Client { name: "sarama", version: "1.61.1", language: "Go", suite: Suite::Go, tools: &["go"], packages: &[] },
    Client {
        name: "kcat",
        version: "Debian's",
        language: "C",
        suite: Suite::Python,
        tools: &["python3", "kcat"],
        packages: &["kcat"],
    },
    Client {
        name: "rdkafka",
        version: "0.39.0",
        language: "Rust",
        suite: Suite::Rust,
        tools: &["cargo"],
        packages: LIBRDKAFKA_PACKAGES,
    },
];

impl Suite {
    /// The driver's command line up to where the node's address and the results file follow.
    pub(crate) fn command(self, work: &Work, client: &str) -> Command {
        let dir = &work.dir;
        match self {
            Self::Java => {
                let mut java = Command::new("java");
                java.arg("-Xmx256m").arg("-cp");
                java.arg(format!("{0}/java/classes:{0}/java/libs/*", dir.display())).arg("ottla.compat.Main");
                java
            }
            Self::Python => {
                let mut python = Command::new(dir.join("python/bin/python"));
                python.arg(work.compat.join("python/main.py")).arg(client);
                python.env("PYTHONDONTWRITEBYTECODE", "1");
                python
            }
            Self::KafkaJs | Self::ConfluentJs => {
                let mut node = Command::new("node");
                node.arg(work.compat.join("node/main.js")).arg(client);
                node.env("NODE_PATH", dir.join("node").join(client).join("node_modules"));
                node.env("KAFKAJS_NO_PARTITIONER_WARNING", "1");
                node
            }
            Self::Go => {
                let mut go = Command::new(dir.join("go/driver"));
                go.arg(client);
                go
            }
            Self::Rust => Command::new(dir.join("rust/release/compat-rust")),
        }
    }
}
