"""A provider that fails as it is told to, for the tests of both languages; a process of its own.

    python provider.py NAME

prints its base URL and ends when its standard input does. What it says is made of words that begin with its name, so
that nobody can take one provider's answer for another's. Each model has a script of its own:

    POST /script   {"MODEL": [REPLY, ...], ...}   the next request for MODEL gets the first, and so on; the last stays
    POST /forget   ["MODEL", ...]                 forgets their scripts and counts
    POST /open     "MODEL"                        lets a reply that waits at its gate go on
    GET  /seen                                    {"MODEL": how many requests have come}
    GET  /layout                                  {"chat": [[END, WORD], ...], "responses": ...} of the short answer

A model's ID is what the answer names as its model, a slash, and MODEL. A REPLY is one of

    {}                                            a complete answer, streamed if that was asked for
    {"status": 429, "headers": {...}, "error": {...}}
    {"hang": true}                                no answer at all
    {"stream": [STEP, ...]}                       `begin`, `words N`, `finish`, `done`, `error`, `malformed`, `id`,
                                                  `comment`, `gate`, `hold` (for ever) or `cut` (no end of the body)
    {"bytes": N, "piece": M, "reset": true}       the first N bytes of the short answer's body, in chunks of M, then a
                                                  cut: the connection is closed, or reset
"""

import asyncio
import json
import logging
import socket
import struct
import sys
from collections import Counter

WORDS = 60
SHORT = 4
COMPLETE = ["begin", f"words {WORDS}", "finish", "done"]
ERROR = {"message": "busy", "type": "server_error", "param": None, "code": "server_is_overloaded"}


class Answer:
    """One answer as events."""

    def __init__(self, name, model, is_responses):
        self.name, self.model, self.is_responses = name, model, is_responses
        self.said = []
        self.sequence = 0

    def step(self, step):
        """The events of a step, each with the word in it."""
        what, _, number = step.partition(" ")
        kind = "responses" if self.is_responses else "chat"
        if what == "words":
            for _ in range(int(number)):
                # More than ASCII, so that a cut can fall into a character.
                word = f"{self.name}·{len(self.said)} "
                self.said.append(word)
                yield getattr(self, f"{kind}_word")(word), word
        elif what == "malformed":
            yield b"data: {nonsense\n\n", ""
        elif what == "comment":
            yield b": keep-alive\n\n", ""
        else:
            for event in getattr(self, f"{kind}_{what}")():
                yield event, ""

    def usage(self):
        return {"prompt_tokens": 10, "completion_tokens": len(self.said), "total_tokens": 10 + len(self.said)}

    def chat_chunk(self, delta, finish_reason=None, **more):
        choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}] if delta is not None else []
        chunk = {"id": f"chatcmpl-{self.name}", "object": "chat.completion.chunk", "created": 1}
        return data({**chunk, "model": self.model, "choices": choices, **more})

    def chat_begin(self):
        yield self.chat_chunk({"role": "assistant", "content": ""})

    def chat_word(self, word):
        return self.chat_chunk({"content": word})

    def chat_id(self):
        yield b"id: 7\n" + self.chat_chunk({"content": ""})

    def chat_finish(self):
        yield self.chat_chunk({}, "stop")

    def chat_done(self):
        yield self.chat_chunk(None, usage=self.usage())
        yield b"data: [DONE]\n\n"

    def chat_error(self):
        yield data({"error": ERROR})

    def event(self, kind, **fields):
        event = {"type": kind, **fields, "sequence_number": self.sequence}
        self.sequence += 1
        return f"event: {kind}\n".encode() + data(event)

    def part(self):
        return {"type": "output_text", "text": "".join(self.said), "annotations": []}

    def item(self, status, content):
        return {"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": content}

    def response(self, status, output, **more):
        response = {"id": f"resp_{self.name}", "object": "response", "status": status, "model": self.model}
        return {"response": {**response, "output": output, "tools": [], **more}}

    def responses_begin(self):
        place = {"output_index": 0}
        yield self.event("response.created", **self.response("in_progress", []))
        yield self.event("response.in_progress", **self.response("in_progress", []))
        yield self.event("response.output_item.added", **place, item=self.item("in_progress", []))
        place |= {"item_id": "msg_1", "content_index": 0}
        yield self.event("response.content_part.added", **place, part=self.part())

    def responses_word(self, word):
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        return self.event("response.output_text.delta", **place, delta=word)

    def responses_id(self):
        yield b"id: 7\n" + self.event("response.in_progress", **self.response("in_progress", []))

    def responses_finish(self):
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        yield self.event("response.output_text.done", **place, text="".join(self.said))

    def responses_done(self):
        item = self.item("completed", [self.part()])
        usage = {"input_tokens": 10, "output_tokens": len(self.said), "total_tokens": 10 + len(self.said)}
        yield self.event("response.completed", **self.response("completed", [item], usage=usage))

    def responses_error(self):
        yield self.event("error", code=ERROR["code"], message=ERROR["message"], param=None)

    def short(self):
        return [event for step in ("begin", f"words {SHORT}", "finish", "done") for event in self.step(step)]

    def whole(self):
        for _ in self.step(f"words {WORDS}"):
            pass
        if self.is_responses:
            return self.response("completed", [self.item("completed", [self.part()])])["response"]
        choice = {"index": 0, "message": {"role": "assistant", "content": "".join(self.said)}, "finish_reason": "stop"}
        chat = {"id": f"chatcmpl-{self.name}", "object": "chat.completion", "created": 1, "model": self.model}
        return {**chat, "choices": [choice], "usage": self.usage()}


def data(value):
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


class Cut(Exception):
    """The connection is to be closed now."""


class Provider:
    def __init__(self, name):
        self.name = name
        self.scripts = {}
        self.seen = Counter()
        self.gates = {}

    async def connection(self, reader, writer):
        try:
            while await self.request(reader, writer):
                await writer.drain()
        except (Cut, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def request(self, reader, writer):
        """Reads one request and answers it. False when none comes."""
        first = await reader.read(1)
        if first == b"\x16":
            # A TLS handshake; this server speaks none.
            self.seen["tls"] += 1
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            raise Cut
        if not first:
            return False
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.split("\r\n")
        length = next((int(field[15:]) for field in fields if field.lower().startswith("content-length:")), 0)
        body = json.loads(await reader.readexactly(length) or b"null")
        await self.answer(line.split()[1], body, reader, writer)
        return True

    async def answer(self, path, body, reader, writer):
        if path == "/script":
            self.scripts.update(body)
            return respond(writer, 200, {})
        if path == "/forget":
            for model in body:
                self.scripts.pop(model, None)
                self.seen.pop(model, None)
            return respond(writer, 200, {})
        if path == "/open":
            self.gate(body).set()
            return respond(writer, 200, {})
        if path == "/seen":
            return respond(writer, 200, self.seen)
        if path == "/layout":
            return respond(writer, 200, self.layout())
        served, _, model = body["model"].rpartition("/")
        self.seen[model] += 1
        script = self.scripts.get(model) or [{}]
        reply = script.pop(0) if len(script) > 1 else script[0]
        answer = Answer(self.name, served, path.endswith("/responses"))
        if reply.get("hang"):
            await reader.read()
            raise Cut
        if "status" in reply:
            return respond(writer, reply["status"], {"error": reply["error"]}, reply.get("headers", {}))
        if not reply and not body.get("stream"):
            return respond(writer, 200, answer.whole())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if "bytes" in reply:
            return await self.some_bytes(reply, answer, writer)
        for step in reply.get("stream", COMPLETE):
            await writer.drain()
            if step == "cut":
                raise Cut
            if step == "hold":
                await reader.read()
                raise Cut
            if step == "gate":
                await self.gate(model).wait()
                continue
            for event, _ in answer.step(step):
                chunk(writer, event)
        writer.write(b"0\r\n\r\n")

    async def some_bytes(self, reply, answer, writer):
        stream = b"".join(event for event, _ in answer.short())[: reply["bytes"]]
        for at in range(0, len(stream), reply["piece"]):
            chunk(writer, stream[at : at + reply["piece"]])
        await writer.drain()
        if reply["reset"]:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Cut

    def gate(self, model):
        return self.gates.setdefault(model, asyncio.Event())

    def layout(self):
        """Where each event of the short answer ends, and the word in it."""
        layouts = {}
        for kind in ("chat", "responses"):
            events = Answer(self.name, f"{self.name}-model", kind == "responses").short()
            ends = [sum(len(event) for event, _ in events[: at + 1]) for at in range(len(events))]
            layouts[kind] = [[end, word] for end, (_, word) in zip(ends, events)]
        return layouts


def chunk(writer, bytes):
    writer.write(b"%x\r\n%s\r\n" % (len(bytes), bytes))


def respond(writer, status, body, headers={}):
    body = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": len(body), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status} -\r\n{lines}\r\n".encode() + body)


async def main(name):
    server = await asyncio.start_server(Provider(name).connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    # When whoever started it is gone, so is it.
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    # It would warn of each answer that the gateway hangs up on.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    asyncio.run(main(sys.argv[1]))
