"""A provider for the tests of libraries: it takes its own key and its own models' names only, so that whatever a library
gets an answer to has been sent as the gateway must send it."""

import base64
import json
import struct
import threading

from loopback import Handler, Loopback
from shapes import SHAPES

VECTOR = [0.5, -0.25, 1.0]
# A request that says so is refused with this status.
REFUSALS = {"please fail with 400": 400, "please fail with 429": 429}


class ModelServer:
    """A context manager. `NAME-chat`, `NAME-embedding` and `NAME-claude` are its models."""

    def __init__(self, name, key):
        self.name, self.key = name, key
        self.lock = threading.Lock()
        self.answered, self.refused, self.complaints = [], [], []
        self.server = Loopback(self._handler())
        self.base_url = self.server.base_url

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *details):
        self.server.__exit__(*details)

    def judge(self, path, headers, body):
        """What is wrong with a request: a status and a message, or nothing."""
        keys = [headers.get(name) for name in ("authorization", "x-api-key") if name in headers]
        if keys != [f"Bearer {self.key}"]:
            return 401, f"{self.name}: the keys {keys} are not its own"
        models = {f"{self.name}-{kind}" for kind in ("chat", "embedding", "claude")}
        if body.get("model") not in models:
            return 404, f"{self.name}: has no model {body.get('model')!r}"
        if path not in (*SHAPES, "/v1/embeddings", "/v1/messages/count_tokens"):
            return 404, f"{self.name}: nothing is at {path}"
        return None

    def _handler(provider):
        class Model(Handler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                path = self.path.partition("?")[0]
                headers = {name.lower(): value for name, value in self.headers.items()}
                wrong = provider.judge(path, headers, body)
                if wrong:
                    with provider.lock:
                        provider.complaints.append(f"{wrong[1]} ({path})")
                    return self.refuse(path, *wrong)
                shape = SHAPES[path](provider.name, body) if path in SHAPES else None
                if status := shape and REFUSALS.get(shape.prompt):
                    with provider.lock:
                        provider.refused.append(status)
                    return self.refuse(path, status, f"{provider.name} was asked to fail")
                with provider.lock:
                    provider.answered.append(path)
                if path == "/v1/embeddings":
                    return self.answer(200, embeddings(body))
                if path == "/v1/messages/count_tokens":
                    return self.answer(200, {"input_tokens": 3})
                if body.get("stream"):
                    return self.stream(shape.events())
                self.answer(200, shape.whole())

            def refuse(self, path, status, message):
                # As OpenAI does. Without it a gateway must guess, and goes on more carefully than these tests do.
                headers = {"Retry-After-Ms": "1"} if status == 429 else {}
                if path.startswith("/v1/messages"):
                    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
                    error = {"type": "error", "error": {"type": kind, "message": message}}
                else:
                    code = "rate_limit_exceeded" if status == 429 else "invalid_value"
                    kind = "invalid_request_error"
                    error = {"error": {"message": message, "type": kind, "param": None, "code": code}}
                self.answer(status, error, headers=headers)

            def stream(self, events):
                self.begin_stream()
                for kind, data in events:
                    event = (f"event: {kind}\n" if kind else "") + f"data: {data}\n\n"
                    self.chunk(event.encode())
                self.chunk(b"")

        return Model


def embeddings(body):
    count = len(body["input"]) if isinstance(body["input"], list) else 1
    vector = VECTOR
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{len(VECTOR)}f", *VECTOR)).decode()
    data = [{"object": "embedding", "index": at, "embedding": vector} for at in range(count)]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return {"object": "list", "model": body["model"], "data": data, "usage": usage}
