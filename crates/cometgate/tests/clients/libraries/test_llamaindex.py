"""LlamaIndex's OpenAI packages, unmodified, through the gateway; stage.py starts it."""

import asyncio
import sys
import unittest
from importlib.metadata import version

import openai
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI

from harness import report
from surroundings import FAIL_400, FAIL_429, HEARD, HELLO, KEY, OSLO, URL, VECTOR, City, weather

ASK = [ChatMessage(role="user", content="hello")]
WEATHER = FunctionTool.from_defaults(weather)


class Named(OpenAI):
    """It looks the size of the context up by the model's name, which an alias is not in its table with."""

    @property
    def metadata(self):
        return OpenAI(model="gpt-4o", api_key="none").metadata.model_copy(update={"model_name": self.model})


def llm(**options):
    return Named(**{"model": "chat", "api_base": URL, "api_key": KEY, "max_retries": 0, **options})


class Chat(unittest.TestCase):
    def test_a_whole_answer(self):
        self.assertEqual(llm().chat(ASK).message.content, HELLO)
        self.assertEqual(llm().complete("hello").text, HELLO)

    def test_a_streamed_answer(self):
        deltas = [chunk.delta for chunk in llm().stream_chat(ASK) if chunk.delta]
        self.assertEqual("".join(deltas), HELLO)
        self.assertGreater(len(deltas), 3)

    def test_an_asynchronous_stream(self):
        async def words():
            return "".join([chunk.delta or "" async for chunk in await llm().astream_chat(ASK)])

        self.assertEqual(asyncio.run(words()), HELLO)

    def test_a_tool_is_called_and_its_result_goes_back(self):
        model = llm()
        answer = model.chat_with_tools([WEATHER], user_msg="the weather in Oslo?")
        call = model.get_tool_calls_from_response(answer)[0]
        self.assertEqual((call.tool_name, call.tool_kwargs), ("weather", {"city": "Oslo"}))
        result = WEATHER(**call.tool_kwargs)
        told = ChatMessage(role="tool", content=str(result), additional_kwargs={"tool_call_id": call.tool_id})
        history = [ChatMessage(role="user", content="the weather in Oslo?"), answer.message, told]
        self.assertEqual(model.chat(history).message.content, HEARD)

    def test_a_tool_is_called_in_a_stream(self):
        model = llm()
        *_, last = model.stream_chat_with_tools([WEATHER], user_msg="the weather in Oslo?")
        call = model.get_tool_calls_from_response(last)[0]
        self.assertEqual((call.tool_name, call.tool_kwargs), ("weather", {"city": "Oslo"}))

    def test_structured_output(self):
        self.assertEqual(llm().structured_predict(City, PromptTemplate("where?")), OSLO)

    def test_a_refused_request_is_a_bad_request(self):
        with self.assertRaises(openai.BadRequestError):
            llm().complete(FAIL_400)

    def test_a_limit_is_a_rate_limit_error(self):
        with self.assertRaises(openai.RateLimitError):
            list(llm().stream_complete(FAIL_429))

    def test_a_wrong_key_is_an_authentication_error(self):
        with self.assertRaises(openai.AuthenticationError):
            llm(api_key="cgk-nobodys").chat(ASK)


class Embeddings(unittest.TestCase):
    def test_embeddings(self):
        model = OpenAIEmbedding(model_name="embedding", api_base=URL, api_key=KEY, max_retries=0)
        self.assertEqual(model.get_text_embedding_batch(["one", "two"]), [VECTOR, VECTOR])
        self.assertEqual(model.get_query_embedding("one"), VECTOR)


if __name__ == "__main__":
    print(f"llama-index-llms-openai {version('llama-index-llms-openai')}", flush=True)
    sys.exit(report(sys.modules[__name__]))
