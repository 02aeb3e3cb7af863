// Anthropic's package for Node, unmodified, through the gateway; stage.py starts it.

import assert from "node:assert/strict";
import { it } from "node:test";

import { all, FAIL_400, FAIL_429, HEARD, HELLO, key, packages, servedBy, url } from "./surroundings.mjs";

const Anthropic = packages("@anthropic-ai/sdk").default;

// The package puts `/v1` behind it itself.
const connect = (apiKey = key) => new Anthropic({ baseURL: url.replace(/\/v1$/, ""), apiKey, maxRetries: 0 });
const asked = (content, more = {}) => ({ model: "claude", max_tokens: 100, messages: [{ role: "user", content }], ...more });
const input_schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ name: "weather", description: "the weather", input_schema }];

it("a whole answer", async () => {
  const answer = await connect().messages.create(asked("hello"));
  assert.deepEqual([answer.content[0].text, answer.model], [HELLO, `${servedBy}-claude`]);
});

it("a streamed answer", async () => {
  const stream = connect().messages.stream(asked("hello"));
  const kinds = (await all(stream)).map((event) => event.type);
  assert.deepEqual([kinds.at(0), kinds.at(-1)], ["message_start", "message_stop"]);
  assert.equal(await stream.finalText(), HELLO);
});

it("a tool is called and its result goes back", async () => {
  const question = asked("the weather?", { tools });
  const { content } = await connect().messages.create(question);
  assert.deepEqual([content[0].name, content[0].input], ["weather", { city: "Oslo" }]);
  const result = { type: "tool_result", tool_use_id: content[0].id, content: "7 degrees" };
  const messages = [...question.messages, { role: "assistant", content }, { role: "user", content: [result] }];
  const answer = await connect().messages.create({ ...question, messages });
  assert.equal(answer.content[0].text, HEARD);
});

it("a tool is called in a stream", async () => {
  const { content } = await connect().messages.stream(asked("the weather?", { tools })).finalMessage();
  assert.deepEqual([content[0].name, content[0].input], ["weather", { city: "Oslo" }]);
});

for (const [what, prompt, kind, apiKey] of [
  ["a refused request is a BadRequestError", FAIL_400, "BadRequestError"],
  ["a limit is a RateLimitError", FAIL_429, "RateLimitError"],
  ["a wrong key is an AuthenticationError", "hello", "AuthenticationError", "cgk-nobodys"],
]) {
  it(what, async () => {
    for (const stream of [false, true]) {
      await assert.rejects(connect(apiKey).messages.create(asked(prompt, { stream })), (error) => {
        assert.ok(error instanceof Anthropic[kind], `${error}`);
        assert.equal(error.error.type, "error");
        return true;
      });
    }
  });
}
