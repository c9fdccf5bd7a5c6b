//! Brokers that go away in the middle, and readers that do: a message, an exit code, and no trace of what is inside.

use super::{Place, Running, command, text};
use rustix::process::Signal;

/// No panic, no dump of our own insides.
fn is_for_people(errors: &str) {
    for inside in ["panicked", "RUST_BACKTRACE", "Err(", "Some("] {
        assert!(!errors.contains(inside), "{errors}");
    }
}

#[test]
fn a_consumer_whose_broker_goes_away_ends_when_its_time_is_up() {
    let place = Place::start();
    place.produce("orders", &["one", "two"]);
    let mut consumer =
        Running::new(place.command("console-consumer --topic orders --from-beginning --timeout-ms 2000"));
    assert_eq!((consumer.line(), consumer.line()), ("one".into(), "two".into()));
    place.node.stop();
    let ended = consumer.end();
    let errors = String::from_utf8(ended.stderr).unwrap();
    is_for_people(&errors);
    assert!(errors.contains("TimeoutException"), "{errors}");
    assert!(errors.contains("Processed a total of 2 messages"), "{errors}");
    assert!(ended.status.success());
}

#[test]
fn a_producer_whose_broker_goes_away_names_what_was_not_sent() {
    let place = Place::start();
    place.produce("orders", &["zero"]);
    let line = "console-producer --topic orders --sync --command-property delivery.timeout.ms=1500 \
                --request-timeout-ms 500 --timeout 0 --max-block-ms 1500";
    let mut producer = Running::new(place.command(line));
    producer.say("one");
    let mut consumer = Running::new(place.command("console-consumer --topic orders --from-beginning"));
    assert_eq!((consumer.line(), consumer.line()), ("zero".into(), "one".into()));
    place.node.stop();
    producer.say("two");
    let ended = producer.end();
    let errors = String::from_utf8(ended.stderr).unwrap();
    is_for_people(&errors);
    assert!(!errors.trim().is_empty(), "the record was lost without a word");
}

#[test]
fn a_consumer_that_is_asked_to_end_commits_and_leaves_its_group() {
    let place = Place::start();
    place.produce("orders", &["one", "two"]);
    for (signal, code, group) in [(Signal::TERM, 143, "a"), (Signal::INT, 130, "b"), (Signal::HUP, 129, "c")] {
        let line = format!("console-consumer --topic orders --from-beginning --group {group} --enable-systest-events");
        let mut consumer = Running::new(place.command(&line));
        assert_eq!((consumer.line(), consumer.line()), ("one".into(), "two".into()));
        let ended = consumer.asked(signal);
        assert_eq!(ended.status.code(), Some(code));
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), "shutdown_complete\n");
        assert!(String::from_utf8(ended.stderr).unwrap().contains("Processed a total of 2 messages"));
        let group =
            text(place.command(&format!("consumer-groups --describe --offsets --group {group}")).output().unwrap());
        let columns: Vec<&str> = group.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(columns[1..6], ["orders", "0", "2", "2", "0"], "{group}");
        assert_eq!(columns[6], "-", "a member is left: {group}");
    }
}

#[test]
fn a_producer_that_is_asked_to_end_sends_what_it_has_read() {
    let place = Place::start();
    for (signal, code, topic) in [(Signal::TERM, 143, "a"), (Signal::INT, 130, "b")] {
        // Nothing is sent before its time but a batch that is full.
        let settings = "--command-property linger.ms=60000 --command-property batch.size=1000";
        let mut producer = Running::new(place.command(&format!("console-producer --topic {topic} {settings}")));
        let [full, held] = ["f", "h"].map(|letter| letter.repeat(700));
        producer.say(&full);
        producer.say(&held);
        let mut consumer = Running::new(place.command(&format!("console-consumer --topic {topic} --from-beginning")));
        assert_eq!(consumer.line(), full);
        assert_eq!(producer.asked(signal).status.code(), Some(code));
        assert_eq!(consumer.line(), held);
    }
}

#[test]
fn an_admin_command_whose_broker_is_gone_ends_in_its_time() {
    let place = Place::start();
    let bootstrap = place.node.bootstrap();
    place.node.stop();
    let settings = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(settings.path(), "request.timeout.ms=300\ndefault.api.timeout.ms=600\n").unwrap();
    for line in
        ["topics --list", "cluster cluster-id", "log-dirs --describe", "broker-api-versions", "features describe"]
    {
        let line = format!("{line} --bootstrap-server {bootstrap} --command-config {}", settings.path().display());
        let ended = command(&line).output().unwrap();
        let told = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        is_for_people(&told);
        assert!(!ended.status.success(), "{line}");
        assert!(told.lines().count() <= 2 && !told.is_empty(), "{line}: {told}");
    }
}

#[test]
fn a_closed_pipe_ends_a_consumer_and_troubles_no_other() {
    let place = Place::start();
    place.produce("orders", &["one"]);
    let mut consumer = Running::new(place.command("console-consumer --topic orders --from-beginning"));
    assert_eq!(consumer.line(), "one");
    consumer.close_output();
    // The next record finds nobody.
    place.produce("orders", &["two"]);
    let errors = String::from_utf8(consumer.end().stderr).unwrap();
    assert!(errors.contains("Unable to write to standard out, closing consumer."), "{errors}");

    for line in ["topics --list", "topics --describe", "--help", "topics --help"] {
        let mut lister = Running::new(place.command(line));
        lister.close_output();
        let ended = lister.end();
        is_for_people(&String::from_utf8(ended.stderr).unwrap());
        assert!(ended.status.success(), "{line}: {}", ended.status);
    }
}

#[test]
fn an_unknown_command_is_told_the_nearest() {
    let ended = command("topisc --list").output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.contains("no command 'topisc'") && told.contains("Did you mean 'topics'?"), "{told}");
}
