"""Arize Phoenix as docs/traces.md starts it, but for its ports, and what it is asked."""

import json
import os
import re
import select
import socket
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from server import DEADLINE, Server, free_port

PAGE = (Path(__file__).parents[5] / "docs/traces.md").read_text().partition("## Look at it in a backend")[2].partition("\n## ")[0]

SPANS = """query($project: ID!, $condition: String) { node(id: $project) { ... on Project {
  spans(first: 1000, filterCondition: $condition) { edges { node {
    name spanKind statusCode propagatedStatusCode parentId spanId tokenCountPrompt tokenCountCompletion cumulativeTokenCountTotal
    attributes events { name } trace { traceId }
} } } } } }"""


def blocks(kind):
    """The blocks of code of this kind in the part of the page that is about Phoenix."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@dataclass
class Span:
    """As its pages show it."""

    shown: dict
    attributes: dict

    def __getitem__(self, name):
        """An attribute by its whole name, or None. It keeps them as trees."""
        found = self.attributes
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    @property
    def events(self):
        return [event["name"] for event in self.shown["events"]]


class Phoenix(Server):
    def __init__(self):
        self.http, self.grpc = free_port(), free_port()
        said = dict(re.findall(r"(PHOENIX_\w+)=(\S+)", blocks("sh")[0]))
        assert {"PHOENIX_WORKING_DIR", "PHOENIX_HOST"} <= said.keys(), said
        said |= {"PHOENIX_WORKING_DIR": "{directory}", "PHOENIX_PORT": self.http, "PHOENIX_GRPC_PORT": self.grpc}
        # Whatever it wants from elsewhere it asks this, which never answers.
        self._elsewhere = socket.create_server(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{self._elsewhere.getsockname()[1]}"
        proxies = {name: proxy for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
        super().__init__(f"{self.url}/healthz", [os.environ["PHOENIX"], "serve"], {**os.environ, **proxies, **said})

    def __exit__(self, *details):
        self._elsewhere.close()
        super().__exit__(*details)

    def asked_elsewhere(self):
        return bool(select.select([self._elsewhere], [], [], 0)[0])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http}"

    def settings(self, protocol, project):
        """The page's lines for `[telemetry]`."""
        (lines,) = (block for block in blocks("toml") if (protocol == "grpc") == ('protocol = "grpc"' in block))
        assert lines.count(":6006") + lines.count(":4317") == 1, lines
        lines = lines.replace(":6006", f":{self.http}").replace(":4317", f":{self.grpc}")
        assert '= "cometgate"' in lines, lines
        return lines.replace('= "cometgate"', f'= "{project}"')

    def ask(self, query, **variables):
        body = json.dumps({"query": query, "variables": variables}).encode()
        asked = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=DEADLINE) as answer:
            answer = json.load(answer)
        if "errors" in answer:
            raise AssertionError(f"{variables}: {answer['errors']}")
        return answer["data"]

    def spans(self, project, condition=None):
        """Those of a project that meet a condition, in their order."""
        projects = self.ask("{ projects { edges { node { id name } } } }")["projects"]["edges"]
        known = {edge["node"]["name"]: edge["node"]["id"] for edge in projects}
        if project not in known:
            return []
        found = self.ask(SPANS, project=known[project], condition=condition)["node"]["spans"]["edges"]
        return [Span(edge["node"], json.loads(edge["node"]["attributes"])) for edge in found]
