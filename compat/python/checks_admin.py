"""The shared checks of what an admin client asks."""

import time

from checks_data import numbered, poll, read, send
from harness import eventually, fails, same, yes
from shape import Message


def register(harness, client):
    for name, body in (
        ("create-topic", create_topic),
        ("describe-topics", describe_topics),
        ("delete-topic", delete_topic),
        ("create-partitions", create_partitions),
        ("delete-records", delete_records),
        ("list-offsets", list_offsets),
        ("describe-configs", describe_configs),
        ("alter-configs", alter_configs),
        ("describe-cluster", describe_cluster),
        ("groups-admin", groups),
        ("group-offsets", group_offsets),
        ("acls", acls),
        ("log-dirs", log_dirs),
        ("describe-producers", producers),
        ("describe-quorum", quorum),
        ("error-unknown-topic", unknown_topic),
        ("error-invalid-topic", invalid_topic),
    ):
        if name not in client.cannot:
            harness.check(name, lambda body=body: body(client))


def create_topic(client):
    name = client.unique("create")
    client.create_topic(name, 3, {"retention.ms": "123456"})
    eventually("listed", lambda: name in client.list_topics())
    if "describe-configs" not in client.cannot:
        same("123456", client.configs("topic", name)["retention.ms"], "its config")
    fails(client, 36, lambda: client.create_topic(name, 3, {}))


def describe_topics(client):
    name = client.topic("describe", 3)
    eventually("listed", lambda: name in client.list_topics())
    found = client.describe_topic(name)
    same(3, len(found), "partitions")
    yes(all((replicas, isr) == (1, 1) and leader >= 0 for replicas, isr, leader in found), f"replicas: {found}")


def delete_topic(client):
    name = client.topic("delete")
    send(client, name, numbered(1))
    client.delete_topic(name)
    eventually("gone", lambda: name not in client.list_topics())
    fails(client, 3, lambda: client.delete_topic(name))


def create_partitions(client):
    name = client.topic("grow")
    client.create_partitions(name, 4)
    eventually("four partitions", lambda: len(client.describe_topic(name)) == 4)
    send(client, name, numbered(1, partition=3))
    same(b"v0", read(client, name, 3, 1)[0].value, "a record in the new partition")
    fails(client, 37, lambda: client.create_partitions(name, 2))


def delete_records(client):
    name = client.topic("trim")
    send(client, name, numbered(10))
    same(4, client.delete_records(name, 0, 4), "low watermark")
    same(4, read(client, name, 0, 1)[0].offset, "first offset left")


def list_offsets(client):
    name = client.topic("offsets")
    base = int(time.time() * 1000) - 500_000
    for stamp in (base, base + 5000, base + 1000):
        client.stamped(name, [Message(b"v", partition=0, timestamp=stamp)])
    same(0, client.list_offset(name, 0, "earliest"), "earliest")
    same(3, client.list_offset(name, 0, "latest"), "latest")
    same(1, client.list_offset(name, 0, base + 2000), "by time")
    if client.max_timestamp:
        same(1, client.list_offset(name, 0, "max"), "largest timestamp")


def describe_configs(client):
    name = client.topic("configs", 1, {"retention.ms": "777"})
    eventually("a topic's own setting", lambda: client.configs("topic", name).get("retention.ms") == "777")
    same("1073741824", client.configs("topic", name)["segment.bytes"], "a default")
    broker = str(client.cluster()[1][0])
    same("8", client.configs("broker", broker)["offsets.topic.num.partitions"], "a broker's setting")


def alter_configs(client):
    name = client.topic("alter")
    client.alter_config(name, "retention.ms", "5000", "SET")
    eventually("set", lambda: client.configs("topic", name)["retention.ms"] == "5000")
    client.alter_config(name, "retention.ms", None, "DELETE")
    eventually("at its default", lambda: client.configs("topic", name).get("retention.ms") in ("604800000", None))
    fails(client, 40, lambda: client.alter_config(name, "retention.ms", "many", "SET"))


def describe_cluster(client):
    cluster_id, nodes, controller = client.cluster()
    same(22, len(cluster_id), "length of the cluster id")
    same([controller], nodes, "nodes")


def groups(client):
    topic = client.topic("groups")
    group = client.unique("groups")
    send(client, topic, numbered(1))
    consumer = client.consumer(group=group)
    consumer.subscribe(topic)
    poll(consumer, 1)
    yes(group in client.list_groups(), "listed")
    same(("stable", 1), client.describe_group(group), "state and members")
    if "delete-group" not in client.cannot:
        fails(client, 68, lambda: client.delete_group(group))
    consumer.close()
    eventually("empty", lambda: client.describe_group(group) == ("empty", 0))
    if "delete-group" not in client.cannot:
        client.delete_group(group)
        yes(group not in client.list_groups(), "gone")
        fails(client, 69, lambda: client.delete_group(group))


def group_offsets(client):
    topic = client.topic("group-offsets", 2)
    group = client.unique("group-offsets")
    client.alter_group_offset(group, topic, 0, 5)
    client.alter_group_offset(group, topic, 1, 7)
    same({0: 5, 1: 7}, client.group_offsets(group, topic), "offsets")
    if client.delete_group_offset:
        client.delete_group_offset(group, topic, 1)
        same({0: 5}, client.group_offsets(group, topic), "left after deleting one")


def acls(client):
    described, deleted, gone = client.acl_cycle(client.unique("acls"))
    eventually("described", described)
    yes(deleted(), "deleted what was asked")
    eventually("gone", gone)


def log_dirs(client):
    topic = client.topic("log-dirs")
    send(client, topic, numbered(10))
    yes(client.log_bytes(topic) > 0, "bytes of the partition")


def producers(client):
    topic = client.topic("producers")
    send(client, topic, numbered(10), idempotent=True)
    same([9], client.last_sequences(topic, 0), "last sequences")


def quorum(client):
    leader, voters, high_watermark = client.quorum()
    same([leader], voters, "voters")
    yes(high_watermark > 0, "high watermark")


def unknown_topic(client):
    name = client.unique("absent")
    fails(client, 3, lambda: client.describe_topic(name))
    if client.describing_creates:
        eventually("asking created it", lambda: name in client.list_topics())
    else:
        yes(name not in client.list_topics(), "asking did not create it")


def invalid_topic(client):
    fails(client, 17, lambda: client.create_topic("not/valid", 1, {}))
