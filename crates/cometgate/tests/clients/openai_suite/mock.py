"""A server of the whole OpenAI API for the package's own tests: each operation is answered from the type that the
package expects there, as JSON, bytes, or events.

    python mock.py RECORD

prints its base URL and ends when its standard input does. Each request becomes a line of RECORD: what arrived, without
what the client draws anew each time.
"""

import hashlib
import json
import re
import sys
import threading
from email.message import Message
from urllib.parse import urlsplit

from openai._legacy_response import HttpxBinaryResponseContent

from loopback import Handler, Loopback
from operations import Operations
from samples import alternatives, sample

# What the tests' clients carry: for the API, and for its administration.
KEYS = ("Bearer My API Key", "Bearer My Admin API Key")


class Mock:
    def __init__(self, record):
        self.operations = Operations()
        self.record = record
        self.lock = threading.Lock()

    def remember(self, seen):
        with self.lock:
            self.record.write(json.dumps(seen) + "\n")
            self.record.flush()

    def answer(self, method, target, headers, body):
        """Status, content type and body for a request."""
        url = urlsplit(target)
        operation = self.operations.find(method, url.path.removeprefix("/v1"), url.query)
        if not url.path.startswith("/v1/") or operation is None:
            return refusal(404, f"the package has no operation {method} {target}")
        if headers.get("Authorization") not in KEYS:
            return refusal(401, f"{headers.get('Authorization')!r} is no key of the tests")
        try:
            asked = read_body(headers, body)
        except ValueError as error:
            return refusal(400, f"the body cannot be read: {error}")
        if operation.event and wants_stream(operation, asked, url.query):
            return 200, "text/event-stream", stream(operation.event)
        if operation.answer is type(None):
            return 200, "application/json", b""
        if operation.answer is HttpxBinaryResponseContent:
            return 200, "application/octet-stream", b"\x00\xff bytes that are no text"
        if operation.answer is str:
            return 200, "text/plain", b"text"
        return 200, "application/json", json.dumps(sample(operation.answer)).encode()


def wants_stream(operation, asked, query):
    return operation.streams_always or asked.get("stream") in (True, "true") or "stream=true" in query


def stream(kind):
    """One event, and the one that ends a stream of that kind in good form."""
    events = [sample(kind)]
    events += [last for last in map(sample, alternatives(kind)) if last.get("type") == "response.completed"]
    return "".join(map(as_event, events)).encode() + b"data: [DONE]\n\n"


def as_event(event):
    head = f"event: {event['type']}\n" if "type" in event else ""
    return f"{head}data: {json.dumps(event)}\n\n"


def refusal(status, message):
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return status, "application/json", json.dumps({"error": error}).encode()


def read_body(headers, body):
    """The fields of a JSON or form body. ValueError for one that is not whole."""
    kind = content_type(headers)
    if not body:
        return {}
    if kind.get_content_type() == "application/json":
        read = json.loads(body)
        return read if isinstance(read, dict) else {}
    if kind.get_content_type() != "multipart/form-data":
        return {}
    boundary = kind.get_boundary().encode()
    first, *parts, last = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if first or last != b"--\r\n":
        raise ValueError("the multipart body has no beginning or no end")
    fields = {}
    for part in parts:
        head, _, value = part.partition(b"\r\n\r\n")
        if name := re.search(rb'name="([^"]*)"', head):
            fields[name[1].decode()] = value.decode(errors="replace")
    return fields


def content_type(headers):
    message = Message()
    message["Content-Type"] = headers.get("Content-Type", "")
    return message


def without_boundary(headers, body):
    """Content type and body as they are the next time too: the boundary of a form is drawn for each request."""
    kind = headers.get("Content-Type", "")
    boundary = content_type(headers).get_boundary()
    if not boundary:
        return kind, body
    return kind.replace(boundary, "BOUNDARY"), body.replace(boundary.encode(), b"BOUNDARY")


def handler_for(mock):
    class Answering(Handler):
        def serve(self):
            body = self.read()
            kind, plain = without_boundary(self.headers, body)
            seen = {"request": f"{self.command} {self.path}", "content_type": kind}
            seen |= {"body": hashlib.sha256(plain).hexdigest(), "authorization": self.headers.get("Authorization")}
            status, answer_kind, answer = mock.answer(self.command, self.path, self.headers, body)
            mock.remember({**seen, "status": status})
            self.answer(status, answer, answer_kind)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        def read(self):
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            return whole

    return Answering


def main(record):
    with open(record, "w") as record, Loopback(handler_for(Mock(record))) as server:
        print(server.base_url, flush=True)
        # When whoever started it is gone, so is it.
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
