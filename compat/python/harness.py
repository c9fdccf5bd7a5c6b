"""Runs named checks, a few side by side, each under a watchdog, and writes one line of JSON for each.

The first line names the plan, so that a driver which dies on the way is told from one that has nothing to say.
"""

import json
import os
import queue
import threading
import time
import traceback

SIDE_BY_SIDE = 4
WATCHDOG_SECONDS = 60


class Harness:
    def __init__(self):
        self.checks = []
        self.only = [name for name in os.environ.get("COMPAT_CHECK", "").split(",") if name]

    def check(self, name, body):
        if not self.only or name in self.only:
            self.checks.append((name, body))

    def run(self, results):
        todo = queue.SimpleQueue()
        for check in self.checks:
            todo.put(check)
        lock = threading.Lock()
        with open(results, "w") as out:

            def write(line):
                with lock:
                    out.write(json.dumps(line) + "\n")
                    out.flush()

            def work():
                while True:
                    try:
                        name, body = todo.get_nowait()
                    except queue.Empty:
                        return
                    write(one(name, body))

            write({"plan": [name for name, _ in self.checks]})
            workers = [threading.Thread(target=work) for _ in range(SIDE_BY_SIDE)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()


def one(name, body):
    failure = [f"no end after {WATCHDOG_SECONDS} s"]

    def run():
        try:
            body()
            failure[0] = None
        except BaseException as thrown:  # a check reports whatever it died of
            ours = [f for f in traceback.extract_tb(thrown.__traceback__) if "compat" in f.filename]
            where = f" at {os.path.basename(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""
            failure[0] = f"{type(thrown).__name__}: {str(thrown)[:400]}{where}"

    began = time.monotonic()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WATCHDOG_SECONDS)
    seconds = round(time.monotonic() - began, 2)
    return {"check": name, "ok": failure[0] is None, "detail": failure[0] or "", "seconds": seconds}


def same(expected, found, what):
    if expected != found:
        raise AssertionError(f"{what}: expected {expected!r}, found {found!r}")


def yes(holds, what):
    if not holds:
        raise AssertionError(what)


def eventually(what, holds, seconds=20):
    """Asks again until it holds: metadata reaches a broker a moment after the controller's answer."""
    deadline = time.monotonic() + seconds
    while not holds():
        yes(time.monotonic() < deadline, f"never happened: {what}")
        time.sleep(0.02)


def fails(client, code, action):
    """`code` is Kafka's error code; what carries it differs from client to client."""
    try:
        found = action()
    except Exception as thrown:
        same(code, client.error_code(thrown), f"error code of {thrown!r}")
        return
    raise AssertionError(f"expected error {code}, but it succeeded: {found!r}")
