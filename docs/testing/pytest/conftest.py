"""A broker for the whole test run."""

import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def bootstrap():
    """The address of a node that goes, with its data, when the tests are done."""
    ottla = os.environ.get("OTTLA_BINARY", "ottla")
    node = subprocess.Popen(
        [ottla, "server-start", "--ephemeral"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    address = node.stdout.readline().strip()
    assert address, "the node did not start: run 'ottla server-start --ephemeral' to see why"
    yield address
    node.terminate()
    node.wait()
