"""`main.py CLIENT BOOTSTRAP RESULTS`, or `main.py CLIENT member BOOTSTRAP TOPIC GROUP ASSIGNOR` for the one that dies."""

import importlib
import os
import sys
import traceback

import checks_admin
import checks_data
import checks_groups
from harness import Harness

CLIENTS = {
    "confluent-kafka": ("confluent", "Confluent"),
    "kafka-python": ("kafka_python", "KafkaPython"),
    "aiokafka": ("aio", "Aio"),
    "kcat": ("kcat", "Kcat"),
}


def main(name, *arguments):
    module, kind = CLIENTS[name]
    make = getattr(importlib.import_module(module), kind)
    if arguments[0] == "member":
        _, bootstrap, topic, group, assignor = arguments
        checks_groups.member(make(bootstrap), topic, group, assignor)
    bootstrap, results = arguments
    client = make(bootstrap)
    harness = Harness()
    checks_data.register(harness, client)
    checks_groups.register(harness, client)
    checks_admin.register(harness, client)
    harness.run(results)


if __name__ == "__main__":
    status = 0
    try:
        main(*sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        status = 1
    # Threads that a watchdog gave up on must not keep the process.
    sys.stdout.flush()
    os._exit(status)
