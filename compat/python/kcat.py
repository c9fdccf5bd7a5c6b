"""kcat: the command itself, one process for each thing asked. Topics it needs are made by confluent-kafka's admin."""

import json
import queue
import re
import signal
import subprocess
import threading

from confluent import Confluent
from shape import Client, Record

# What librdkafka's words mean in Kafka's error codes.
CODES = {"Message size too large": 10, "Unknown topic or partition": 3, "Invalid topic": 17}


class KcatError(Exception):
    pass


def run(*arguments, given=None):
    done = subprocess.run(["kcat", *arguments], input=given, capture_output=True, timeout=40)
    complaint = done.stderr.decode()
    if done.returncode or "Delivery failed" in complaint:
        raise KcatError(complaint)
    return done.stdout.decode()


def gathered(messages, how):
    """Messages of one way of producing go through one process, in their order."""
    groups = {}
    for message in messages:
        groups.setdefault(how(message), []).append(message)
    return groups.items()


class KcatProducer:
    def __init__(self, client, settings):
        self.client = client
        self.settings = settings

    def send(self, topic, messages):
        def how(message):
            return message.partition, message.headers, message.value is None, message.key is None

        for (partition, headers, null, keyless), same_way in gathered(messages, how):
            arguments = ["-P", "-b", self.client.bootstrap, "-t", topic, *self.settings]
            if partition is not None:
                arguments += ["-p", str(partition)]
            for key, value in headers:
                arguments += ["-H", f"{key}={value.decode()}"]
            if null:
                arguments.append("-Z")
            if keyless:
                lines = [message.value for message in same_way]
            else:
                arguments += ["-K", "|"]
                lines = [message.key + b"|" + (message.value or b"") for message in same_way]
            run(*arguments, given=b"".join(line + b"\n" for line in lines))
        return [(None, None)] * len(messages)

    def close(self):
        pass


class KcatConsumer:
    def __init__(self, client, settings, group):
        self.client = client
        self.settings = settings
        self.group = group
        self.process = None
        self.records = queue.SimpleQueue()
        self.assigned = set()
        self.revoked = lambda count: None

    def start(self, *arguments):
        self.process = subprocess.Popen(
            ["kcat", "-b", self.client.bootstrap, *self.settings, "-J", "-u", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        threading.Thread(target=self.read, args=(self.process, self.records), daemon=True).start()
        threading.Thread(target=self.watch, args=(self.process,), daemon=True).start()

    @staticmethod
    def read(process, records):
        for line in process.stdout:
            found = json.loads(line)
            headers = found.get("headers", [])
            records.put(
                Record(
                    found["partition"],
                    found["offset"],
                    None if found["key"] is None else found["key"].encode(),
                    None if found["payload"] is None else found["payload"].encode(),
                    tuple((key, value.encode()) for key, value in zip(headers[::2], headers[1::2])),
                    found["ts"],
                )
            )

    def watch(self, process):
        for line in process.stderr:
            told = re.match(r"% Group .* rebalanced.*: (?:incremental )?(assign|revoke).*: (.*)", line.decode())
            if told:
                named = {int(number) for number in re.findall(r"\[(\d+)\]", told[2])}
                if told[1] == "assign":
                    self.assigned |= named
                else:
                    self.assigned -= named
                    self.revoked(len(named))

    def assign(self, topic, partition, offset):
        start = "beginning" if offset == "earliest" else str(offset)
        self.start("-C", "-t", topic, "-p", str(partition), "-o", start)

    def seek(self, topic, partition, offset):
        self.close()
        self.records = queue.SimpleQueue()
        self.assign(topic, partition, offset)

    def subscribe(self, topic, revoked=lambda count: None):
        self.revoked = revoked
        self.start("-G", self.group, topic)

    def poll(self):
        found = []
        try:
            found.append(self.records.get(timeout=0.1))
            while True:
                found.append(self.records.get_nowait())
        except queue.Empty:
            return found

    def assignment(self):
        return set(self.assigned)

    def offset_for_time(self, topic, partition, timestamp):
        found = self.client.list_offset(topic, partition, timestamp)
        # "nothing" is told as the end of the log.
        return None if found == self.client.list_offset(topic, partition, "latest") else found

    def close(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()


class Kcat(Client):
    name = "kcat"
    null_header = b""
    # The command has no other administration than listing, and its JSON cannot carry random bytes.
    cannot = frozenset(
        {
            "create-topic",
            "delete-topic",
            "create-partitions",
            "delete-records",
            "describe-configs",
            "alter-configs",
            "groups-admin",
            "group-offsets",
            "acls",
            "log-dirs",
            "describe-producers",
            "describe-quorum",
            "error-unknown-topic",
            "error-invalid-topic",
            "transactional-refused",
        }
    )
    max_timestamp = False

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.helper = Confluent(bootstrap)

    def error_code(self, thrown):
        return next((code for words, code in CODES.items() if words in str(thrown)), None)

    def producer(self, acks="all", codec="none", idempotent=False, transactional_id=None, small_batches=False):
        settings = ["-z", codec, "-X", f"acks={acks}", "-X", f"enable.idempotence={str(idempotent).lower()}"]
        settings += ["-X", "message.timeout.ms=30000"]
        if small_batches:
            settings += ["-X", "batch.num.messages=10"]
        return KcatProducer(self, settings)

    def consumer(
        self, group=None, assignor="range", instance=None, fetch_bytes=None, session_ms=3000, commit=True
    ):
        settings = ["-X", "auto.offset.reset=earliest"]
        if group:
            strategy = {"cooperative": "cooperative-sticky"}.get(assignor, assignor)
            for setting in (
                f"session.timeout.ms={session_ms}",
                "heartbeat.interval.ms=300",
                "auto.commit.interval.ms=100",
                f"partition.assignment.strategy={strategy}",
            ):
                settings += ["-X", setting]
        if instance:
            settings += ["-X", f"group.instance.id={instance}"]
        if fetch_bytes:
            settings += ["-X", f"fetch.message.max.bytes={fetch_bytes}"]
        return KcatConsumer(self, settings, group)

    def consume_and_commit(self, topic, group, count):
        run("-b", self.bootstrap, "-X", "auto.offset.reset=earliest", "-c", str(count), "-G", group, topic)

    def create_topic(self, name, partitions, configs):
        self.helper.create_topic(name, partitions, configs)

    def partitions_known(self, name):
        return self.helper.partitions_known(name)

    def stamped(self, topic, messages):
        self.helper.producer().send(topic, messages)

    def metadata(self, *arguments):
        return json.loads(run("-b", self.bootstrap, "-L", "-J", *arguments))

    def list_topics(self):
        return {topic["topic"] for topic in self.metadata()["topics"]}

    def describe_topic(self, name):
        (topic,) = self.metadata("-t", name)["topics"]
        return [(len(p["replicas"]), len(p["isrs"]), p["leader"]) for p in topic["partitions"]]

    def cluster(self):
        found = self.metadata()
        # The cluster's id is not shown.
        return "?" * 22, [broker["id"] for broker in found["brokers"]], found["controllerid"]

    def list_offset(self, name, partition, spec):
        wanted = {"earliest": -2, "latest": -1}.get(spec, spec)
        told = run("-b", self.bootstrap, "-Q", "-t", f"{name}:{partition}:{wanted}")
        found = int(re.search(r"offset (-?\d+)", told)[1])
        return self.list_offset(name, partition, "latest") if found < 0 else found
