"""The current `openai` package of Python, unmodified, against the running program.

`run` in this directory installs the package and starts these; COMETGATE names the program.
"""

import asyncio
import json
import os
import platform
import re
import sys
import unittest

import openai
from openai import AsyncOpenAI, OpenAI

from harness import DEADLINE, Demo, HeldProvider, Served, report

ASK = [{"role": "user", "content": "hello"}]
HELLO = re.compile(r"^Hello from (primary|cometapi): this is a scripted answer\.$")


def client(gateway, **options):
    """A client that fails instead of trying again or waiting for long."""
    options = {"base_url": gateway.base_url, "api_key": gateway.api_key, **options}
    return OpenAI(max_retries=0, timeout=DEADLINE, **options)


def async_client(gateway):
    return AsyncOpenAI(
        base_url=gateway.base_url, api_key=gateway.api_key, max_retries=0, timeout=DEADLINE
    )


class AgainstTheDemo(unittest.TestCase):
    """As the demo says: two exported variables, and the client takes them from there."""

    @classmethod
    def setUpClass(cls):
        cls.demo = cls.enterClassContext(Demo())
        os.environ["OPENAI_BASE_URL"] = cls.demo.base_url
        os.environ["OPENAI_API_KEY"] = cls.demo.api_key
        # The very client of the demo's snippet, with all its defaults.
        cls.client = cls.enterClassContext(OpenAI())

    def test_chat(self):
        answer = self.client.chat.completions.create(model="demo-chat", messages=ASK)
        self.assertRegex(answer.choices[0].message.content, HELLO)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertIn(answer.model, ("primary-model-1", "comet-model-1"))
        self.assertGreater(answer.usage.total_tokens, 0)

    def test_chat_streaming(self):
        stream = self.client.chat.completions.create(
            model="demo-chat", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        contents = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
        self.assertRegex("".join(filter(None, contents)), HELLO)
        self.assertEqual(len(list(filter(None, contents))), 8)
        self.assertEqual(chunks[-2].choices[0].finish_reason, "stop")
        self.assertGreater(chunks[-1].usage.total_tokens, 0)

    def test_chat_streaming_with_the_helper(self):
        with self.client.chat.completions.stream(model="demo-chat", messages=ASK) as stream:
            kinds = {event.type for event in stream}
            answer = stream.get_final_completion()
        self.assertLessEqual({"chunk", "content.delta", "content.done"}, kinds)
        self.assertRegex(answer.choices[0].message.content, HELLO)

    def test_responses(self):
        answer = self.client.responses.create(model="demo-chat", input="hello")
        self.assertRegex(answer.output_text, HELLO)
        self.assertEqual(answer.status, "completed")

    def test_responses_streaming(self):
        events = list(self.client.responses.create(model="demo-chat", input="hello", stream=True))
        self.assertEqual(events[0].type, "response.created")
        self.assertEqual(events[-1].type, "response.completed")
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        self.assertRegex("".join(deltas), HELLO)
        self.assertEqual(events[-1].response.output_text, "".join(deltas))

    def test_responses_streaming_with_the_helper(self):
        with self.client.responses.stream(model="demo-chat", input="hello") as stream:
            for _ in stream:
                pass
            self.assertRegex(stream.get_final_response().output_text, HELLO)

    def test_embeddings(self):
        texts = ["one", "two", "three"]
        by_default = self.client.embeddings.create(model="demo-embedding", input=texts)
        as_numbers = self.client.embeddings.create(
            model="demo-embedding", input=texts, encoding_format="float"
        )
        self.assertEqual([item.index for item in by_default.data], [0, 1, 2])
        self.assertEqual(len(by_default.data[0].embedding), 8)
        # The default is base64 on the wire: bytes that no one on the way may touch.
        self.assertEqual(
            [item.embedding for item in by_default.data], [item.embedding for item in as_numbers.data]
        )

    def test_models(self):
        listed = [model.id for model in self.client.models.list()]
        self.assertEqual(sorted(listed), ["demo-chat", "demo-embedding"])
        self.assertEqual([self.client.models.retrieve(name).id for name in listed], listed)

    def test_a_wrong_key_is_an_authentication_error(self):
        with self.assertRaises(openai.AuthenticationError) as caught:
            client(self.demo, api_key="sk-somebody-elses").chat.completions.create(
                model="demo-chat", messages=ASK
            )
        self.assertEqual(caught.exception.status_code, 401)
        self.assertEqual(caught.exception.code, "invalid_api_key")
        self.assertIn("Incorrect API key provided", caught.exception.message)

    def test_a_model_that_is_no_text_is_a_bad_request(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            client(self.demo).chat.completions.create(model=5, messages=ASK)
        self.assertEqual((caught.exception.param, caught.exception.code), ("model", "invalid_type"))
        self.assertIn("`model` must be a non-empty string", caught.exception.message)

    def test_a_base_url_without_v1_is_not_found_and_says_so(self):
        base_url = self.demo.base_url.removesuffix("/v1")
        with self.assertRaises(openai.NotFoundError) as caught:
            client(self.demo, base_url=base_url).chat.completions.create(model="demo-chat", messages=ASK)
        self.assertEqual(caught.exception.code, "unknown_path")
        self.assertIn("/v1", caught.exception.message)

    def test_a_model_that_the_primary_does_not_know_is_the_primarys_not_found(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            client(self.demo).models.retrieve("no-such-model")
        self.assertEqual(caught.exception.code, "model_not_found")

    def test_any_other_path_goes_to_the_primary(self):
        answer = self.client.get("/vector_stores?limit=2", cast_to=object)
        self.assertEqual(answer["provider"], "primary")
        self.assertEqual(answer["path"], "/v1/vector_stores?limit=2")

    def test_a_stream_may_be_left(self):
        with Demo() as demo, client(demo) as leaving:
            with leaving.chat.completions.create(model="demo-chat", messages=ASK, stream=True) as stream:
                next(iter(stream))
            demo.stdout.wait_for(r"client_gone")
            answer = leaving.chat.completions.create(model="demo-chat", messages=ASK)
            self.assertRegex(answer.choices[0].message.content, HELLO)

    def test_a_user_stays_on_one_side(self):
        def model(user):
            asked = {"model": "demo-chat", "messages": ASK, "user": user}
            return self.client.chat.completions.create(**asked).model

        first = {user: model(user) for user in map(str, range(24))}
        self.assertEqual(len(set(first.values())), 2, "24 users at 50%")
        self.assertEqual({user: model(user) for user in first}, first)

    def test_editing_the_route_file_moves_the_canary(self):
        with Demo(share="0%") as demo, client(demo) as asking:

            def model():
                return asking.chat.completions.create(model="demo-chat", messages=ASK).model

            self.assertEqual({model() for _ in range(10)}, {"primary-model-1"})
            text = demo.routes.read_text()
            demo.routes.write_text(text.replace('share = "0%"', 'share = "100%"').replace("demo.1", "demo.2"))
            demo.stderr.wait_for(r"route map \S+ is live")
            self.assertEqual({model() for _ in range(10)}, {"comet-model-1"})


class Async(unittest.IsolatedAsyncioTestCase):
    """The asynchronous client over its default transport, which speaks HTTP/1.1."""

    async def asyncSetUp(self):
        self.demo = self.enterContext(Demo())
        self.client = await self.enterAsyncContext(async_client(self.demo))

    async def test_streams_side_by_side(self):
        async def words():
            asked = {"model": "demo-chat", "messages": ASK, "stream": True}
            stream = await self.client.chat.completions.create(**asked)
            self.assertEqual(stream.response.http_version, "HTTP/1.1")
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        for text in await asyncio.gather(*[words() for _ in range(20)]):
            self.assertRegex(text, HELLO)

    async def test_responses_streaming(self):
        stream = await self.client.responses.create(model="demo-chat", input="hello", stream=True)
        last = [event async for event in stream][-1]
        self.assertEqual(last.type, "response.completed")
        self.assertRegex(last.response.output_text, HELLO)

    async def test_a_task_that_is_cancelled_leaves_its_stream(self):
        begun = asyncio.Event()

        async def read():
            asked = {"model": "demo-chat", "messages": ASK, "stream": True}
            async with await self.client.chat.completions.create(**asked) as stream:
                async for _ in stream:
                    begun.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(begun.wait(), DEADLINE)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(self.demo.stdout.wait_for, r"client_gone")


class BeforeProvidersThatWait(unittest.TestCase):
    """`init` and `serve` before two providers of ours, whose second event waits until a test says so."""

    def setUp(self):
        self.primary = self.enterContext(HeldProvider("primary"))
        self.canary = self.enterContext(HeldProvider("canary"))

    def serve(self, share, *options, edit=None):
        options += ("--share", share, "--model", "gpt-5.4=gpt-5.4-home,gpt-5.4-comet")
        return self.enterContext(Served(self.primary, self.canary, *options, edit=edit))

    def serve_with_own_keys(self, share, **more):
        return self.serve(share, "--primary-key-env", "PRIMARY_KEY", **more)

    def arrives_as_sent(self, stream, provider, text):
        """The first event is here while the provider still holds the second."""
        events = iter(stream)
        self.assertEqual(text(next(events)), "one")
        request = provider.request(1)
        self.assertFalse(request.sent_second)
        request.second.set()
        rest = "".join(filter(None, map(text, events)))
        self.assertTrue(request.sent_second)
        self.assertEqual(rest, f" two from {provider.name}")
        return request

    def test_chat_from_the_primary_arrives_as_sent(self):
        asking = client(self.serve_with_own_keys("0%"))
        stream = asking.chat.completions.create(model="gpt-5.4", messages=ASK, stream=True)
        request = self.arrives_as_sent(stream, self.primary, lambda chunk: chunk.choices[0].delta.content)
        self.assertEqual(request.authorization, "Bearer sk-primary")
        self.assertEqual(json.loads(request.body)["model"], "gpt-5.4-home")
        self.assertEqual(self.canary.requests, [])

    def test_chat_from_the_canary_arrives_as_sent(self):
        asking = client(self.serve_with_own_keys("100%"))
        stream = asking.chat.completions.create(model="gpt-5.4", messages=ASK, stream=True)
        request = self.arrives_as_sent(stream, self.canary, lambda chunk: chunk.choices[0].delta.content)
        self.assertEqual(request.authorization, "Bearer sk-comet")
        self.assertEqual(json.loads(request.body)["model"], "gpt-5.4-comet")
        self.assertEqual(self.primary.requests, [])

    def test_responses_arrive_as_sent(self):
        # Stored responses stay home unless a route says otherwise; this is about time, not place.
        asking = client(self.serve_with_own_keys("0%"))
        stream = asking.responses.create(model="gpt-5.4", input="hello", stream=True)
        self.arrives_as_sent(stream, self.primary, lambda event: getattr(event, "delta", None))

    def test_an_asynchronous_stream_arrives_as_sent(self):
        gateway = self.serve_with_own_keys("100%")

        async def read():
            async with async_client(gateway) as asking:
                stream = await asking.chat.completions.create(model="gpt-5.4", messages=ASK, stream=True)
                first = await anext(stream)
                self.assertEqual(first.choices[0].delta.content, "one")
                request = self.canary.request(1)
                self.assertFalse(request.sent_second)
                request.second.set()
                return [chunk.choices[0].delta.content async for chunk in stream]

        self.assertEqual(asyncio.run(read()), [" two from canary", None])

    def test_leaving_a_stream_ends_it_at_the_provider(self):
        asking = client(self.serve_with_own_keys("100%"))
        with asking.chat.completions.create(model="gpt-5.4", messages=ASK, stream=True) as stream:
            next(iter(stream))
        self.assertTrue(self.canary.request(1).left.wait(DEADLINE))
        # The client's next request is none the worse for it.
        answer = asking.chat.completions.create(model="gpt-5.4", messages=ASK)
        self.assertEqual(answer.choices[0].message.content, "one two from canary")

    def test_an_application_may_keep_its_own_key(self):
        gateway = self.serve("100%")
        asking = client(gateway, api_key="sk-the-applications-own")

        def provider():
            answer = asking.chat.completions.create(model="gpt-5.4", messages=ASK)
            return answer.choices[0].message.content.removeprefix("one two from ")

        # The canary is paid by our key: only once the primary has accepted the caller's does anything go there.
        self.assertEqual([provider() for _ in range(3)], ["primary", "canary", "canary"])
        keys = {request.authorization for request in self.primary.requests}
        self.assertEqual(keys, {"Bearer sk-the-applications-own"})
        self.assertEqual({request.authorization for request in self.canary.requests}, {"Bearer sk-comet"})

    def test_a_model_that_no_alias_lists_is_not_found_where_the_map_refuses_it(self):
        def refuse(text):
            changed = text.replace('unlisted_models = "primary"', 'unlisted_models = "refuse"')
            self.assertNotEqual(changed, text)
            return changed

        asking = client(self.serve_with_own_keys("5%", edit=refuse))
        with self.assertRaises(openai.NotFoundError) as caught:
            asking.chat.completions.create(model="gpt-9", messages=ASK)
        self.assertEqual((caught.exception.param, caught.exception.code), ("model", "model_not_found"))
        self.assertIn("gpt-9", caught.exception.message)


def main():
    print(f"openai {openai.__version__} of Python {platform.python_version()}", flush=True)
    return report(sys.modules[__name__])


if __name__ == "__main__":
    sys.exit(main())
