"""The shared checks of producing and consuming."""

import os
import random
import time

from harness import eventually, fails, same, yes
from shape import Message


def register(harness, client):
    def check(name, body):
        if name not in client.cannot:
            harness.check(name, lambda: body(client))

    check("produce-keys", keys)
    check("headers", headers)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        check(f"compression-{codec}", lambda client, codec=codec: compression(client, codec))
    for acks in ("0", "1", "all"):
        check(f"acks-{acks}", lambda client, acks=acks: acknowledged(client, acks))
    check("idempotent", idempotent)
    check("large-message", large)
    check("tombstone", tombstone)
    check("auto-create", auto_create)
    check("error-too-large", too_large)
    check("consume-beginning", beginning)
    check("consume-offset", offset)
    check("consume-time", at_time)
    check("commit-resume", resume)
    if os.environ.get("COMPAT_SIDE") == "ottla":
        check("transactional-refused", transactional)


def send(client, topic, messages, **settings):
    producer = client.producer(**settings)
    try:
        return producer.send(topic, messages)
    finally:
        producer.close()


def poll(consumer, count, seconds=30):
    seen = []
    deadline = time.monotonic() + seconds
    while len(seen) < count:
        yes(time.monotonic() < deadline, f"saw {len(seen)} of {count} records")
        seen += consumer.poll()
    return seen


def read(client, topic, partition, count, offset="earliest", **settings):
    consumer = client.consumer(**settings)
    try:
        consumer.assign(topic, partition, offset)
        return poll(consumer, count)
    finally:
        consumer.close()


def numbered(count, partition=0):
    return [Message(b"v%d" % number, partition=partition) for number in range(count)]


def keys(client):
    topic = client.topic("keys", 3)
    sent = send(client, topic, [Message(b"v%d" % number, key=b"k") for number in range(10)])
    keyed = next(index for index in range(3) if client.list_offset(topic, index, "latest") > 0)
    same(10, client.list_offset(topic, keyed, "latest"), "records with one key in one partition")
    if sent[0][0] is not None:
        same({keyed}, {partition for partition, _ in sent}, "partition in the answers")
    records = read(client, topic, keyed, 10)
    same((b"k", b"v9"), (records[9].key, records[9].value), "key and value")
    other = (keyed + 1) % 3
    send(client, topic, [Message(b"bare", partition=other)])
    same((None, b"bare"), read(client, topic, other, 1)[0][2:4], "a record without key")


def headers(client):
    topic = client.topic("headers")
    wanted = [("a", b"1"), ("b", client.null_header), ("a", b"2"), ("c", b"")]
    send(client, topic, [Message(b"body", headers=tuple(wanted))])
    same(wanted, [tuple(header) for header in read(client, topic, 0, 1)[0].headers], "headers in order")


def compression(client, codec):
    topic = client.topic(f"codec-{codec}")
    padding = b"compressible " * 20
    messages = [Message(padding + b"%d" % number, key=b"k%d" % number, partition=0) for number in range(500)]
    send(client, topic, messages, codec=codec)
    records = read(client, topic, 0, 500)
    same([message.value for message in messages], [record.value for record in records], "values")
    same(list(range(500)), [record.offset for record in records], "offsets")


def acknowledged(client, acks):
    topic = client.topic(f"acks-{acks}")
    sent = send(client, topic, numbered(50), acks=acks)
    if acks != "0" and sent[-1][1] is not None:
        same(49, sent[-1][1], "offset in the answer")
    same(b"v49", read(client, topic, 0, 50)[49].value, "last value")


def idempotent(client):
    topic = client.topic("idempotent", 2)
    both = [message for pair in zip(numbered(300, 0), numbered(300, 1)) for message in pair]
    send(client, topic, both, idempotent=True, small_batches=True)
    for partition in (0, 1):
        found = [record.value for record in read(client, topic, partition, 300)]
        same([b"v%d" % number for number in range(300)], found, "in order, once")


def large(client):
    topic = client.topic("large")
    # Text, because kcat reads and writes lines of it.
    value = random.Random(1).randbytes(450_000).hex().encode()
    send(client, topic, [Message(value, partition=0)])
    send(client, topic, [Message(b"after", partition=0)])
    records = read(client, topic, 0, 2, fetch_bytes=10_000)
    yes(records[0].value == value, "the large value")
    same(b"after", records[1].value, "the record behind it")


def tombstone(client):
    topic = client.topic("tombstone", 1, {"cleanup.policy": "compact"})
    send(client, topic, [Message(b"v", key=b"k", partition=0)])
    send(client, topic, [Message(None, key=b"k", partition=0)])
    same([b"v", None], [record.value for record in read(client, topic, 0, 2)], "values")


def auto_create(client):
    topic = client.unique("auto")
    send(client, topic, [Message(b"v")])
    same(b"v", read(client, topic, 0, 1)[0].value, "value")


def too_large(client):
    topic = client.topic("too-large", 1, {"max.message.bytes": "1000"})
    fails(client, 10, lambda: send(client, topic, [Message(b"x" * 5000, partition=0)]))


def beginning(client):
    topic = client.topic("beginning")
    send(client, topic, numbered(100))
    records = read(client, topic, 0, 100)
    same((0, b"v0", 99), (records[0].offset, records[0].value, records[99].offset), "first and last")


def offset(client):
    topic = client.topic("offset")
    send(client, topic, numbered(100))
    first = read(client, topic, 0, 1, offset=42)[0]
    same((42, b"v42"), (first.offset, first.value), "offset and value")
    consumer = client.consumer()
    try:
        consumer.assign(topic, 0, 90)
        poll(consumer, 1)
        consumer.seek(topic, 0, 7)
        eventually("the record sought back to", lambda: any(found.offset == 7 for found in consumer.poll()))
    finally:
        consumer.close()


def at_time(client):
    topic = client.topic("time")
    start = int(time.time() * 1000) - 1_000_000
    stamps = [start + number * 1000 for number in range(20)]
    client.stamped(topic, [Message(b"v%d" % n, partition=0, timestamp=at) for n, at in enumerate(stamps)])
    consumer = client.consumer()
    try:
        found = consumer.offset_for_time(topic, 0, start + 9_500)
        same(10, found, "first offset at or after the time")
        same(None, consumer.offset_for_time(topic, 0, start + 60_000), "nothing later")
        consumer.assign(topic, 0, found)
        record = poll(consumer, 1)[0]
        same((b"v10", start + 10_000), (record.value, record.timestamp), "value and timestamp")
    finally:
        consumer.close()


def resume(client):
    topic = client.topic("resume")
    group = client.unique("resume")
    send(client, topic, numbered(10))
    client.consume_and_commit(topic, group, 6)
    consumer = client.consumer(group=group)
    try:
        consumer.subscribe(topic)
        same(b"v6", poll(consumer, 1)[0].value, "resumed at")
    finally:
        consumer.close()


def transactional(client):
    producer = client.producer(idempotent=True, transactional_id=client.unique("txn"))
    try:
        producer.init_transactions()
    except Exception as thrown:
        yes(client.is_fatal(thrown), f"refused, but not for good: {thrown!r}")
        return
    raise AssertionError("a transactional producer was let in")
