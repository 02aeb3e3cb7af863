"""Runs the suite of the `openai` package without and with the gateway, and compares: legs.py [--whole] SOURCES"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import openai

from harness import ProviderProcess, Served

HERE = Path(__file__).parent
# Far more than a leg of the whole suite takes.
LONGEST = 60 * 60


class Mock(ProviderProcess):
    """mock.py, with a record of what it got."""

    def __init__(self, directory, name):
        self.path = directory / f"{name}.requests"
        super().__init__(HERE / "mock.py", self.path)

    def requests(self):
        """How often each request came."""
        return Counter(json.dumps(json.loads(line), sort_keys=True) for line in self.path.open())


class Exemptions:
    """exempt.txt: patterns of tests and requests, each with what is different about them."""

    def __init__(self):
        self.lines = []
        for line in (HERE / "exempt.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                what, pattern = line.split(maxsplit=1)
                self.lines.append((what, pattern))

    def of(self, what, name):
        return any(kind == what and fnmatchcase(name, pattern) for kind, pattern in self.lines)

    def without_effect(self, tests):
        """Lines that name no test: left over from another version of the suite."""
        patterns = (pattern for kind, pattern in self.lines if kind == "fails")
        return [pattern for pattern in patterns if not any(fnmatchcase(test, pattern) for test in tests)]


def files(sources, whole):
    """What pytest is to run: everything, or what names the server's address or takes a client of the whole suite."""
    if whole:
        return ["tests"]
    others = (path for path in sorted((sources / "tests").rglob("test_*.py")) if "api_resources" not in path.parts)
    reaching = (path for path in others if "TEST_API_BASE_URL" in path.read_text())
    return ["tests/api_resources", *(str(path.relative_to(sources)) for path in reaching)]


def leg(sources, paths, base_url, directory, name):
    """How each test ended, and why if it was not well."""
    outcomes = directory / f"{name}.outcomes"
    output = directory / f"{name}.output"
    command = [sys.executable, "-m", "pytest", "-p", "outcomes", "-p", "no:cacheprovider", "-q", "--durations=0"]
    command += ["-n", str(os.cpu_count()), *paths]
    with output.open("w") as into:
        env = {**os.environ, "TEST_API_BASE_URL": base_url, "OUTCOMES": str(outcomes)}
        status = subprocess.run(command, cwd=sources, env=env, stdout=into, stderr=into, timeout=LONGEST).returncode
    # 1: some tests failed, which is for the comparison to judge.
    if status not in (0, 1):
        sys.exit(f"pytest ended with {status}:\n{output.read_text()[-4000:]}")
    ended, reasons = {}, {}
    for line in outcomes.open():
        test = json.loads(line)
        ended.setdefault(test["test"], []).append(test["outcome"])
        reasons[test["test"]] = test["reason"]
    return ended, reasons


def compare(direct, gateway, exemptions):
    """Lines about tests that did not end as they must, and how many did."""
    (ended, reasons), (ended_behind, reasons_behind) = direct, gateway
    wrong, same = [], 0
    for test in sorted(ended.keys() | ended_behind.keys()):
        before, after = ended.get(test), ended_behind.get(test)
        if before not in (["passed"], ["skipped"], ["xfailed"]) and not exemptions.of("fails", test):
            wrong.append(f"{test}: {before} without the gateway: {reasons.get(test)}")
        elif before != after:
            wrong.append(f"{test}: {before} without, {after} with the gateway: {reasons_behind.get(test)}")
        else:
            same += 1
    return wrong, same


def compare_requests(without, behind, exemptions):
    """What came to the server in one leg only."""
    wrong = []
    for request, missing in (without - behind).items():
        if not exemptions.of("answered", json.loads(request)["request"]):
            wrong.append(f"{missing} time(s) not with the gateway: {request}")
    wrong += [f"{more} time(s) only with the gateway: {request}" for request, more in (behind - without).items()]
    return wrong


def totals(ended):
    counts = Counter(outcome for outcomes in ended.values() for outcome in outcomes)
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))


def main(arguments):
    # Some tests interrupt what they start. Whoever is started in the background ignores that, and so would all below it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    whole = arguments[0] == "--whole"
    sources = Path(arguments[-1])
    paths = files(sources, whole)
    exemptions = Exemptions()
    print(f"the suite of openai {openai.__version__}, Python {sys.version.split()[0]}: {' '.join(paths)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="cometgate-suite-") as directory:
        directory = Path(directory)
        with Mock(directory, "direct") as mock:
            direct = leg(sources, paths, mock.base_url, directory, "direct")
        print(f"without the gateway: {totals(direct[0])}; {mock.requests().total()} requests", flush=True)
        with Mock(directory, "behind") as behind, Mock(directory, "canary") as canary:
            # As an application begins: another base URL, its own keys.
            with Served(behind, canary, "--share", "100%", "--model", "not-in-the-suite") as served:
                gateway = leg(sources, paths, served.base_url, directory, "gateway")
        print(f"with the gateway: {totals(gateway[0])}; {behind.requests().total()} requests", flush=True)
        wrong, same = compare(direct, gateway, exemptions)
        wrong += compare_requests(mock.requests(), behind.requests(), exemptions)
        wrong += [f"at the canary: {request}" for request in canary.requests()]
    if whole:
        wrong += [f"exempt.txt: no test is named {pattern}" for pattern in exemptions.without_effect(direct[0])]
    for line in wrong[:200]:
        print(f"DIFFERENT: {line}")
    # A suite that was hardly collected shows nothing.
    if same < 5000:
        wrong.append("few tests")
        print(f"DIFFERENT: only {same} tests were run")
    print(f"test result: {'FAILED' if wrong else 'ok'}. {same} passed; {len(wrong)} failed")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
