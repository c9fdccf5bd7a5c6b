//! The suites: versions, what each needs, and how it is pointed at the node.

use super::bench::Bench;
use super::outcomes::Outcomes;
use super::source::Edit::{Append, Remove, Replace};
use super::{go, kafkajs, librdkafka, python};
use anyhow::Result;

pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Commands that must be there.
    pub(super) tools: &'static [&'static str],
    /// What it wants of the node beside `compat/node.properties`.
    pub(super) properties: &'static [&'static str],
    /// How long a run may take.
    pub(super) seconds_max: u64,
    pub(super) runner: Runner,
}

pub(super) enum Runner {
    Go(go::Tests),
    Python(python::Tests),
    KafkaJs(kafkajs::Tests),
    Librdkafka(librdkafka::Tests),
}

impl Suite {
    pub(super) fn title(&self) -> String {
        format!("the suite of {} {}", self.name, self.version)
    }

    pub(super) fn install(&self, bench: &Bench) -> Result<()> {
        match &self.runner {
            Runner::Go(tests) => go::install(bench, tests),
            Runner::Python(tests) => python::install(bench, tests),
            Runner::KafkaJs(tests) => kafkajs::install(bench, tests),
            Runner::Librdkafka(tests) => librdkafka::install(bench, tests),
        }
    }

    /// Runs all of it, or one unit.
    pub(super) fn run(&self, bench: &Bench, only: Option<&str>) -> Result<Outcomes> {
        match &self.runner {
            Runner::Go(tests) => go::run(bench, tests, only),
            Runner::Python(tests) => python::run(bench, tests, only),
            Runner::KafkaJs(tests) => kafkajs::run(bench, tests, only),
            Runner::Librdkafka(tests) => librdkafka::run(bench, tests, only),
        }
    }

    /// What is tried again when a test has failed.
    pub(super) fn unit<'a>(&self, test: &'a str) -> &'a str {
        match self.runner {
            Runner::Go(_) => go::unit(test),
            Runner::Python(_) | Runner::KafkaJs(_) => test,
            Runner::Librdkafka(_) => librdkafka::unit(test),
        }
    }
}

const PYTHON_TOOLS: &[&str] = &["python3"];

const KGO_ENV: &[(&str, &str)] =
    &[("KGO_SEEDS", "127.0.0.1:9092"), ("KGO_TEST_RF", "1"), ("KGO_TEST_RECORDS", "50000"), ("KGO_LOG_LEVEL", "none")];

const NO_TESTS: go::Tests =
    go::Tests { module: "", package: ".", tags: "", env: &[], only: "", skip: "", edits: &[], proxies: &[] };

/// Quick ones first.
pub(super) const SUITES: &[Suite] = &[
    Suite {
        name: "kadm",
        version: "1.19.0",
        tools: &["go"],
        properties: &[],
        seconds_max: 60,
        runner: Runner::Go(go::Tests { module: "github.com/twmb/franz-go/pkg/kadm", env: KGO_ENV, ..NO_TESTS }),
    },
    Suite {
        name: "kafka-go",
        version: "0.4.51",
        tools: &["go"],
        properties: &[],
        seconds_max: 540,
        runner: Runner::Go(go::Tests {
            module: "github.com/segmentio/kafka-go",
            env: &[("KAFKA_VERSION", "4.4.0"), ("KAFKA_SKIP_NETTEST", "1")],
            // These end the whole program, on Kafka as well.
            skip: "TestReaderConsumerGroup/(consumer_group_commits_on_close|verify_offset)",
            ..NO_TESTS
        }),
    },
    Suite {
        name: "kafka-python",
        version: "3.0.12",
        tools: PYTHON_TOOLS,
        properties: &[],
        seconds_max: 420,
        runner: Runner::Python(python::Tests {
            from: python::From::Registry,
            edits: &[
                Append { file: "test/__init__.py", ours: "" },
                // It looks for the folder of what it would start, were it to start a broker.
                Append { file: "servers/4.4.0/kafka-bin/none", ours: "" },
                Append {
                    file: "test/service.py",
                    ours: include_str!("../../../compat/suites/kafka-python/service.py"),
                },
            ],
            env: &[("KAFKA_URI", "kafka://127.0.0.1:9092"), ("KAFKA_VERSION", "4.4.0")],
            paths: &["test/integration"],
            args: &["--timeout=90"],
        }),
    },
    Suite {
        name: "kgo",
        version: "1.22.2",
        tools: &["go"],
        properties: &[],
        seconds_max: 540,
        runner: Runner::Go(go::Tests {
            module: "github.com/twmb/franz-go",
            package: "pkg/kgo",
            env: KGO_ENV,
            ..NO_TESTS
        }),
    },
    Suite {
        name: "sarama",
        version: "1.61.1",
        tools: &["go"],
        // It goes through the proxies even where it follows the metadata.
        properties: &[
            "advertised.listeners=PLAINTEXT://127.0.0.1:29091",
            "auto.create.topics.enable=false",
            "num.partitions=4",
        ],
        seconds_max: 330,
        runner: Runner::Go(go::Tests {
            module: "github.com/IBM/sarama",
            tags: "functional",
            env: &[("TOXIPROXY_ADDR", "http://127.0.0.1:8474"), ("KAFKA_VERSION", "4.4.0")],
            only: "^Test(Func|Reliable|VersionMatrix|Consumer|Read|Interceptors|AsyncProducerRemoteBrokerClosed)",
            edits: &[Replace {
                file: "functional_test.go",
                from: "ReplicationFactor: 3,",
                to: "ReplicationFactor: 1,",
            }],
            proxies: &[("kafka1", 29091), ("kafka2", 29092), ("kafka3", 29093), ("kafka4", 29094), ("kafka5", 29095)],
            ..NO_TESTS
        }),
    },
    Suite {
        name: "confluent-kafka",
        version: "2.15.0",
        tools: &["python3", "git"],
        properties: &[],
        seconds_max: 420,
        runner: Runner::Python(python::Tests {
            from: python::From::Repository("https://github.com/confluentinc/confluent-kafka-python"),
            edits: &[],
            env: &[("BROKERS", "localhost:9092"), ("TEST_CONSUMER_GROUP_PROTOCOL", "classic")],
            paths: &["tests/integration/admin", "tests/integration/consumer", "tests/integration/producer"],
            args: &["--timeout=90"],
        }),
    },
    Suite {
        name: "aiokafka",
        version: "0.14.0",
        tools: &["python3", "git"],
        properties: &["num.partitions=2"],
        seconds_max: 600,
        runner: Runner::Python(python::Tests {
            from: python::From::Repository("https://github.com/aio-libs/aiokafka"),
            edits: &[
                Remove { folder: "aiokafka" },
                Append { file: "tests/conftest.py", ours: include_str!("../../../compat/suites/aiokafka/fixtures.py") },
            ],
            env: &[],
            paths: &["tests"],
            args: &[
                "-ofilterwarnings=default",
                "-oasyncio_default_fixture_loop_scope=function",
                "--docker-image=x:4.4.0",
                "--timeout=60",
                "--deselect=tests/test_sasl.py",
                "-knot ssl and not sasl",
            ],
        }),
    },
    Suite {
        name: "kafkajs",
        version: "2.2.4",
        tools: &["node", "npm", "git"],
        properties: &[],
        seconds_max: 900,
        runner: Runner::KafkaJs(kafkajs::Tests {
            repository: "https://github.com/tulios/kafkajs",
            // The newest version that it knows.
            env: &[("KAFKA_VERSION", "2.4"), ("KAFKAJS_DEBUG_PROTOCOL_BUFFERS", "1")],
            files: "src/(broker|admin|producer|consumer|cluster|network)/.*",
        }),
    },
    Suite {
        name: "librdkafka",
        version: "2.15.1",
        tools: &["npm", "make", "g++", "java", "mvn"],
        // Some tests count on members that come within a second to begin together: the delay is Kafka's default.
        properties: &["num.partitions=4", "super.users=User:admin", "group.initial.rebalance.delay.ms=3000"],
        seconds_max: 300,
        runner: Runner::Librdkafka(librdkafka::Tests {
            package: "@confluentinc/kafka-javascript@1.10.1",
            // The last two are for somebody who watches; the others are about share groups.
            without: &[
                "0170", "0171", "0172", "0173", "0174", "0175", "0176", "0177", "0178", "0179", "0180", "0181", "0182",
                "0183", "0184", "0185", "0186", "0190", "8000", "8001",
            ],
        }),
    },
];
