// The current `openai` package of Node, unmodified, against the running program.
//
// `run` in this directory installs the package and starts these; COMETGATE names the program, OPENAI_FROM the directory
// that the package is installed under.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { DEADLINE, demo, heldProvider, served, within } from "./harness.mjs";

const { OpenAI } = createRequire(join(process.env.OPENAI_FROM, "from-here.js"))("openai");

const messages = [{ role: "user", content: "hello" }];
const HELLO = /^Hello from (primary|cometapi): this is a scripted answer\.$/;

/** A client that fails instead of trying again or waiting for long. */
function client(gateway, options = {}) {
  const { baseURL, apiKey } = gateway;
  return new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: DEADLINE, ...options });
}

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

const contents = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content).filter(Boolean);

describe("against the demo, as it says: two exported variables", () => {
  let gateway;
  let openai;

  const ends = [];

  before(async () => {
    gateway = await demo({ after: (end) => ends.push(end) });
    process.env.OPENAI_BASE_URL = gateway.baseURL;
    process.env.OPENAI_API_KEY = gateway.apiKey;
    openai = new OpenAI();
  });
  after(() => Promise.all(ends.map((end) => end())));

  it("chat", async () => {
    const answer = await openai.chat.completions.create({ model: "demo-chat", messages });
    assert.match(answer.choices[0].message.content, HELLO);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(["primary-model-1", "comet-model-1"].includes(answer.model));
    assert.ok(answer.usage.total_tokens > 0);
  });

  it("chat, streaming", async () => {
    const stream_options = { include_usage: true };
    const asked = { model: "demo-chat", messages, stream: true, stream_options };
    const chunks = await all(await openai.chat.completions.create(asked));
    assert.match(contents(chunks).join(""), HELLO);
    assert.equal(contents(chunks).length, 8);
    assert.equal(chunks.at(-2).choices[0].finish_reason, "stop");
    assert.ok(chunks.at(-1).usage.total_tokens > 0);
  });

  it("chat, streaming with the helper", async () => {
    const stream = openai.chat.completions.stream({ model: "demo-chat", messages });
    assert.match(await stream.finalContent(), HELLO);
  });

  it("responses", async () => {
    const answer = await openai.responses.create({ model: "demo-chat", input: "hello" });
    assert.match(answer.output_text, HELLO);
    assert.equal(answer.status, "completed");
  });

  it("responses, streaming", async () => {
    const asked = { model: "demo-chat", input: "hello", stream: true };
    const events = await all(await openai.responses.create(asked));
    assert.equal(events.at(0).type, "response.created");
    assert.equal(events.at(-1).type, "response.completed");
    assert.deepEqual(
      events.map((event) => event.sequence_number),
      events.map((_, number) => number),
    );
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    assert.match(deltas.map((event) => event.delta).join(""), HELLO);
  });

  it("responses, streaming with the helper", async () => {
    const stream = openai.responses.stream({ model: "demo-chat", input: "hello" });
    assert.match((await stream.finalResponse()).output_text, HELLO);
  });

  it("embeddings", async () => {
    const asked = { model: "demo-embedding", input: ["one", "two", "three"] };
    const vectors = async (more) => {
      const answer = await openai.embeddings.create({ ...asked, ...more });
      return answer.data.map((item) => Array.from(item.embedding));
    };
    // The default is base64 on the wire: bytes that no one on the way may touch.
    const byDefault = await vectors({});
    assert.deepEqual(
      byDefault.map((vector) => vector.length),
      [8, 8, 8],
    );
    assert.deepEqual(byDefault, await vectors({ encoding_format: "float" }));
  });

  it("models", async () => {
    const listed = (await all(await openai.models.list())).map((model) => model.id);
    assert.deepEqual(listed.toSorted(), ["demo-chat", "demo-embedding"]);
    assert.equal((await openai.models.retrieve("demo-chat")).id, "demo-chat");
  });

  it("a wrong key is an AuthenticationError", async () => {
    const other = client(gateway, { apiKey: "sk-somebody-elses" });
    await assert.rejects(other.chat.completions.create({ model: "demo-chat", messages }), (error) => {
      assert.ok(error instanceof OpenAI.AuthenticationError);
      assert.equal(error.code, "invalid_api_key");
      assert.match(error.message, /Incorrect API key provided/);
      return true;
    });
  });

  it("a model that is no text is a BadRequestError", async () => {
    await assert.rejects(client(gateway).chat.completions.create({ model: 5, messages }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.deepEqual([error.param, error.code], ["model", "invalid_type"]);
      assert.match(error.message, /`model` must be a non-empty string/);
      return true;
    });
  });

  it("a base URL without /v1 is a NotFoundError that says so", async () => {
    const wrong = client(gateway, { baseURL: gateway.baseURL.replace(/\/v1$/, "") });
    await assert.rejects(wrong.chat.completions.create({ model: "demo-chat", messages }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, "unknown_path");
      assert.match(error.message, /\/v1/);
      return true;
    });
  });

  it("any other path goes to the primary", async () => {
    const answer = await openai.get("/vector_stores?limit=2");
    assert.deepEqual([answer.provider, answer.path], ["primary", "/v1/vector_stores?limit=2"]);
  });

  it("streams side by side", async () => {
    const asked = { model: "demo-chat", messages, stream: true };
    const streams = Array.from({ length: 20 }, async () => all(await openai.chat.completions.create(asked)));
    for (const chunks of await Promise.all(streams)) assert.match(contents(chunks).join(""), HELLO);
  });

  it("a stream may be left", async (test) => {
    const own = await demo(test);
    const leaving = client(own);
    const asked = { model: "demo-chat", messages };
    for await (const _ of await leaving.chat.completions.create({ ...asked, stream: true })) break;
    await own.printed("stdout", /client_gone/);
    assert.match((await leaving.chat.completions.create(asked)).choices[0].message.content, HELLO);
  });
});

describe("before two providers whose second event waits until a test says so", () => {
  const ask = { model: "gpt-5.4", messages, stream: true };

  async function started(test, share) {
    const primary = await heldProvider(test, "primary");
    const canary = await heldProvider(test, "canary");
    return { primary, canary, openai: client(await served(test, primary, canary, share)) };
  }

  /** The first event is here while the provider still holds the second. */
  async function arrivesAsSent(stream, provider, text) {
    const events = stream[Symbol.asyncIterator]();
    const first = await within(events.next(), "the first event");
    assert.equal(text(first.value), "one");
    const request = await provider.request(1);
    assert.equal(request.sentSecond, false);
    request.goOn();
    let rest = "";
    for (let next = await events.next(); !next.done; next = await events.next()) rest += text(next.value) ?? "";
    assert.equal(request.sentSecond, true);
    assert.equal(rest, ` two from ${provider.name}`);
    return request;
  }

  for (const [side, share, model, key] of [
    ["primary", "0%", "gpt-5.4-home", "sk-primary"],
    ["canary", "100%", "gpt-5.4-comet", "sk-comet"],
  ]) {
    it(`chat from the ${side} arrives as sent`, async (test) => {
      const { openai, ...providers } = await started(test, share);
      const stream = await openai.chat.completions.create(ask);
      const request = await arrivesAsSent(stream, providers[side], (chunk) => chunk.choices[0].delta.content);
      assert.deepEqual([request.body.model, request.authorization], [model, `Bearer ${key}`]);
    });
  }

  it("responses arrive as sent", async (test) => {
    // Stored responses stay home unless a route says otherwise; this is about time, not place.
    const { openai, primary } = await started(test, "0%");
    const stream = await openai.responses.create({ model: "gpt-5.4", input: "hello", stream: true });
    await arrivesAsSent(stream, primary, (event) => event.delta);
  });

  it("leaving a stream ends it at the provider", async (test) => {
    const { openai, canary } = await started(test, "100%");
    const stream = await openai.chat.completions.create(ask);
    for await (const _ of stream) break;
    await within((await canary.request(1)).left, "the provider's connection to end");
    // The client's next request is none the worse for it.
    const answer = await openai.chat.completions.create({ ...ask, stream: false });
    assert.equal(answer.choices[0].message.content, "one two from canary");
  });

  it("aborting a stream ends it at the provider", async (test) => {
    const { openai, canary } = await started(test, "100%");
    const abort = new AbortController();
    const stream = await openai.chat.completions.create(ask, { signal: abort.signal });
    await stream[Symbol.asyncIterator]().next();
    abort.abort();
    await within((await canary.request(1)).left, "the provider's connection to end");
  });
});
