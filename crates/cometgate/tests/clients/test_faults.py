"""What the current `openai` package of Python makes of providers that fail, its own retries included.

`run` in this directory installs the package and starts these; COMETGATE names the program, and FAULTS_TABLE, if set, a
file that gets a line of JSON for each outcome that was measured.
"""

import json
import os
import platform
import sys
import time
import unittest
from dataclasses import dataclass, field
from pathlib import Path

import openai
from openai import OpenAI

from harness import DEADLINE, Mapped, ScriptedProvider, report

ASK = [{"role": "user", "content": "hello"}]
FALLBACK = 'fallback_provider = "cometapi"'
SCENARIOS = json.loads(Path(__file__).with_name("scenarios.json").read_text())


def words(name, count, start=0):
    return "".join(f"{name}·{at} " for at in range(start, count))


@dataclass
class Outcome:
    """What an application saw of one answer."""

    said: str = ""
    ended: bool = False  # in good form
    error: Exception | None = None
    headers: dict = field(default_factory=dict)
    model: str = ""
    tokens: int = 0
    seconds: float = 0


class Asking:
    """An application with a client, which asks in any of four ways."""

    def __init__(self, gateway, **options):
        self.client = OpenAI(base_url=gateway.base_url, api_key=gateway.api_key, timeout=DEADLINE, **options)

    def ask(self, way, model, begun=lambda: None):
        """A streamed answer, read to its end; `begun` is called when its headers are there."""
        outcome = Outcome()
        began = time.monotonic()
        try:
            getattr(self, way.replace(" ", "_"))(model, outcome, begun)
        except Exception as error:
            outcome.error = error
            outcome.headers = outcome.headers or getattr(getattr(error, "response", None), "headers", {})
        outcome.seconds = time.monotonic() - began
        return outcome

    def chat(self, model, outcome, begun):
        asked = {"model": model, "messages": ASK, "stream_options": {"include_usage": True}}
        with self.client.chat.completions.create(**asked, stream=True) as stream:
            outcome.headers = stream.response.headers
            begun()
            self.chat_chunks(stream, outcome)

    def chat_helper(self, model, outcome, begun):
        asked = {"model": model, "messages": ASK, "stream_options": {"include_usage": True}}
        with self.client.chat.completions.stream(**asked) as stream:
            begun()
            self.chat_chunks((event.chunk for event in stream if event.type == "chunk"), outcome)

    def chat_chunks(self, chunks, outcome):
        finished = False
        for chunk in chunks:
            outcome.model = chunk.model
            for choice in chunk.choices:
                outcome.said += choice.delta.content or ""
                finished = finished or choice.finish_reason == "stop"
            if chunk.usage:
                outcome.tokens = chunk.usage.completion_tokens
        outcome.ended = finished

    def responses(self, model, outcome, begun):
        with self.client.responses.create(model=model, input="hello", store=False, stream=True) as stream:
            outcome.headers = stream.response.headers
            begun()
            self.responses_events(stream, outcome)

    def responses_helper(self, model, outcome, begun):
        with self.client.responses.stream(model=model, input="hello", store=False) as stream:
            begun()
            self.responses_events(stream, outcome)

    def responses_events(self, events, outcome):
        for event in events:
            if event.type == "response.output_text.delta":
                outcome.said += event.delta
            if event.type == "response.completed":
                outcome.ended = True
                outcome.model = event.response.model
                outcome.tokens = event.response.usage.output_tokens


class WithProviders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = cls.enterClassContext(ScriptedProvider("home"))
        cls.comet = cls.enterClassContext(ScriptedProvider("comet"))

    @classmethod
    def serve(cls, routes, primaries={}, settings=""):
        return cls.enterClassContext(Mapped(cls.home, cls.comet, routes, primaries, settings))

    def seen(self, model):
        return [provider.seen().get(model, 0) for provider in (self.home, self.comet)]


def cases():
    for scenario in SCENARIOS["scenarios"]:
        for delivery in ("stream", "whole"):
            for way in scenario.get("ways", SCENARIOS["ways"]):
                yield scenario, delivery, way, f"{scenario['name']}.{delivery}.{way.replace(' ', '-')}"


class Scenarios(WithProviders):
    """One test for each; they are added below."""

    measured = []

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        routes, primaries, home, comet = {}, {}, {}, {}
        for scenario, delivery, _, alias in cases():
            routes[alias] = f'{scenario["route"]}\ndelivery = "{delivery}"'
            primaries[alias] = scenario.get("primary", "openai")
            home[alias] = scenario.get("home", [])
            comet[alias] = scenario.get("comet", [])
        cls.home.script(home)
        cls.comet.script(comet)
        # With its own retries, two as it comes.
        cls.asking = Asking(cls.serve(routes, primaries))

    def run_case(self, scenario, delivery, way, alias):
        expected = scenario.get("both") or scenario[delivery]
        outcome = self.asking.ask(way, alias)
        seen = self.seen(alias)
        self.assertEqual(outcome.said, words(*expected.get("said", ["", 0])), outcome)
        self.assertEqual(outcome.ended, "error" not in expected, outcome)
        error = outcome.error
        if "error" in expected:
            name = expected["error"]
            self.assertEqual(type(error).__name__, name if isinstance(name, str) else name["python"])
        else:
            self.assertIsNone(error)
            self.assertEqual(outcome.model, f"{expected['said'][0]}-model")
        for name, attribute in (("status", "status_code"), ("code", "code")):
            if name in expected:
                self.assertEqual(getattr(error, attribute), expected[name])
        self.assertIn(expected.get("message", ""), str(error))
        self.assertEqual(seen, expected["seen"])
        if outcome.headers:
            self.assertEqual(outcome.headers["x-cometgate-attempts"], str(expected["attempts"]))
        # There is no upper limit but the client's: on a busy machine all takes long. `seen` shows what was tried.
        self.assertGreaterEqual(outcome.seconds, expected["least"] * 0.99)
        self.measured.append(record(scenario, delivery, way, outcome, seen, expected["attempts"]))


def record(scenario, delivery, way, outcome, seen, attempts):
    error = outcome.error
    kept = {name: scenario[name] for name in ("number", "name", "title")}
    kept |= {"delivery": delivery, "way": way, "client": "python", "said": outcome.said.count(" ")}
    kept |= {"error": type(error).__name__ if error else None, "code": getattr(error, "code", None)}
    kept |= {"by": outcome.said.partition("·")[0], "seconds": outcome.seconds, "seen": seen, "attempts": attempts}
    return kept


def add(scenario, delivery, way, alias):
    def test(self):
        self.run_case(scenario, delivery, way, alias)

    setattr(Scenarios, f"test_{scenario['number'].zfill(2)} {scenario['title']}, {delivery}, {way}", test)


for case in cases():
    add(*case)


class Flapping(WithProviders):
    def test_a_flapping_primary_is_passed_over_and_returned_to(self):
        broken = {"status": 500, "error": {"message": "it broke", "type": "server_error", "code": None}}
        asking = Asking(self.serve({"stream": FALLBACK, "whole": f'{FALLBACK}\ndelivery = "whole"'}))
        self.home.script({"stream": [broken], "whole": [broken]})
        for delivery in ("stream", "whole"):
            slowest = 0
            for _ in range(15):
                outcome = asking.ask("chat", delivery)
                self.assertEqual((outcome.said, outcome.ended), (words("comet", 60), True), outcome)
                slowest = max(slowest, outcome.seconds)
            seen = self.seen(delivery)
            self.assertLessEqual(seen[0], 5)
            self.assertEqual(seen[1], 15)
            outcome.seconds = slowest
            scenario = {"number": "15", "name": "flapping", "title": "15 requests while the primary answers 500"}
            Scenarios.measured.append(record(scenario, delivery, "chat", outcome, seen, 1))
        self.home.script({"stream": [{}], "whole": [{}]})
        until = time.monotonic() + DEADLINE
        for delivery in ("stream", "whole"):
            while asking.ask("chat", delivery).said != words("home", 60):
                self.assertLess(time.monotonic(), until, "the primary is well and is not returned to")
                time.sleep(0.05)
            self.assertEqual(asking.ask("chat", delivery).headers["x-cometgate-provider"], "openai")


class Attribution(WithProviders):
    def test_model_usage_and_headers_are_those_of_who_served(self):
        broken = {"status": 500, "error": {"message": "it broke", "type": "server_error", "code": None}}
        self.home.script({"failed": [broken], "failed-whole": [broken]})
        # Fewer words than the other, so that usage shows whose it is.
        self.home.script({"well": [{"stream": ["begin", "words 3", "finish", "done"]}]})
        whole = f'{FALLBACK}\ndelivery = "whole"'
        asking = Asking(self.serve({"well": FALLBACK, "failed": FALLBACK, "failed-whole": whole, "plain": FALLBACK}))
        for model, name, tokens, provider, role in (
            ("well", "home", 3, "openai", "primary"),
            ("failed", "comet", 60, "cometapi", "fallback"),
            ("failed-whole", "comet", 60, "cometapi", "fallback"),
        ):
            for way in SCENARIOS["ways"]:
                outcome = asking.ask(way, model)
                self.assertEqual((outcome.model, outcome.tokens), (f"{name}-model", tokens), outcome)
                if outcome.headers:
                    names = [f"x-cometgate-{name}" for name in ("provider", "role", "route")]
                    self.assertEqual([outcome.headers[name] for name in names], [provider, role, model])
                if role == "fallback" and way == "chat":
                    title = "500: model, usage and headers are those of who served"
                    scenario = {"number": "16", "name": "attribution", "title": title}
                    delivery = "whole" if model.endswith("whole") else "stream"
                    Scenarios.measured.append(record(scenario, delivery, way, outcome, self.seen(model), 2))
        for model, provider, name in (("plain", "openai", "home"), ("failed", "cometapi", "comet")):
            raw = asking.client.chat.completions.with_raw_response.create(model=model, messages=ASK)
            self.assertEqual(raw.headers["x-cometgate-provider"], provider)
            answer = raw.parse()
            self.assertEqual((answer.model, answer.usage.completion_tokens), (f"{name}-model", 60))
            raw = asking.client.responses.with_raw_response.create(model=model, input="hello", store=False)
            self.assertEqual(raw.headers["x-cometgate-provider"], provider)
            self.assertEqual(raw.parse().model, f"{name}-model")


class AskedFor(WithProviders):
    def test_a_caller_may_ask_for_whole_delivery_itself(self):
        self.home.script({"cut": [{"stream": ["begin", "words 40", "cut"]}]})
        gateway = self.serve({"cut": FALLBACK})
        asking = Asking(gateway, default_headers={"x-cometgate-delivery": "whole"})
        for way in SCENARIOS["ways"]:
            outcome = asking.ask(way, "cut")
            self.assertEqual((outcome.said, outcome.ended), (words("comet", 60), True), outcome)
        self.assertEqual(Asking(gateway).ask("chat", "cut").said, words("home", 40))


class Heartbeats(WithProviders):
    def test_a_late_beginning_is_bridged_by_comments_that_the_client_passes_over(self):
        routes, late = {}, {}
        for then in (["begin"], ["begin", "id"], ["comment", "begin", "id"]):
            for way in SCENARIOS["ways"]:
                alias = f"{way.replace(' ', '-')}.{'-'.join(then)}"
                routes[alias] = FALLBACK
                late[alias] = [{"stream": ["gate", *then, "words 60", "finish", "done"]}]
        self.home.script(late)
        asking = Asking(self.serve(routes, settings="[limits]\nheartbeat_ms = 100\n"))
        for alias in routes:
            way = alias.partition(".")[0].replace("-", " ")
            with self.subTest(alias):
                # The gateway gives the headers only with its first heartbeat: the provider still waits.
                outcome = asking.ask(way, alias, lambda: self.home.open(alias))
                self.assertEqual((outcome.said, outcome.ended), (words("home", 60), True), outcome)
                self.assertEqual(self.seen(alias), [1, 0])

    def test_comments_are_what_it_sends(self):
        broken = {"status": 400, "error": {"message": "odd", "type": "invalid_request_error", "code": "odd"}}
        late = {"stream": ["gate", "begin", "words 60", "finish", "done"]}
        self.home.script({"raw": [late], "silent": [{"hang": True}]})
        self.comet.script({"silent": [broken]})
        silent = f"{FALLBACK}\nprimary_timeout_ms = 400"
        asking = Asking(self.serve({"raw": FALLBACK, "silent": silent}, settings="[limits]\nheartbeat_ms = 100\n"))
        create = asking.client.chat.completions.with_streaming_response.create
        with create(model="raw", messages=ASK, stream=True) as response:
            lines = response.iter_lines()
            self.assertEqual([next(lines), next(lines)], [": ping", ": ping"])
            self.home.open("raw")
            rest = list(lines)
        served = ": served by openai as primary, attempts 1"
        self.assertEqual([line for line in rest if line.startswith(":") and line != ": ping"], [served])

        # The headers are out when both have failed: the client raises all the same.
        for way in SCENARIOS["ways"]:
            outcome = asking.ask(way, "silent")
            self.assertEqual(type(outcome.error).__name__, "APIError", outcome)
            self.assertEqual((outcome.said, outcome.error.code), ("", "provider_timeout"))


class CutAtEveryByte(WithProviders):
    """The short answer, cut after each of its bytes: the connection is closed, or reset for every second."""

    # As many failures in a row leave a breaker closed.
    EACH = 4
    # Every byte where it counts; elsewhere a fifth of them, unless the full counts are asked for.
    STEP = 1 if "COMETGATE_FULL" in os.environ else 5

    def sweep(self, endpoint, route, step):
        """Each number of bytes, whether it was a reset, and what came of it."""
        self.layout = self.home.layout()[endpoint]
        # From all of them down, so that all is always among them.
        cuts = range(self.layout[-1][0], -1, -step)
        resets = set(cuts[1::2])
        models = {n: f"{endpoint}.{at // self.EACH}" for at, n in enumerate(cuts)}
        scripts = {model: [] for model in models.values()}
        for n, model in models.items():
            scripts[model].append({"bytes": n, "piece": 1 + n % 100, "reset": n in resets})
        self.home.script(scripts)
        self.comet.script({model: [{"stream": ["begin", "words 4", "finish", "done"]}] for model in scripts})
        with Mapped(self.home, self.comet, {model: route for model in scripts}) as gateway:
            asking = Asking(gateway, max_retries=0)
            for n, model in models.items():
                yield n, n in resets, asking.ask(endpoint, model)
        for provider in (self.home, self.comet):
            provider.forget(list(scripts))

    def check(self, endpoint, route, step=1):
        home, comet = words("home", 4), words("comet", 4)
        whole, falls_back = "whole" in route, "fallback" in route
        ends = set()
        for n, is_reset, outcome in self.sweep(endpoint, route, step):
            place = f"{endpoint} cut after {n} bytes: {outcome}"
            arrived = "".join(word for end, word in self.layout if end <= n)
            # Chat has come to its end with the finish reason, a response with its last event.
            is_all = n >= self.layout[-3 if endpoint == "chat" else -1][0]
            raised = isinstance(outcome.error, openai.APIError)
            # Whatever happens: the words of one provider, and a normal end after all of them only.
            self.assertTrue(home.startswith(outcome.said) or outcome.said == comet, place)
            self.assertEqual(outcome.ended, outcome.error is None and outcome.said in (home, comet), place)
            self.assertNotEqual(outcome.ended, raised, place)
            if is_reset:
                # A reset may overtake what was sent before it.
                continue
            if is_all:
                expected = (home, False)
            elif falls_back and (whole or not arrived):
                expected = (comet, False)
            else:
                expected = (arrived, True)
            self.assertEqual((outcome.said, raised), expected, place)
            ends.add(raised)
        # Nobody has raised where all is mended; elsewhere both ends were met.
        self.assertEqual(ends, {False} if whole else {False, True})

    def test_chat(self):
        self.check("chat", FALLBACK)

    def test_chat_without_a_fallback(self):
        self.check("chat", "", self.STEP)

    def test_chat_delivered_whole(self):
        self.check("chat", f'{FALLBACK}\ndelivery = "whole"', self.STEP)

    def test_responses(self):
        self.check("responses", FALLBACK)

    def test_responses_without_a_fallback(self):
        self.check("responses", "", self.STEP)

    def test_responses_delivered_whole(self):
        self.check("responses", f'{FALLBACK}\ndelivery = "whole"', self.STEP)


def main():
    print(f"openai {openai.__version__} of Python {platform.python_version()}, and providers that fail", flush=True)
    status = report(sys.modules[__name__])
    if "FAULTS_TABLE" in os.environ:
        with Path(os.environ["FAULTS_TABLE"]).open("a") as table:
            table.writelines(json.dumps(measured) + "\n" for measured in Scenarios.measured)
    return status


if __name__ == "__main__":
    sys.exit(main())
