"""The shared checks of groups: one member joins late, one is killed, one returns under its static id."""

import os
import subprocess
import sys
import threading
import time

from checks_data import send
from harness import eventually, yes
from shape import Message

PARTITIONS = 6


def register(harness, client):
    for name, body in (
        ("group-rebalance", lambda: rebalance(client, "range")),
        ("cooperative", lambda: cooperative(client)),
        ("static-member", lambda: static_member(client)),
    ):
        if name not in client.cannot:
            harness.check(name, body)


def member(client, topic, group, assignor):
    """The mode of the process that is to die: prints each value that it consumed."""
    consumer = client.consumer(group=group, assignor=assignor)
    consumer.subscribe(topic)
    while True:
        for record in consumer.poll():
            print(record.value.decode(), flush=True)


class Member:
    def __init__(self, client, topic, group, assignor, **settings):
        self.seen = set()
        self.assigned = frozenset()
        self.revoked = []
        self.failure = None
        self.stop = threading.Event()
        self.arguments = (client, topic, group, assignor, settings)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client, topic, group, assignor, settings = self.arguments
        try:
            consumer = client.consumer(group=group, assignor=assignor, **settings)
            consumer.subscribe(topic, self.revoked.append)
            while not self.stop.is_set():
                for record in consumer.poll():
                    self.seen.add(record.value)
                self.assigned = frozenset(consumer.assignment())
            consumer.close()
        except Exception as thrown:
            self.failure = thrown

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(10)


def spawn(client, topic, group, assignor, seen):
    here = os.path.join(os.path.dirname(__file__), "main.py")
    process = subprocess.Popen(
        [sys.executable, here, client.name, "member", client.bootstrap, topic, group, assignor],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )

    def read():
        for line in process.stdout:
            seen.add(line.strip())

    threading.Thread(target=read, daemon=True).start()
    return process


def rebalance(client, assignor):
    topic = client.topic("group", PARTITIONS)
    group = client.unique("group")
    everything, of_the_dead = set(), set()
    producer = client.producer()

    def produce():
        first = len(everything)
        values = [b"v%d" % number for number in range(first, first + PARTITIONS)]
        producer.send(topic, [Message(value, partition=index) for index, value in enumerate(values)])
        everything.update(values)

    late = None
    try:
        with Member(client, topic, group, assignor) as one, Member(client, topic, group, assignor) as two:
            try:
                eventually("two members share", lambda: len(one.assigned) == 3 and len(two.assigned) == 3)
                produce()
                eventually("two members saw all", lambda: everything <= one.seen | two.seen)
                late = spawn(client, topic, group, assignor, of_the_dead)
                deadline = time.monotonic() + 20
                while not of_the_dead:
                    yes(time.monotonic() < deadline, "the late member never had a share")
                    produce()
                late.kill()
                late.wait()
                produce()
                eventually("the others took over", lambda: everything <= one.seen | two.seen | of_the_dead)
            finally:
                yes(not one.failure and not two.failure, f"a member failed: {one.failure!r} {two.failure!r}")
    finally:
        producer.close()
        if late:
            late.kill()


def cooperative(client):
    topic = client.topic("cooperative", 4)
    group = client.unique("cooperative")
    with Member(client, topic, group, "cooperative") as one:
        eventually("the first member has all", lambda: len(one.assigned) == 4)
        with Member(client, topic, group, "cooperative") as two:
            eventually("half moved", lambda: len(one.assigned) == 2 and len(two.assigned) == 2)
            yes(4 not in one.revoked, f"only what moved is revoked: {one.revoked}")
        eventually("the first member has all again", lambda: len(one.assigned) == 4)
    rebalance(client, "cooperative")


def static_member(client):
    topic = client.topic("static", 4)
    group = client.unique("static")

    def join(instance):
        return Member(client, topic, group, "range", instance=instance, session_ms=30000)

    with join("one") as one:
        with join("two") as two:
            eventually("both have a share", lambda: len(one.assigned) == 2 and len(two.assigned) == 2)
            share = two.assigned
        # A client may have a rebalance of its own in flight, so it has three tries; a broker that makes one fails all.
        disturbed = []
        for _ in range(3):
            before = len(one.revoked)
            with join("two") as two:
                eventually("the second returns", lambda: two.assigned == share)
                disturbed.append(len(one.revoked) - before)
            if disturbed[-1] == 0:
                return
        raise AssertionError(f"rebalances that the first saw at each return of the second: {disturbed}")
