"""One turn of a takeover: checks that a node has all that the ledger knows, then writes more until its input tells it to stop.

    main.py HOST:PORT LEDGER ottla|kafka KILLED SEED

KILLED says whether Kafka was killed since the last check. Prints `checked COUNT` and `writing`; reads one line: `stop` while the
node is there, `gone` once it is not.
"""

import sys

from confluent_kafka.admin import AdminClient

from check import Check, Fault
from ledger import Ledger
from write import Writer, transactional_producer


def main():
    bootstrap, path, side, killed, seed = sys.argv[1:]
    ledger = Ledger(path)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    is_kafka = side == "kafka"
    transactions = transactional_producer(bootstrap) if is_kafka else None
    try:
        Check(bootstrap, ledger, admin, is_kafka, killed == "true", int(seed)).run()
    except Fault as fault:
        sys.exit(f"takeover: {fault}")
    print(f"checked {ledger.count()}", flush=True)
    Writer(bootstrap, ledger, admin, transactions, int(seed)).run()
    ledger.save()


if __name__ == "__main__":
    main()
