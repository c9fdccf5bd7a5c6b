"""What was written into the directories, and what is known of it: kept in a file between the turns.

Every record has a number of its own, from which its key, value, headers and time follow, so that the ledger holds numbers only.
What a node was asked and never answered (it was killed) may or may not be there; the next check decides it, and from then on
it must stay so.
"""

import json
import os

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Nothing is ever removed from these.
KEPT = [f"takeover-{codec}" for codec in CODECS]
COMPACTED = "takeover-compacted"
# Old segments go by size.
SHORTENED = "takeover-shortened"
# DeleteRecords is used on it.
TRIMMED = "takeover-trimmed"
TRANSACTIONAL = "takeover-transactional"
PARTITIONS = {**dict.fromkeys(KEPT, 3), COMPACTED: 2, SHORTENED: 1, TRIMMED: 1, TRANSACTIONAL: 2}
CONFIGS = {
    COMPACTED: {"cleanup.policy": "compact"},
    SHORTENED: {"retention.bytes": "20000"},
}
GROUP = "takeover"
# Of the newer protocol: only Kafka has such members.
NEW_GROUP = "takeover-new"
GROUP_TOPIC = "takeover-lz4"
CONFIG_TOPIC = "takeover-none"
CONFIG = "max.message.bytes"

FIRST_TIME = 1_700_000_000_000
KEYS = 24


class Record:
    """A record, by its number."""

    def __init__(self, number, topic):
        self.number = number
        self.key = f"key-{number * 7 % KEYS}".encode()
        self.value = f"value {number} {'x' * (number % 90)}".encode()
        if topic == COMPACTED and number % 11 == 0:
            self.value = None
        self.headers = [("number", str(number).encode()), ("twice", b"1"), ("twice", b"2"), ("none", None)]
        # Times rise with offsets, and no two are alike, so that a look-up by time has one answer.
        self.time = FIRST_TIME + number * 10


class Ledger:
    def __init__(self, path):
        self.path = path
        self.next_number = 1
        # topic -> partition -> number -> offset, or None where no answer came.
        self.records = {}
        # Each {"numbers", "outcome"}: committed, aborted, or unknown.
        self.transactions = []
        # topic -> id, or None where it was not looked at yet; of topics that must be there.
        self.topics = {}
        # Topics that must not be there, and those of which nobody knows.
        self.deleted = []
        self.unknown_topics = []
        # partition -> the offsets that may be committed: one where an answer came.
        self.committed = {}
        self.committed_new = {}
        # What it may be: the default, at first.
        self.config = ["1048588"]
        # What DeleteRecords has answered, and the last offset that it was asked for.
        self.trimmed = [0, 0]
        # topic -> partition -> log start offset
        self.starts = {}
        if os.path.exists(path):
            with open(path) as file:
                self.__dict__.update(json.load(file))

    def save(self):
        with open(self.path, "w") as file:
            json.dump(self.__dict__, file)

    def new_record(self, topic, partition):
        record = Record(self.next_number, topic)
        self.next_number += 1
        self.of(topic, partition)[str(record.number)] = None
        return record

    def of(self, topic, partition):
        return self.records.setdefault(topic, {}).setdefault(str(partition), {})

    def partitions(self):
        """Of all topics that must be there."""
        for topic in self.topics:
            for partition in range(PARTITIONS.get(topic, 1)):
                yield topic, partition

    def count(self):
        return sum(len(numbers) for partitions in self.records.values() for numbers in partitions.values())
