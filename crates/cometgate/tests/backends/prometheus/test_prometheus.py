"""A real Prometheus and what deploy/ has for it: its own tool checks and tests the files, and a server with them scrapes
the real program: what was sent is counted, each rule records something, every documented query is answered, nothing
calls anybody while all is well, and what is broken does.
"""

import contextlib
import json
import math
import re
import shutil
import subprocess
import sys
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

from harness import ScriptedProvider, Served, report
from server import DEADLINE, Server, free_port, until
from traffic import BROKEN, asked, share

ROOT = Path(__file__).parents[5]
FILES = ROOT / "deploy/prometheus"
REFUSED = {"status": 401, "error": {"message": "no", "type": "invalid_request_error", "code": "invalid_api_key"}}
ALIASES = ("chat", "stream", "failover", "rolled")
OPTIONS = ["--primary-key-env", "PRIMARY_KEY", "--fallback", "--share", "0%"]
for alias in ALIASES:
    OPTIONS += ["--model", f"{alias}=home-model/{alias},comet-model/{alias}"]
PRICES = 'prices = { "home-model/chat" = { input = 1, output = 2 } }'

# Queries about what does not happen here: targets that fail for good, gates that act, a collector.
NOTHING_HAPPENED = {
    "sum by (llm_route, provider, reason) (rate(cometgate_targets_passed_over_total[5m]))",
    "sum by (llm_route, reason) (rate(cometgate_given_up_total[5m]))",
    'cometgate_gate_state{state!="serving"}',
    "sum by (signal, reason) (rate(cometgate_otlp_dropped_items_total[5m])) > 0",
    "sum by (signal, error_class) (rate(cometgate_otlp_failures_total[5m]))",
    "time() - cometgate_otlp_last_success_timestamp_seconds",
}


def promtool(*arguments, given=None):
    return subprocess.run(["promtool", *map(str, arguments)], input=given, cwd=FILES, capture_output=True, text=True)


def names(kind):
    """Of all alerts, or of all series that are recorded."""
    texts = [(FILES / file).read_text() for file in ("rules.yml", "alerts.yml", "catalog.yml")]
    return re.findall(rf"^ *- {kind}: (\S+)$", "\n".join(texts), re.MULTILINE)


def prepared(routes):
    """The canary of one route gets everything; one model has a price."""
    return share("rolled", "100%", routes.replace("[providers.canary]", f"{PRICES}\n\n[providers.canary]"))


class Prometheus(Server):
    """With the files of deploy/, but for the address of the gateway, and looking each second."""

    def __init__(self, gateway):
        self.url = f"http://127.0.0.1:{free_port()}"
        target = urllib.parse.urlsplit(self.url).netloc
        self.admin = gateway.stderr.wait_for(r"probes are answered at http://([^/\s]+)/healthz")[1]
        super().__init__(
            f"{self.url}/-/ready",
            ["prometheus", "--config.file={directory}/prometheus.yml", "--storage.tsdb.path={directory}/data"]
            + [f"--web.listen-address={target}", "--log.level=warn"],
            prepare=self._copy,
        )

    def _copy(self, directory):
        for file in FILES.glob("*.yml"):
            shutil.copy(file, directory)
        self._change(directory / "prometheus.yml", {"127.0.0.1:9080": self.admin, "15s": "1s"})
        self._change(directory / "rules.yml", {"interval: 30s": "interval: 1s"})

    def _change(self, file, changes):
        text = file.read_text()
        for old, new in changes.items():
            assert old in text, f"{old} is not in {file}"
            text = text.replace(old, new)
        file.write_text(text)

    def ask(self, path, **parameters):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=DEADLINE) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """Values by their labels, without those that every series of the gateway's has."""
        found = {}
        for series in self.ask("query", query=expression)["result"]:
            labels = {name: value for name, value in series["metric"].items() if name not in ("job", "instance")}
            found[tuple(sorted(labels.items()))] = float(series["value"][1])
        return found

    def alerts(self):
        return {(alert["labels"]["alertname"], alert["state"]) for alert in self.ask("alerts")["alerts"]}


class Files(unittest.TestCase):
    def check(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_settings_and_rules_are_in_order(self):
        self.check(promtool("check", "config", "prometheus.yml"))
        self.check(promtool("check", "rules", *[file for file in FILES.glob("*.yml") if "groups:" in file.read_text()]))

    def test_rules_and_alerts_do_what_their_tests_say(self):
        self.check(promtool("test", "rules", *FILES.glob("*_test.yml")))

    def test_each_rule_and_each_alert_has_a_test(self):
        tests = "\n".join(file.read_text() for file in FILES.glob("*_test.yml"))
        self.assertGreater(len(names("alert")), 20)
        self.assertEqual([name for name in names("record") + names("alert") if name not in tests], [])


class Scraped(unittest.TestCase):
    def setUp(self):
        self.home = self.enterContext(ScriptedProvider("home"))
        self.comet = self.enterContext(ScriptedProvider("comet"))
        # Closed by a test that ends it.
        self.running = self.enterContext(contextlib.ExitStack())
        self.gateway = self.running.enter_context(Served(self.home, self.comet, *OPTIONS, edit=prepared))
        self.prometheus = self.enterContext(Prometheus(self.gateway))

    def until(self, expression, holds):
        return until(lambda: self.prometheus.query(expression), holds)

    def send(self, model, count, expected=200, **more):
        statuses = [asked(self.gateway, model, **more) for _ in range(count)]
        self.assertEqual(statuses, [expected] * count)

    def traffic(self):
        self.send("chat", 7)
        self.send("stream", 3, stream=True)
        self.send("failover", 2)
        self.send("rolled", 4)
        self.send("chat", 2, expected=401, key="cgk-nobody")

    def count(self):
        return self.prometheus.query("sum(cometgate_requests_total)").get((), 0)


class Well(Scraped):
    def test_what_was_sent_is_counted_and_recorded_and_calls_nobody(self):
        self.home.script({"failover": [BROKEN]})
        # Series begin with the first request, and a rate is of what comes after.
        self.traffic()
        until(self.count, lambda count: count == 18)
        self.traffic()
        until(self.count, lambda count: count == 36)
        self.counted()
        self.recorded()
        self.documented()
        self.page()
        rules = [rule for group in self.prometheus.ask("rules")["groups"] for rule in group["rules"]]
        self.assertEqual({rule["name"] for rule in rules}, set(names("record") + names("alert")))
        self.assertEqual([rule for rule in rules if rule["health"] != "ok"], [])
        self.assertEqual(self.prometheus.alerts(), set())

    def counted(self):
        self.assertEqual(self.prometheus.query('up{job="cometgate"}'), {(("__name__", "up"),): 1})
        found = self.prometheus.query("sum by (llm_route, provider, target_role, outcome) (cometgate_requests_total)")
        by = lambda route, provider, role: (
            ("llm_route", route), ("outcome", "ok"), ("provider", provider), ("target_role", role)
        )
        self.assertEqual(found, {
            by("chat", "primary", "primary"): 14,
            by("stream", "primary", "primary"): 6,
            by("failover", "canary", "fallback"): 4,
            by("rolled", "canary", "canary"): 8,
            (("outcome", "refused"),): 4,
        })

    def recorded(self):
        for name in names("record"):
            with self.subTest(name):
                # Rates of what stood still at first are no number yet.
                found = self.until(name, lambda found: found and not any(map(math.isnan, found.values())))
                self.assertTrue(all(0 <= value <= 10 for value in found.values()), found)
        recorded = lambda name: sorted(self.prometheus.query(name).values())
        self.assertEqual(recorded("llm_route:cometgate_canary_share_observed:ratio5m"), [0, 0, 0, 1])
        self.assertEqual(recorded('target:cometgate_attempts_failed:ratio5m{llm_route="failover"}'), [0, 1])
        self.assertEqual(set(recorded("llm_route:cometgate_requests_bad:ratio5m")), {0})
        self.assertTrue(all(seconds > 0 for seconds in recorded("target:cometgate_attempt_duration_seconds:p95_5m")))

    def documented(self):
        """All that pages and dashboards ask; what is answered with nothing is what did not happen."""
        empty = set()
        for page in ("docs/metrics.md", "docs/traces.md"):
            for query in re.findall(r"^```promql\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL):
                if not self.prometheus.query(query):
                    empty.add(" ".join(query.split()))
        self.assertEqual(empty, NOTHING_HAPPENED)
        count = 0
        for file in (ROOT / "deploy/grafana").glob("*.json"):
            for query in re.findall(r'"expr": ("(?:[^"\\]|\\.)*")', file.read_text()):
                self.prometheus.query(re.sub(r"\$__\w+", "5m", json.loads(query)).replace("$", ""))
                count += 1
        self.assertGreater(count, 20)

    def page(self):
        with urllib.request.urlopen(f"http://{self.prometheus.admin}/metrics", timeout=DEADLINE) as page:
            done = promtool("check", "metrics", given=page.read().decode())
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


class Ill(Scraped):
    def test_what_is_broken_calls(self):
        self.home.script({"chat": [REFUSED]})
        self.comet.script({"rolled": [BROKEN]})
        # Between two looks, as a burst may be: its series begins at 5.
        self.send("chat", 5, expected=502)
        until(self.prometheus.alerts, lambda alerts: ("CometgateCredentialRefused", "firing") in alerts)
        self.gateway.command("rollback", "rolled", "--by", "kim", "--reason", "INC-42", "--yes")
        expected = {("CometgateCredentialRefused", "firing"), ("CometgateRolledBack", "firing")}
        until(self.prometheus.alerts, lambda alerts: alerts == expected)
        self.running.close()
        until(self.prometheus.alerts, lambda alerts: ("CometgateDown", "pending") in alerts)


if __name__ == "__main__":
    version = subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=True)
    print((version.stdout or version.stderr).splitlines()[0], flush=True)
    sys.exit(report(sys.modules[__name__]))
