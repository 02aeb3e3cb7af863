"""Traces of the real program in Arize Phoenix, over HTTP and over gRPC: what an on-call finds there of a request that
failed over, of a stream, of one that was refused and of a rollback, and that the page's questions have answers.
"""

import importlib.metadata
import json
import re
import sys
import unittest

from harness import ScriptedProvider, Served, report
from phoenix_server import PAGE, Phoenix, blocks
from server import until
from traffic import BROKEN, PROMPT, asked, share

ALIASES = ("support", "stream", "rolled")
PROTOCOLS = ("http", "grpc")


def prepared(routes):
    """One route with a canary that gets everything, and a price."""
    key = 'credential = { env = "COMETAPI_KEY" }'
    assert routes.count(key) == 1
    routes = routes.replace(key, f'prices = {{ "comet-model/support" = {{ input = 1, output = 2 }} }}\n{key}')
    return share("rolled", "100%", routes)


def traffic(home, comet, settings):
    """What is looked for later; how many requests it was."""
    for provider in (home, comet):
        provider.forget(ALIASES)
    home.script({"support": [BROKEN, {}]})
    comet.script({"rolled": [BROKEN]})
    options = ["--primary-key-env", "PRIMARY_KEY", "--fallback", "--share", "0%"]
    for alias in ALIASES:
        options += ["--model", f"{alias}=home-model/{alias},comet-model/{alias}"]
    with Served(home, comet, *options, edit=prepared, settings=settings) as gateway:
        statuses = [asked(gateway, "support"), asked(gateway, "stream", stream=True), asked(gateway, "support", "cgk-nobody")]
        # Until one went home at once: the gate has taken the canary out of traffic.
        while home.seen().get("rolled", 0) == comet.seen().get("rolled", 0):
            statuses.append(asked(gateway, "rolled"))
            assert len(statuses) < 50, gateway.stderr.text
        gateway.command("rollback", "rolled", "--by", "kim", "--reason", "INC-42", "--yes")
        statuses.append(asked(gateway, "rolled"))
    assert statuses[2] == 401 and statuses.count(200) == len(statuses) - 1, statuses
    return len(statuses)


class Traces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.phoenix = cls.enterClassContext(Phoenix())
        cls.spans = {}
        with ScriptedProvider("home") as home, ScriptedProvider("comet") as comet:
            for protocol in PROTOCOLS:
                count = traffic(home, comet, cls.phoenix.settings(protocol, protocol))
                is_all = lambda spans: len([span for span in spans if span["cometgate.outcome"]]) >= count
                # The gateway has sent all that it had when it ended; Phoenix shows it a moment later.
                cls.spans[protocol] = until(lambda: cls.phoenix.spans(protocol), is_all)

    def traces(self, **wanted):
        """Of each protocol the first trace whose request has these attributes: its request, and its attempts."""
        for spans in self.spans.values():
            is_wanted = lambda span: all(span[name.replace("__", ".")] == value for name, value in wanted.items())
            request = next(span for span in spans if span["cometgate.outcome"] and is_wanted(span))
            trace = [span for span in spans if span.shown["trace"] == request.shown["trace"] and span is not request]
            for attempt in trace:
                self.assertEqual(attempt.shown["parentId"], request.shown["spanId"])
            yield request, trace

    def check(self, span, **expected):
        found = {name: span[name.replace("__", ".")] for name in expected}
        self.assertEqual(found, expected, span)

    def check_attempt(self, span, model, status, tokens):
        """What the list of spans shows beside a name."""
        shown = span.shown
        self.assertEqual((shown["name"], shown["spanKind"], shown["statusCode"]), (f"chat {model}", "llm", status))
        self.assertEqual((shown["tokenCountPrompt"], shown["tokenCountCompletion"]), tokens)
        self.check(span, llm__model_name=model, gen_ai__request__model=model)

    def test_a_request_that_failed_over(self):
        for request, attempts in self.traces(llm_route="support", cometgate__outcome="ok"):
            self.assertEqual(request.shown["name"], "POST /v1/chat/completions")
            self.assertIsNone(request.shown["parentId"])
            # The spans of the whole trace as one: 10 tokens in, 60 out, and one that failed.
            self.assertEqual((request.shown["statusCode"], request.shown["propagatedStatusCode"]), ("UNSET", "ERROR"))
            self.assertEqual(request.shown["cumulativeTokenCountTotal"], 70)
            self.check(request, provider="canary", route_reason="outside_share", fallback_reason="server", error_class="server")
            self.check(request, cometgate__attempts=2, cometgate__kept_for="fallback", http_status=200, tenant_or_cohort="default")
            self.assertEqual(request.events, ["cometgate.fallback", "cometgate.commit"])
            first, second = attempts
            self.check_attempt(first, "home-model/support", "ERROR", (0, 0))
            self.check(first, provider="primary", error_class="server", cometgate__decision="fallback", http_status=500)
            self.check_attempt(second, "comet-model/support", "UNSET", (10, 60))
            self.check(second, provider="canary", fallback_attempted=True, cometgate__decision="done", error_class=None)
            self.assertGreater(second["cometgate.cost"], 0)

    def test_a_stream(self):
        for request, (attempt,) in self.traces(llm_route="stream"):
            self.check_attempt(attempt, "home-model/stream", "UNSET", (10, 60))
            self.assertEqual(json.loads(attempt["llm.invocation_parameters"]), {"stream": True})
            self.assertEqual(attempt.events, ["cometgate.first_token"])
            self.assertGreater(attempt["gen_ai.response.time_to_first_chunk"], 0)
            self.assertEqual(request.events, ["cometgate.commit"])

    def test_a_request_that_is_refused(self):
        for request, attempts in self.traces(cometgate__outcome="refused"):
            self.assertEqual(attempts, [])
            self.check(request, cometgate__code="invalid_api_key", http_status=401, llm_route=None)

    def test_a_rollback(self):
        for request, (first, _) in self.traces(llm_route="rolled", fallback_attempted=True):
            self.check_attempt(first, "comet-model/rolled", "ERROR", (0, 0))
        for protocol, spans in self.spans.items():
            # The request that ended it: the gate has changed its mind by it.
            turned = [span for span in spans if "cometgate.gate" in span.events]
            self.assertEqual([span["llm_route"] for span in turned], ["rolled"], protocol)
        for request, (attempt,) in self.traces(route_reason="latched"):
            self.check(request, llm_route="rolled", provider="primary", cometgate__outcome="ok")
            self.check_attempt(attempt, "home-model/rolled", "UNSET", (10, 60))

    def test_each_question_of_the_page_finds_something_and_not_everything(self):
        *plain, limits = [block.splitlines() for block in blocks("python")]
        self.assertEqual((len(plain), len(limits)), (3, 4))
        for protocol, spans in self.spans.items():
            find = lambda condition: len(self.phoenix.spans(protocol, condition))
            for condition in sum(plain, []):
                with self.subTest(condition, protocol=protocol):
                    self.assertIn(find(condition), range(1, len(spans)))
            # Nothing here costs or takes as much as what the page looks for.
            for condition in limits:
                with self.subTest(condition, protocol=protocol):
                    self.assertEqual(find(condition), 0)
                    self.assertIn(find(re.sub(r"> [\d.]+$", "> 0", condition)), range(1, len(spans)))

    def test_no_prompt_and_no_key_has_come(self):
        for spans in self.spans.values():
            text = str(spans)
            for secret in (PROMPT, "it broke", "sk-primary", "sk-comet", "cgk-"):
                self.assertNotIn(secret, text)

    def test_it_keeps_to_itself(self):
        self.assertFalse(self.phoenix.asked_elsewhere())

    def test_the_page_installs_the_version_that_is_tested(self):
        self.assertIn(f"arize-phoenix=={importlib.metadata.version('arize-phoenix')}\n", PAGE)


if __name__ == "__main__":
    print(f"Arize Phoenix {importlib.metadata.version('arize-phoenix')} of Python", flush=True)
    sys.exit(report(sys.modules[__name__]))
