"""LiteLLM as a client, unmodified, through the gateway; stage.py starts it."""

import asyncio
import json
import os
import sys
import unittest
from importlib.metadata import version

# It would fetch its table of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from harness import report
from surroundings import FAIL_400, FAIL_429, HEARD, HELLO, KEY, OSLO, URL, VECTOR, City

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "the weather", "parameters": PARAMETERS}}]


def asked(prompt, **options):
    messages = [{"role": "user", "content": prompt}]
    options = {"model": "openai/chat", "api_base": URL, "api_key": KEY, "messages": messages, **options}
    return {"num_retries": 0, "max_retries": 0, **options}


def calls(message):
    return [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls]


class Chat(unittest.TestCase):
    def test_a_whole_answer(self):
        answer = litellm.completion(**asked("hello"))
        self.assertEqual(answer.choices[0].message.content, HELLO)
        self.assertEqual(answer.usage.total_tokens, 7)

    def test_a_streamed_answer(self):
        chunks = list(litellm.completion(**asked("hello", stream=True, stream_options={"include_usage": True})))
        texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
        self.assertEqual("".join(filter(None, texts)), HELLO)
        self.assertEqual(chunks[-1].usage.total_tokens, 7)

    def test_an_asynchronous_stream(self):
        async def words():
            stream = await litellm.acompletion(**asked("hello", stream=True))
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        self.assertEqual(asyncio.run(words()), HELLO)

    def test_a_tool_is_called_and_its_result_goes_back(self):
        question = asked("the weather in Oslo?", tools=TOOLS)
        message = litellm.completion(**question).choices[0].message
        self.assertEqual(calls(message), [("weather", {"city": "Oslo"})])
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "7 degrees"}
        messages = [*question["messages"], message.model_dump(), result]
        again = litellm.completion(**{**question, "messages": messages})
        self.assertEqual(again.choices[0].message.content, HEARD)

    def test_a_tool_is_called_in_a_stream(self):
        chunks = list(litellm.completion(**asked("the weather in Oslo?", tools=TOOLS, stream=True)))
        whole = litellm.stream_chunk_builder(chunks)
        self.assertEqual(calls(whole.choices[0].message), [("weather", {"city": "Oslo"})])

    def test_structured_output(self):
        answer = litellm.completion(**asked("where?", response_format=City))
        self.assertEqual(City.model_validate_json(answer.choices[0].message.content), OSLO)

    def test_a_refused_request_is_a_bad_request(self):
        with self.assertRaises(litellm.BadRequestError):
            litellm.completion(**asked(FAIL_400))

    def test_a_limit_is_a_rate_limit_error(self):
        for stream in (False, True):
            with self.assertRaises(litellm.RateLimitError):
                list(litellm.completion(**asked(FAIL_429, stream=stream)))

    def test_a_wrong_key_is_an_authentication_error(self):
        with self.assertRaises(litellm.AuthenticationError):
            litellm.completion(**asked("hello", api_key="cgk-nobodys"))


class Others(unittest.TestCase):
    def test_responses(self):
        answer = litellm.responses(model="openai/chat", input="hello", store=False, api_base=URL, api_key=KEY)
        self.assertEqual(answer.output[0].content[0].text, HELLO)

    def test_anthropics_api(self):
        # It puts `/v1/messages` behind the base URL itself.
        base = URL.removesuffix("/v1")
        answer = litellm.completion(**asked("hello", model="anthropic/claude", api_base=base))
        self.assertEqual(answer.choices[0].message.content, HELLO)

    def test_embeddings(self):
        options = {"api_base": URL, "api_key": KEY, "encoding_format": "float"}
        answer = litellm.embedding(model="openai/embedding", input=["one", "two"], **options)
        self.assertEqual([item["embedding"] for item in answer.data], [VECTOR, VECTOR])


if __name__ == "__main__":
    print(f"litellm {version('litellm')}", flush=True)
    sys.exit(report(sys.modules[__name__]))
