"""Starts what the tests talk to: the gateway's own program, a provider that holds its second chunk back, and one that
fails as it is told to.

Nothing here sleeps or names a port: the program says where it listens, and a test waits for what it waits for, with a
deadline that only a broken gateway meets.
"""

import hashlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from loopback import Handler, Loopback

# Far more than anything here takes; reached only when something is broken.
DEADLINE = 20


class Output:
    """What a process prints, read as it comes so that the process never blocks on it."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._text = ""
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._pipe:
            with self._changed:
                self._text += line
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def text(self):
        with self._changed:
            return self._text

    def wait_for(self, pattern):
        """The first match of a pattern, once it has been printed."""
        with self._changed:
            self._changed.wait_for(lambda: re.search(pattern, self._text) or self._ended, DEADLINE)
            match = re.search(pattern, self._text)
            if not match:
                raise AssertionError(f"{pattern!r} was not printed, but:\n{self._text}")
            return match

    def close(self):
        self._reader.join(DEADLINE)
        self._pipe.close()


class Gateway:
    """A running `cometgate`; a context manager, so that it ends with the test."""

    def __init__(self, *arguments, env=None):
        self._process = subprocess.Popen(
            [os.environ["COMETGATE"], *map(str, arguments)],
            env={**os.environ, "RUST_LOG": "info", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stdout = Output(self._process.stdout)
        self.stderr = Output(self._process.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends it as an operator would. It must say that it ended well."""
        self._process.terminate()
        try:
            status = self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self.stdout.close()
        self.stderr.close()
        if status != 0:
            raise AssertionError(f"cometgate ended with {status}:\n{self.stderr.text}")


class Demo(Gateway):
    """`cometgate demo`, with the two variables that it prints for applications."""

    def __init__(self, share="50%"):
        super().__init__("demo", "--listen", "127.0.0.1:0", "--share", share)
        try:
            self.base_url = self.stdout.wait_for(r"export OPENAI_BASE_URL=(\S+)")[1]
            self.api_key = self.stdout.wait_for(r"export OPENAI_API_KEY=(\S+)")[1]
            self.routes = Path(self.stdout.wait_for(r"Or edit (/\S+/routes\.toml) by hand")[1])
        except BaseException:
            self.__exit__()
            raise


class Serving(Gateway):
    """`cometgate serve` with the files in a directory, which goes with it."""

    def __init__(self, directory, *options, env):
        self._directory = directory
        self.settings = directory / "cometgate.toml"
        super().__init__("serve", "--config", self.settings, *options, env=env)
        try:
            self.base_url = self.stderr.wait_for(r"serving (http://\S+/v1)")[1]
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *details):
        try:
            super().__exit__(*details)
        finally:
            shutil.rmtree(self._directory)

    def command(self, *arguments):
        """What an operator types for this gateway; it must end well."""
        command = [os.environ["COMETGATE"], *arguments, "--config", self.settings]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=True)


class Served(Serving):
    """`cometgate init` and then `cometgate serve`, before two providers."""

    def __init__(self, primary, canary, *options, edit=None, settings=""):
        directory = new_directory()
        command = [os.environ["COMETGATE"], "init", directory, "--primary", primary.base_url]
        command += ["--canary", canary.base_url, "--listen", "127.0.0.1:0", *options]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
        if done.returncode != 0:
            raise AssertionError(f"init ended with {done.returncode}:\n{done.stderr}")
        # Without a key of the gateway's own this is the caller's: a shell would put it in here.
        self.api_key = re.search(r"export OPENAI_API_KEY=(\S+)", done.stdout)[1]
        # Providers are asked for nothing that the test does not ask for.
        with (directory / "cometgate.toml").open("a") as file:
            file.write(f'[catalog]\ninterval = "off"\n{settings}')
        if edit:
            routes = directory / "routes.toml"
            routes.write_text(edit(routes.read_text()))
        keys = {"PRIMARY_KEY": "sk-primary", "COMETAPI_KEY": "sk-comet"}
        super().__init__(directory, "--log-requests", env=keys)


class Mapped(Serving):
    """`cometgate serve` before two scripted providers, with a route for each of `routes`.

    `routes` is what an alias's route says beyond its primary; an alias can name `gone` or `plain` as its primary, where
    nobody listens, and where nobody speaks TLS.
    """

    api_key = "cgk-clients"

    def __init__(self, home, comet, routes, primaries={}, settings=""):
        directory = new_directory()
        # Bound and not listened on: nobody else gets the port, and connections to it are refused.
        self._gone = socket.socket()
        self._gone.bind(("127.0.0.1", 0))
        urls = {"openai": home.base_url, "cometapi": comet.base_url}
        urls["gone"] = f"http://127.0.0.1:{self._gone.getsockname()[1]}/v1"
        urls["plain"] = home.base_url.replace("http://", "https://")
        text = 'route_version = "clients.1"\nenvironment = "development"\nprimary_provider = "openai"\n'
        for name, url in urls.items():
            text += f'[providers.{name}]\nbase_url = "{url}"\ncredential = {{ env = "PROVIDER_KEY" }}\n'
        for alias, lines in routes.items():
            models = {name: f"{'comet' if name == 'cometapi' else 'home'}-model/{alias}" for name in urls}
            listed = ", ".join(f'{name} = "{model}"' for name, model in models.items())
            text += f'[aliases."{alias}"]\nprovider_model_id = {{ {listed} }}\n'
            text += f'[[routes]]\nname = "{alias}"\ntenant_or_cohort = "*"\nmodel_alias = "{alias}"\n'
            text += f'mode = "primary"\nprimary_provider = "{primaries.get(alias, "openai")}"\n{lines}\n'
        (directory / "routes.toml").write_text(f"{text}# end clients.1\n")
        digest = hashlib.sha256(self.api_key.encode()).hexdigest()
        tenants = f'version = "clients.1"\n[tenants.clients]\nkey_sha256 = ["{digest}"]\n# end clients.1\n'
        (directory / "tenants.toml").write_text(tenants)
        (directory / "cometgate.toml").write_text(f'listen = "127.0.0.1:0"\ncatalog.interval = "off"\n{settings}')
        super().__init__(directory, env={"PROVIDER_KEY": "sk-provider"})

    def __exit__(self, *details):
        try:
            super().__exit__(*details)
        finally:
            self._gone.close()


def new_directory():
    return Path(tempfile.mkdtemp(prefix="cometgate-clients-"))


class ProviderProcess:
    """A provider in a process of its own: a program of Python that says its base URL, and ends when its input does."""

    def __init__(self, program, argument):
        command = [sys.executable, program, argument]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.base_url = self._process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(DEADLINE)
        self._process.stdout.close()


class ScriptedProvider(ProviderProcess):
    """provider.py"""

    def __init__(self, name):
        super().__init__(Path(__file__).with_name("provider.py"), name)

    def _ask(self, path, body=None):
        url = self.base_url.removesuffix("/v1") + path
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=DEADLINE) as answer:
            return json.load(answer)

    def script(self, replies):
        """What it says to requests for each of these models; see provider.py."""
        self._ask("/script", replies)

    def open(self, model):
        """Lets the reply go on that waits at its gate."""
        self._ask("/open", model)

    def forget(self, models):
        self._ask("/forget", models)

    def seen(self):
        """How many requests have come for each model."""
        return self._ask("/seen")

    def layout(self):
        """Where each event of its short answers ends, and the word in it."""
        return self._ask("/layout")


@dataclass
class Seen:
    """A request as the provider got it, and how far its answer is."""

    path: str
    authorization: str
    body: bytes
    second: threading.Event = field(default_factory=threading.Event)  # set by a test: go on
    sent_second: bool = False
    left: threading.Event = field(default_factory=threading.Event)  # set when the gateway has hung up


class HeldProvider:
    """A provider whose streams stop after the first event until `Seen.second` is set."""

    def __init__(self, name):
        self.name = name
        self._seen = []
        self._changed = threading.Condition()
        self._server = Loopback(self._handler())
        self.base_url = self._server.base_url

    def __enter__(self):
        self._server.__enter__()
        return self

    def __exit__(self, *details):
        for seen in self._seen:
            seen.second.set()
        self._server.__exit__(*details)

    @property
    def requests(self):
        with self._changed:
            return list(self._seen)

    def request(self, number):
        """The request of that number, from 1, once it has arrived."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._seen) >= number, DEADLINE):
                raise AssertionError(f"{self.name} has {len(self._seen)} requests, not {number}")
            return self._seen[number - 1]

    def _handler(provider):
        class Held(Handler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen = Seen(self.path, self.headers.get("Authorization", ""), body)
                with provider._changed:
                    provider._seen.append(seen)
                    provider._changed.notify_all()
                asked = json.loads(body)
                events = responses_events if self.path == "/v1/responses" else chat_events
                if asked.get("stream"):
                    self.stream(seen, events(asked["model"], provider.name))
                else:
                    self.answer(200, chat_whole(asked["model"], provider.name))

            def stream(self, seen, events):
                self.begin_stream()
                first, *rest = events
                self.chunk(first)
                if not self.wait_for_second(seen):
                    seen.left.set()
                    self.close_connection = True
                    return
                seen.sent_second = True
                for event in rest:
                    self.chunk(event)
                self.chunk(b"")

            def wait_for_second(self, seen):
                """False if the gateway hangs up before a test says to go on."""
                while not seen.second.is_set():
                    # Nothing follows a request here, so a connection that can be read has ended.
                    if select.select([self.connection], [], [], 0.005)[0]:
                        return False
                return True

        return Held


def chat_whole(model, name):
    message = {"role": "assistant", "content": f"one two from {name}", "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}


def chat_events(model, name):
    def event(delta, finish_reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
        return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"

    yield event({"role": "assistant", "content": "one"})
    yield event({"content": f" two from {name}"})
    yield event({}, "stop")
    yield b"data: [DONE]\n\n"


def responses_events(model, name):
    texts = ["one", f" two from {name}"]
    part = {"type": "output_text", "text": "".join(texts), "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    response = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": model}
    response |= {"output": [item], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = [{"type": "response.output_text.delta", **place, "delta": text, "logprobs": []} for text in texts]
    events.append({"type": "response.completed", "response": response})
    for number, event in enumerate(events):
        data = json.dumps({**event, "sequence_number": number})
        yield f"event: {event['type']}\ndata: {data}\n\n".encode()


def report(module):
    """Runs the tests of a module and prints the line that `.ci/run` adds up. The exit code."""
    # Warnings show sockets and pipes that a test left open.
    loaded = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, warnings="default").run(loaded)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    ran = result.testsRun - len(result.skipped)
    passed = max(ran - failed, 0)
    verdict = "ok" if result.wasSuccessful() and passed else "FAILED"
    print(f"test result: {verdict}. {passed} passed; {failed} failed", flush=True)
    return 0 if verdict == "ok" else 1
