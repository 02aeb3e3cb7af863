"""A plugin of pytest: how each test ended, as lines of JSON in the file that OUTCOMES names."""

import json
import os



class Outcomes:
    def __init__(self, path):
        self.file = open(path, "w")
        self.ended = {}

    def pytest_runtest_logreport(self, report):
        # Set-up and tear-down count where they are not simply well.
        if report.when == "call" or report.outcome != "passed":
            outcome = report.outcome if report.when == "call" or report.skipped else f"error in {report.when}"
            if hasattr(report, "wasxfail"):
                outcome = "xfailed" if report.skipped else "xpassed"
            self.ended.setdefault(report.nodeid, []).append(outcome)
            reason = getattr(getattr(report.longrepr, "reprcrash", None), "message", "") or ""
            test = {"test": report.nodeid, "outcome": outcome, "reason": reason[:400], "seconds": report.duration}
            self.file.write(json.dumps(test) + "\n")

    def pytest_collectreport(self, report):
        if report.failed:
            self.file.write(json.dumps({"test": report.nodeid, "outcome": "not collected", "reason": ""}) + "\n")

    def pytest_unconfigure(self):
        self.file.close()


def pytest_configure(config):
    # The workers of pytest-xdist report to the process that started them, and that one alone writes.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(os.environ["OUTCOMES"]))
