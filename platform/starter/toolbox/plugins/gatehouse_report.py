"""A pytest plugin: one JSON line for each thing that happens, so that a crash loses nothing.

Loaded into the repository's own pytest, hence without any import but the standard library's and
pytest itself. The file is named by GATEHOUSE_REPORT.
"""

import json
import os
import random

import pytest
from gatehouse_observe import shift_clock

MAX_MESSAGE = 2_000

if os.environ.get("GATEHOUSE_CLOCK"):
    # At import, which is before the repository's own modules read the clock's names.
    shift_clock(int(os.environ["GATEHOUSE_CLOCK"]))


class Report:
    """Appends a line per event; each is written at once, past any buffer."""

    def __init__(self, path):
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.owner = os.getpid()

    def write(self, **event):
        if os.getpid() == self.owner:
            os.write(self.descriptor, (json.dumps(event) + "\n").encode())

    def pytest_collection_modifyitems(self, session, config, items):
        order = os.environ.get("GATEHOUSE_ORDER")
        if order:
            random.Random(order).shuffle(items)

    def pytest_collection_finish(self, session):
        self.write(
            event="collected",
            version=pytest.__version__,
            tests=[item.nodeid for item in session.items],
        )

    def pytest_collectreport(self, report):
        if report.failed:
            self.write(event="broken", test=report.nodeid or ".", message=text_of(report))

    def pytest_runtest_logstart(self, nodeid, location):
        self.write(event="started", test=nodeid)

    def pytest_runtest_logreport(self, report):
        outcome = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "failed" if report.failed else "passed" if report.passed else "skipped"
        self.write(
            event="phase",
            test=report.nodeid,
            when=report.when,
            outcome=outcome,
            message=text_of(report) if outcome == "failed" else "",
        )

    def pytest_runtest_logfinish(self, nodeid, location):
        self.write(event="finished", test=nodeid)

    def pytest_sessionfinish(self, session, exitstatus):
        self.write(event="ended", status=int(exitstatus))


def text_of(report):
    text = str(report.longrepr or "")
    return text if len(text) <= MAX_MESSAGE else "..." + text[-MAX_MESSAGE:]


def pytest_configure(config):
    path = os.environ.get("GATEHOUSE_REPORT")
    if path:
        config.pluginmanager.register(Report(path), "gatehouse-report-file")
