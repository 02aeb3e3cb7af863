// The Vercel AI SDK, unmodified, through the gateway; stage.py starts it.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { all, FAIL_400, FAIL_429, HEARD, HELLO, key, packages, url, VECTOR } from "./surroundings.mjs";

const { APICallError, embedMany, generateText, Output, stepCountIs, streamText, tool } = packages("ai");
const { createOpenAI } = packages("@ai-sdk/openai");
const { createOpenAICompatible } = packages("@ai-sdk/openai-compatible");
const { z } = packages("zod");

const own = (apiKey = key) => createOpenAI({ baseURL: url, apiKey });
const compatible = (apiKey = key) =>
  createOpenAICompatible({ name: "gateway", baseURL: url, apiKey, includeUsage: true, supportsStructuredOutputs: true });
// What is stored stays at the primary.
const providerOptions = { openai: { store: false } };

const weather = tool({
  description: "the weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async () => "7 degrees",
});

const kinds = [
  ["@ai-sdk/openai, responses", (apiKey) => own(apiKey).responses("chat")],
  ["@ai-sdk/openai, chat", (apiKey) => own(apiKey).chat("chat")],
  ["@ai-sdk/openai-compatible", (apiKey) => compatible(apiKey).chatModel("chat")],
];

for (const [name, model] of kinds) {
  describe(name, () => {
    const asked = (prompt, more = {}) => ({ model: model(), prompt, providerOptions, maxRetries: 0, ...more });

    it("a whole answer", async () => {
      const { text, usage } = await generateText(asked("hello"));
      assert.equal(text, HELLO);
      assert.equal(usage.totalTokens, 7);
    });

    it("a streamed answer", async () => {
      const result = streamText(asked("hello"));
      const texts = await all(result.textStream);
      assert.equal(texts.join(""), HELLO);
      assert.ok(texts.length > 3);
      assert.equal((await result.usage).totalTokens, 7);
      assert.equal(await result.finishReason, "stop");
    });

    it("streams side by side", async () => {
      const texts = Array.from({ length: 10 }, async () => (await all(streamText(asked("hello")).textStream)).join(""));
      assert.deepEqual(await Promise.all(texts), Array(10).fill(HELLO));
    });

    it("a tool is called and its result goes back", async () => {
      const { text, steps } = await generateText(asked("the weather?", { tools: { weather }, stopWhen: stepCountIs(2) }));
      assert.deepEqual(steps[0].toolCalls.map((call) => [call.toolName, call.input]), [["weather", { city: "Oslo" }]]);
      assert.equal(text, HEARD);
    });

    it("a tool is called in a stream, and its result goes back", async () => {
      const result = streamText(asked("the weather?", { tools: { weather }, stopWhen: stepCountIs(2) }));
      const parts = await all(result.fullStream);
      const calls = parts.filter((part) => part.type === "tool-call");
      assert.deepEqual(calls.map((call) => [call.toolName, call.input]), [["weather", { city: "Oslo" }]]);
      assert.equal(await result.text, HEARD);
    });

    it("structured output", async () => {
      const output = Output.object({ schema: z.object({ city: z.string() }) });
      assert.deepEqual((await generateText(asked("where?", { output }))).output, { city: "Oslo" });
    });

    it("a refused request is an APICallError", async () => {
      await assert.rejects(generateText(asked(FAIL_400)), (error) => {
        assert.ok(APICallError.isInstance(error));
        assert.deepEqual([error.statusCode, error.isRetryable], [400, false]);
        assert.match(error.message, /was asked to fail/);
        return true;
      });
    });

    it("a limit is an APICallError that may be tried again", async () => {
      await assert.rejects(generateText(asked(FAIL_429)), (error) => {
        assert.ok(APICallError.isInstance(error));
        assert.deepEqual([error.statusCode, error.isRetryable], [429, true]);
        return true;
      });
    });

    it("a limit before a stream is its error", async () => {
      const errors = [];
      const result = streamText(asked(FAIL_429, { onError: ({ error }) => errors.push(error) }));
      await all(result.textStream);
      assert.deepEqual(errors.map((error) => error.statusCode), [429]);
    });

    it("a wrong key is an APICallError with the gateway's message", async () => {
      await assert.rejects(generateText({ ...asked("hello"), model: model("cgk-nobodys") }), (error) => {
        assert.ok(APICallError.isInstance(error));
        assert.equal(error.statusCode, 401);
        assert.match(error.message, /Incorrect API key provided/);
        return true;
      });
    });
  });
}

describe("embeddings", () => {
  for (const [name, model] of [
    ["@ai-sdk/openai", () => own().embedding("embedding")],
    ["@ai-sdk/openai-compatible", () => compatible().embeddingModel("embedding")],
  ]) {
    it(name, async () => {
      const { embeddings } = await embedMany({ model: model(), values: ["one", "two"], maxRetries: 0 });
      assert.deepEqual(embeddings, [VECTOR, VECTOR]);
    });
  }
});
