"""Anthropic's package for Python, unmodified, through the gateway; stage.py starts it."""

import asyncio
import sys
import unittest

import anthropic

from harness import report
from surroundings import FAIL_400, FAIL_429, HEARD, HELLO, KEY, OSLO, SERVED_BY, URL, City

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": "weather", "description": "the weather", "input_schema": SCHEMA}]
# The package puts `/v1` behind it itself.
BASE = URL.removesuffix("/v1")


def asked(prompt, **options):
    return {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": prompt}], **options}


class Messages(unittest.TestCase):
    def setUp(self):
        self.client = self.enterContext(anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0))

    def test_a_whole_answer(self):
        answer = self.client.messages.create(**asked("hello"))
        self.assertEqual((answer.content[0].text, answer.stop_reason), (HELLO, "end_turn"))
        self.assertEqual((answer.model, answer.usage.output_tokens), (f"{SERVED_BY}-claude", 4))

    def test_the_key_may_be_a_bearers(self):
        with anthropic.Anthropic(base_url=BASE, auth_token=KEY, max_retries=0) as client:
            self.assertEqual(client.messages.create(**asked("hello")).content[0].text, HELLO)

    def test_a_streamed_answer(self):
        with self.client.messages.stream(**asked("hello")) as stream:
            texts = list(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual("".join(texts), HELLO)
        self.assertGreater(len(texts), 3)
        self.assertEqual((final.stop_reason, final.usage.output_tokens), ("end_turn", 4))

    def test_the_plain_events(self):
        kinds = [event.type for event in self.client.messages.create(**asked("hello", stream=True))]
        self.assertEqual((kinds[0], kinds[-1]), ("message_start", "message_stop"))

    def test_an_asynchronous_stream(self):
        async def words():
            async with anthropic.AsyncAnthropic(base_url=BASE, api_key=KEY, max_retries=0) as client:
                async with client.messages.stream(**asked("hello")) as stream:
                    return "".join([text async for text in stream.text_stream])

        self.assertEqual(asyncio.run(words()), HELLO)

    def test_a_tool_is_called_and_its_result_goes_back(self):
        question = asked("the weather in Oslo?", tools=TOOLS)
        answer = self.client.messages.create(**question)
        call = answer.content[0]
        self.assertEqual((call.name, call.input, answer.stop_reason), ("weather", {"city": "Oslo"}, "tool_use"))
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "7 degrees"}
        history = [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
        again = self.client.messages.create(**{**question, "messages": question["messages"] + history})
        self.assertEqual(again.content[0].text, HEARD)

    def test_a_tool_is_called_in_a_stream(self):
        with self.client.messages.stream(**asked("the weather in Oslo?", tools=TOOLS)) as stream:
            call = stream.get_final_message().content[0]
        self.assertEqual((call.name, call.input), ("weather", {"city": "Oslo"}))

    def test_structured_output(self):
        answer = self.client.messages.parse(**asked("where?"), output_format=City)
        self.assertEqual(answer.parsed_output, OSLO)

    def test_counting_tokens(self):
        messages = asked("hello")["messages"]
        self.assertEqual(self.client.messages.count_tokens(model="claude", messages=messages).input_tokens, 3)

    def test_a_refused_request_is_a_bad_request(self):
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.client.messages.create(**asked(FAIL_400))
        self.assertEqual(caught.exception.body["error"]["type"], "invalid_request_error")

    def test_a_limit_is_a_rate_limit_error(self):
        with self.assertRaises(anthropic.RateLimitError):
            self.client.messages.create(**asked(FAIL_429))
        with self.assertRaises(anthropic.RateLimitError):
            list(self.client.messages.create(**asked(FAIL_429, stream=True)))

    def test_a_wrong_key_is_an_authentication_error_in_the_packages_own_shape(self):
        with anthropic.Anthropic(base_url=BASE, api_key="cgk-nobodys", max_retries=0) as client:
            with self.assertRaises(anthropic.AuthenticationError) as caught:
                client.messages.create(**asked("hello"))
        self.assertEqual(caught.exception.body["type"], "error")
        self.assertEqual(caught.exception.body["error"]["type"], "authentication_error")

    def test_a_body_without_a_model_is_a_bad_request_of_the_gateways(self):
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.client.messages.create(**asked("hello", model=""))
        self.assertEqual(caught.exception.body["error"]["type"], "invalid_request_error")


if __name__ == "__main__":
    print(f"anthropic {anthropic.__version__} of Python", flush=True)
    sys.exit(report(sys.modules[__name__]))
