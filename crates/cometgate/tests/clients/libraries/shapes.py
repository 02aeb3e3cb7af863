"""What a model says to a request, in the shapes of the three APIs, whole and as events.

A model here is a rule: given tools it calls the first of them, given the result of a call it says that, asked for an
object of a schema it gives one, and otherwise it greets. So a test knows what must arrive.
"""

import json
from dataclasses import dataclass

CITY = {"city": "Oslo"}


@dataclass
class Said:
    text: str | None = None
    tool: str | None = None  # the name of the tool that it calls

    def pieces(self):
        return [self.text[at : at + 5] for at in range(0, len(self.text), 5)]


def arguments_in_pieces():
    text = json.dumps(CITY)
    return [text[:5], text[5:]]


def say(name, tools, result, wants_object):
    if result is not None:
        return Said(text=f"{name} heard: {result}")
    if tools:
        return Said(tool=tools[0])
    return Said(text=json.dumps(CITY) if wants_object else f"Hello from {name}, wörd by wörd.")


def plain(content):
    """The text of a content that is a text or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or plain(part.get("content") or "") for part in content)


class Chat:
    """`POST /v1/chat/completions`"""

    def __init__(self, name, body):
        self.model, self.body = body["model"], body
        last = body["messages"][-1]
        self.prompt = plain(last.get("content") or "")
        tools = [tool["function"]["name"] for tool in body.get("tools") or []]
        result = self.prompt if last["role"] == "tool" else None
        wants_object = (body.get("response_format") or {}).get("type") in ("json_schema", "json_object")
        self.said = say(name, tools, result, wants_object)
        self.usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        self.finish = "tool_calls" if self.said.tool else "stop"

    def call(self, arguments):
        return {"id": "call_1", "type": "function", "function": {"name": self.said.tool, "arguments": arguments}}

    def whole(self):
        message = {"role": "assistant", "content": self.said.text, "refusal": None}
        if self.said.tool:
            message["tool_calls"] = [self.call(json.dumps(CITY))]
        choice = {"index": 0, "message": message, "finish_reason": self.finish, "logprobs": None}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": self.model}
        return {**head, "choices": [choice], "usage": self.usage}

    def events(self):
        yield self.chunk({"role": "assistant", "content": None if self.said.tool else ""})
        if self.said.tool:
            yield self.chunk({"tool_calls": [{"index": 0, **self.call("")}]})
            for piece in arguments_in_pieces():
                yield self.chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        else:
            for piece in self.said.pieces():
                yield self.chunk({"content": piece})
        yield self.chunk({}, self.finish)
        if (self.body.get("stream_options") or {}).get("include_usage"):
            yield self.chunk(None, usage=self.usage)
        yield None, "[DONE]"

    def chunk(self, delta, finish=None, **more):
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model}
        return None, json.dumps({**head, "choices": choices, **more}, ensure_ascii=False)


class Responses:
    """`POST /v1/responses`"""

    def __init__(self, name, body):
        self.model = body["model"]
        asked = body["input"]
        last = asked[-1] if isinstance(asked, list) else {"content": asked}
        self.prompt = plain(last.get("content") or "")
        tools = [tool["name"] for tool in body.get("tools") or [] if tool["type"] == "function"]
        result = last.get("output") if last.get("type") == "function_call_output" else None
        shape = ((body.get("text") or {}).get("format") or {}).get("type")
        self.said = say(name, tools, result, shape == "json_schema")

    def item(self, status):
        done = status == "completed"
        if self.said.tool:
            call = {"id": "fc_1", "type": "function_call", "status": status, "call_id": "call_1"}
            return {**call, "name": self.said.tool, "arguments": json.dumps(CITY) if done else ""}
        content = [self.part(self.said.text)] if done else []
        return {"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": content}

    def part(self, text):
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def whole(self, status="completed"):
        done = status == "completed"
        details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, **details} if done else None
        head = {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": self.model}
        head |= {"error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "tools": []}
        head |= {"parallel_tool_calls": True, "tool_choice": "auto", "temperature": 1, "top_p": 1}
        return {**head, "output": [self.item("completed")] if done else [], "usage": usage}

    def events(self):
        numbered = enumerate(self.unnumbered())
        for number, (kind, event) in numbered:
            yield kind, json.dumps({"type": kind, **event, "sequence_number": number}, ensure_ascii=False)

    def unnumbered(self):
        yield "response.created", {"response": self.whole("in_progress")}
        yield "response.output_item.added", {"output_index": 0, "item": self.item("in_progress")}
        if self.said.tool:
            place = {"item_id": "fc_1", "output_index": 0}
            for piece in arguments_in_pieces():
                yield "response.function_call_arguments.delta", {**place, "delta": piece}
            arguments = {"name": self.said.tool, "arguments": json.dumps(CITY)}
            yield "response.function_call_arguments.done", {**place, **arguments}
        else:
            place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
            yield "response.content_part.added", {**place, "part": self.part("")}
            for piece in self.said.pieces():
                yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
            yield "response.output_text.done", {**place, "text": self.said.text, "logprobs": []}
            yield "response.content_part.done", {**place, "part": self.part(self.said.text)}
        yield "response.output_item.done", {"output_index": 0, "item": self.item("completed")}
        yield "response.completed", {"response": self.whole()}


class Messages:
    """`POST /v1/messages`, Anthropic's"""

    def __init__(self, name, body):
        self.model = body["model"]
        last = body["messages"][-1]["content"]
        self.prompt = plain(last)
        is_result = isinstance(last, list) and any(part["type"] == "tool_result" for part in last)
        tools = [tool["name"] for tool in body.get("tools") or []]
        wants_object = "output_config" in body or "output_format" in body
        self.said = say(name, tools, self.prompt if is_result else None, wants_object)
        self.stop = "tool_use" if self.said.tool else "end_turn"

    def block(self, full):
        if self.said.tool:
            return {"type": "tool_use", "id": "toolu_1", "name": self.said.tool, "input": CITY if full else {}}
        return {"type": "text", "text": self.said.text if full else ""}

    def whole(self, full=True):
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "stop_sequence": None}
        head |= {"content": [self.block(True)] if full else [], "stop_reason": self.stop if full else None}
        return {**head, "usage": {"input_tokens": 3, "output_tokens": 4 if full else 1}}

    def events(self):
        for kind, event in self.plain_events():
            yield kind, json.dumps({"type": kind, **event}, ensure_ascii=False)

    def plain_events(self):
        yield "message_start", {"message": self.whole(full=False)}
        yield "content_block_start", {"index": 0, "content_block": self.block(False)}
        yield "ping", {}
        if self.said.tool:
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in arguments_in_pieces()]
        else:
            deltas = [{"type": "text_delta", "text": piece} for piece in self.said.pieces()]
        for delta in deltas:
            yield "content_block_delta", {"index": 0, "delta": delta}
        yield "content_block_stop", {"index": 0}
        yield "message_delta", {"delta": {"stop_reason": self.stop, "stop_sequence": None}, "usage": {"output_tokens": 4}}
        yield "message_stop", {}


SHAPES = {"/v1/chat/completions": Chat, "/v1/responses": Responses, "/v1/messages": Messages}
