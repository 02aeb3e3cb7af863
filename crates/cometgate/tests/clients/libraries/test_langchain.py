"""LangChain's `langchain-openai`, unmodified, through the gateway; stage.py starts it."""

import asyncio
import sys
import unittest
from importlib.metadata import version

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from harness import report
from surroundings import FAIL_400, FAIL_429, HEARD, HELLO, KEY, OSLO, SERVED_BY, URL, VECTOR, City, weather

WEATHER = tool(weather)
# One loop for all tests: the package keeps its connections beyond a model, and they belong to a loop.
LOOP = asyncio.Runner()
tearDownModule = LOOP.close


def chat(**options):
    return ChatOpenAI(**{"model": "chat", "base_url": URL, "api_key": KEY, "max_retries": 0, **options})


class Chat(unittest.TestCase):
    def model(self, **options):
        return chat(**options)

    def test_a_whole_answer(self):
        answer = self.model().invoke("hello")
        self.assertEqual(answer.text, HELLO)
        self.assertEqual(answer.usage_metadata["total_tokens"], 7)
        self.assertEqual(answer.response_metadata["model_name"], f"{SERVED_BY}-chat")

    def test_a_streamed_answer(self):
        chunks = list(self.model(stream_usage=True).stream("hello"))
        texts = [chunk.text for chunk in chunks if chunk.text]
        self.assertEqual("".join(texts), HELLO)
        self.assertGreater(len(texts), 3)
        self.assertEqual(sum((c.usage_metadata or {}).get("total_tokens", 0) for c in chunks), 7)

    def test_asynchronous_streams_side_by_side(self):
        async def words():
            return "".join([chunk.text async for chunk in self.model().astream("hello")])

        async def all_of_them():
            return await asyncio.gather(*[words() for _ in range(10)])

        self.assertEqual(LOOP.run(all_of_them()), [HELLO] * 10)

    def test_a_tool_is_called_and_its_result_goes_back(self):
        bound = self.model().bind_tools([WEATHER])
        asked = [HumanMessage("the weather in Oslo?")]
        answer = bound.invoke(asked)
        call = answer.tool_calls[0]
        self.assertEqual((call["name"], call["args"]), ("weather", {"city": "Oslo"}))
        result = ToolMessage(WEATHER.invoke(call["args"]), tool_call_id=call["id"])
        self.assertEqual(bound.invoke([*asked, answer, result]).text, HEARD)

    def test_a_tool_is_called_in_a_stream(self):
        whole = None
        for chunk in self.model().bind_tools([WEATHER]).stream("the weather in Oslo?"):
            whole = chunk if whole is None else whole + chunk
        self.assertEqual([(call["name"], call["args"]) for call in whole.tool_calls], [("weather", {"city": "Oslo"})])

    def test_structured_output(self):
        for method in ("json_schema", "function_calling"):
            self.assertEqual(self.model().with_structured_output(City, method=method).invoke("where?"), OSLO)

    def test_a_refused_request_is_a_bad_request(self):
        with self.assertRaises(openai.BadRequestError):
            self.model().invoke(FAIL_400)

    def test_a_limit_is_a_rate_limit_error(self):
        for ask in (self.model().invoke, lambda prompt: list(self.model().stream(prompt))):
            with self.assertRaises(openai.RateLimitError) as caught:
                ask(FAIL_429)
            self.assertEqual(caught.exception.code, "rate_limit_exceeded")

    def test_a_wrong_key_is_an_authentication_error(self):
        with self.assertRaises(openai.AuthenticationError):
            self.model(api_key="cgk-nobodys").invoke("hello")


class Responses(Chat):
    """The same over the Responses API, storing nothing: what is stored stays at the primary."""

    def model(self, **options):
        return chat(use_responses_api=True, store=False, **options)


class Embeddings(unittest.TestCase):
    def test_embeddings(self):
        # Without tiktoken's tables, which it would fetch.
        model = OpenAIEmbeddings(model="embedding", base_url=URL, api_key=KEY, check_embedding_ctx_length=False)
        self.assertEqual(model.embed_documents(["one", "two"]), [VECTOR, VECTOR])
        self.assertEqual(LOOP.run(model.aembed_query("one")), VECTOR)


if __name__ == "__main__":
    print(f"langchain-openai {version('langchain-openai')}, langchain-core {version('langchain-core')}", flush=True)
    sys.exit(report(sys.modules[__name__]))
