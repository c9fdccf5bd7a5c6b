"""What a client has to offer so that the shared checks can drive it."""

import time
import uuid
from typing import NamedTuple, Optional

from harness import eventually, same


class Message(NamedTuple):
    value: Optional[bytes]
    key: Optional[bytes] = None
    partition: Optional[int] = None
    headers: tuple = ()
    timestamp: Optional[int] = None


class Record(NamedTuple):
    partition: int
    offset: int
    key: Optional[bytes]
    value: Optional[bytes]
    headers: tuple = ()
    timestamp: int = -1


class Client:
    """The base of all clients: names what cannot be expressed, and what a transaction's refusal looks like."""

    name = "?"
    # Checks that the client's interface has no words for: they stay out of the table.
    cannot = frozenset()
    max_timestamp = True
    # Whether describing a topic asks the broker to create it, as Metadata does unless it is told otherwise.
    describing_creates = False
    null_header = None

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def unique(self, what):
        return f"{self.name}-{what}-{uuid.uuid4().hex[:8]}"

    def topic(self, what, partitions=1, configs=None):
        name = self.unique(what)
        self.create_topic(name, partitions, configs or {})
        # Some clients give up on a topic that the broker has not heard of yet.
        eventually("the broker knows the topic", lambda: self.partitions_known(name) == partitions)
        return name

    def partitions_known(self, name):
        try:
            return len(self.describe_topic(name))
        except Exception as unknown:
            same(3, self.error_code(unknown), f"error code of {unknown!r}")
            return 0

    def stamped(self, topic, messages):
        """Produces records whose timestamps are given."""
        producer = self.producer()
        try:
            producer.send(topic, messages)
        finally:
            producer.close()

    def consume_and_commit(self, topic, group, count):
        """Consumes at least `count` records in a group and commits exactly that far."""
        consumer = self.consumer(group=group, commit=False)
        try:
            consumer.subscribe(topic)
            seen = 0
            deadline = time.monotonic() + 30
            while seen < count and time.monotonic() < deadline:
                seen += len(consumer.poll())
            consumer.commit(topic, 0, count, "note")
            found = consumer.committed(topic, 0)
            if found != (count, "note"):
                raise AssertionError(f"committed {count} with a note, found {found}")
        finally:
            consumer.close()
