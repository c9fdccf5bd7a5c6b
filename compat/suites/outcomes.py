"""A plugin for pytest: writes what came of each test into the file that SUITE_OUTCOMES names, a line of JSON each."""

import json
import os


def pytest_runtest_logreport(report):
    # What was expected to fail says nothing, whichever way it went.
    outcome = "skipped" if hasattr(report, "wasxfail") else report.outcome
    if report.when == "call" or outcome != "passed":
        with open(os.environ["SUITE_OUTCOMES"], "a") as file:
            file.write(json.dumps({"test": report.nodeid, "outcome": outcome}) + "\n")
