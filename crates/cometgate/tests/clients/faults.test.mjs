// What the current `openai` package of Node makes of providers that fail, its own retries included.
//
// `run` in this directory installs the package and starts these; COMETGATE names the program, OPENAI_FROM the directory
// that the package is installed under, CLIENTS_PYTHON a Python for provider.py, and FAULTS_TABLE, if set, a file that
// gets a line of JSON for each outcome that was measured.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { DEADLINE, mapped, scriptedProvider } from "./harness.mjs";

const { OpenAI } = createRequire(join(process.env.OPENAI_FROM, "from-here.js"))("openai");

const messages = [{ role: "user", content: "hello" }];
const FALLBACK = 'fallback_provider = "cometapi"';
const WHOLE = `${FALLBACK}\ndelivery = "whole"`;
const SCENARIOS = JSON.parse(readFileSync(new URL("scenarios.json", import.meta.url)));
const BROKEN = { status: 500, error: { message: "it broke", type: "server_error", code: null } };

const words = (name, count) => Array.from({ length: count }, (_, at) => `${name}·${at} `).join("");

/** An application with a client, which asks in any of four ways. */
class Asking {
  constructor({ baseURL, apiKey }, options = {}) {
    this.client = new OpenAI({ baseURL, apiKey, timeout: DEADLINE, logLevel: "off", ...options });
  }

  /** A streamed answer, read to its end, and what was seen of it; `begun` is called when its headers are there. */
  async ask(way, model, begun = () => {}) {
    const outcome = { said: "", ended: false, error: null, headers: null, model: "", tokens: 0 };
    const began = performance.now();
    try {
      await this[way](model, outcome, begun);
    } catch (error) {
      outcome.error = error;
      outcome.headers ??= error.headers ?? null;
    }
    outcome.seconds = (performance.now() - began) / 1000;
    return outcome;
  }

  async chat(model, outcome, begun) {
    const asked = { model, messages, stream: true, stream_options: { include_usage: true } };
    const { data, response } = await this.client.chat.completions.create(asked).withResponse();
    outcome.headers = response.headers;
    await begun();
    await chatChunks(data, outcome);
  }

  async "chat helper"(model, outcome, begun) {
    const asked = { model, messages, stream_options: { include_usage: true } };
    const stream = this.client.chat.completions.stream(asked);
    stream.on("connect", begun);
    await chatChunks(stream, outcome);
    await stream.done();
  }

  async responses(model, outcome, begun) {
    const asked = { model, input: "hello", store: false, stream: true };
    const { data, response } = await this.client.responses.create(asked).withResponse();
    outcome.headers = response.headers;
    await begun();
    await responsesEvents(data, outcome);
  }

  async "responses helper"(model, outcome, begun) {
    const stream = this.client.responses.stream({ model, input: "hello", store: false });
    stream.on("connect", begun);
    await responsesEvents(stream, outcome);
    await stream.done();
  }
}

async function chatChunks(chunks, outcome) {
  let finished = false;
  for await (const chunk of chunks) {
    outcome.model = chunk.model;
    for (const choice of chunk.choices) {
      outcome.said += choice.delta.content ?? "";
      finished ||= choice.finish_reason === "stop";
    }
    outcome.tokens = chunk.usage?.completion_tokens ?? outcome.tokens;
  }
  outcome.ended = finished;
}

async function responsesEvents(events, outcome) {
  for await (const event of events) {
    if (event.type === "response.output_text.delta") outcome.said += event.delta;
    if (event.type === "response.completed") {
      outcome.ended = true;
      outcome.model = event.response.model;
      outcome.tokens = event.response.usage.output_tokens;
    }
  }
}

/** Two providers for the tests of a suite. */
function providers() {
  const ends = [];
  const both = { test: { after: (end) => ends.push(end) } };
  before(async () => {
    both.home = await scriptedProvider(both.test, "home");
    both.comet = await scriptedProvider(both.test, "comet");
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  both.seen = async (model) => [(await both.home.seen())[model] ?? 0, (await both.comet.seen())[model] ?? 0];
  return both;
}

function measured(scenario, delivery, way, outcome, seen, attempts) {
  if (!process.env.FAULTS_TABLE) return;
  const { number, name, title } = scenario;
  const record = { number, name, title, delivery, way, client: "node", said: outcome.said.split(" ").length - 1 };
  record.error = outcome.error?.constructor.name ?? null;
  record.code = outcome.error?.code ?? null;
  record.by = outcome.said.split("·")[0];
  Object.assign(record, { seconds: outcome.seconds, seen, attempts });
  appendFileSync(process.env.FAULTS_TABLE, `${JSON.stringify(record)}\n`);
}

function* cases() {
  for (const scenario of SCENARIOS.scenarios) {
    for (const delivery of ["stream", "whole"]) {
      for (const way of scenario.ways ?? SCENARIOS.ways) {
        yield { scenario, delivery, way, alias: `${scenario.name}.${delivery}.${way.replace(" ", "-")}` };
      }
    }
  }
}

describe("sixteen ways to fail", () => {
  const both = providers();
  let asking;

  before(async () => {
    const [routes, primaries, home, comet] = [{}, {}, {}, {}];
    for (const { scenario, delivery, alias } of cases()) {
      routes[alias] = `${scenario.route}\ndelivery = "${delivery}"`;
      primaries[alias] = scenario.primary ?? "openai";
      home[alias] = scenario.home ?? [];
      comet[alias] = scenario.comet ?? [];
    }
    await both.home.script(home);
    await both.comet.script(comet);
    // With its own retries, two as it comes.
    asking = new Asking(await mapped(both.test, both.home, both.comet, routes, { primaries }));
  });

  for (const { scenario, delivery, way, alias } of cases()) {
    it(`${scenario.number}: ${scenario.title}, ${delivery}, ${way}`, async () => {
      const expected = scenario.both ?? scenario[delivery];
      const outcome = await asking.ask(way, alias);
      const { error } = outcome;
      const seen = await both.seen(alias);
      assert.equal(outcome.said, words(...(expected.said ?? ["", 0])), error);
      assert.equal(outcome.ended, !expected.error, error);
      if (expected.error) {
        const named = way.endsWith("helper") ? expected.error["node helper"] : expected.error.node;
        assert.equal(error?.constructor.name, named ?? expected.error);
      } else {
        assert.equal(error, null);
        assert.equal(outcome.model, `${expected.said[0]}-model`);
      }
      for (const name of ["status", "code"]) {
        if (name in expected) assert.equal(error[name], expected[name]);
      }
      if (expected.message) assert.ok(error.message.includes(expected.message), error.message);
      assert.deepEqual(seen, expected.seen);
      if (outcome.headers) assert.equal(outcome.headers.get("x-cometgate-attempts"), `${expected.attempts}`);
      // There is no upper limit but the client's: on a busy machine everything takes long. `seen` shows what was tried.
      assert.ok(outcome.seconds >= expected.least * 0.99, `after ${outcome.seconds} s`);
      measured(scenario, delivery, way, outcome, seen, expected.attempts);
    });
  }
});

describe("besides", () => {
  const both = providers();

  it("a flapping primary is passed over and returned to", async (test) => {
    const gateway = await mapped(test, both.home, both.comet, { stream: FALLBACK, whole: WHOLE });
    const asking = new Asking(gateway);
    await both.home.script({ stream: [BROKEN], whole: [BROKEN] });
    for (const delivery of ["stream", "whole"]) {
      let slowest = 0;
      let outcome;
      for (let number = 0; number < 15; number += 1) {
        outcome = await asking.ask("chat", delivery);
        assert.deepEqual([outcome.said, outcome.ended, outcome.error], [words("comet", 60), true, null]);
        slowest = Math.max(slowest, outcome.seconds);
      }
      const seen = await both.seen(delivery);
      assert.ok(seen[0] <= 5, `${seen[0]} attempts at a provider that is down`);
      assert.equal(seen[1], 15);
      const scenario = { number: "15", name: "flapping", title: "15 requests while the primary answers 500" };
      measured(scenario, delivery, "chat", { ...outcome, seconds: slowest }, seen, 1);
    }
    await both.home.script({ stream: [{}], whole: [{}] });
    const until = performance.now() + DEADLINE;
    for (const delivery of ["stream", "whole"]) {
      while ((await asking.ask("chat", delivery)).said !== words("home", 60)) {
        assert.ok(performance.now() < until, "the primary is well and is not returned to");
        await pause(50);
      }
      assert.equal((await asking.ask("chat", delivery)).headers.get("x-cometgate-provider"), "openai");
    }
  });

  it("a caller may ask for whole delivery itself", async (test) => {
    await both.home.script({ cut: [{ stream: ["begin", "words 40", "cut"] }] });
    const gateway = await mapped(test, both.home, both.comet, { cut: FALLBACK });
    const asking = new Asking(gateway, { defaultHeaders: { "x-cometgate-delivery": "whole" } });
    for (const way of SCENARIOS.ways) {
      const { said, ended, error } = await asking.ask(way, "cut");
      assert.deepEqual([said, ended, error], [words("comet", 60), true, null], way);
    }
    assert.equal((await new Asking(gateway).ask("chat", "cut")).said, words("home", 40));
  });

  it("model, usage and headers are those of who served", async (test) => {
    await both.home.script({
      failed: [BROKEN],
      "failed-whole": [BROKEN],
      // Fewer words than the other, so that usage shows whose it is.
      well: [{ stream: ["begin", "words 3", "finish", "done"] }],
    });
    const routes = { well: FALLBACK, failed: FALLBACK, "failed-whole": WHOLE, plain: FALLBACK };
    const asking = new Asking(await mapped(test, both.home, both.comet, routes));
    for (const [model, name, tokens, provider, role] of [
      ["well", "home", 3, "openai", "primary"],
      ["failed", "comet", 60, "cometapi", "fallback"],
      ["failed-whole", "comet", 60, "cometapi", "fallback"],
    ]) {
      for (const way of SCENARIOS.ways) {
        const outcome = await asking.ask(way, model);
        assert.deepEqual([outcome.model, outcome.tokens], [`${name}-model`, tokens], outcome.error);
        if (role === "fallback" && way === "chat") {
          const title = "500: model, usage and headers are those of who served";
          const delivery = model.endsWith("whole") ? "whole" : "stream";
          const scenario = { number: "16", name: "attribution", title };
          measured(scenario, delivery, way, outcome, await both.seen(model), 2);
        }
        if (!outcome.headers) continue;
        const headers = ["provider", "role", "route"].map((name) => outcome.headers.get(`x-cometgate-${name}`));
        assert.deepEqual(headers, [provider, role, model]);
      }
    }
    for (const [model, provider, name] of [
      ["plain", "openai", "home"],
      ["failed", "cometapi", "comet"],
    ]) {
      const chat = await asking.client.chat.completions.create({ model, messages }).withResponse();
      assert.equal(chat.response.headers.get("x-cometgate-provider"), provider);
      assert.deepEqual([chat.data.model, chat.data.usage.completion_tokens], [`${name}-model`, 60]);
      const asked = { model, input: "hello", store: false };
      const response = await asking.client.responses.create(asked).withResponse();
      assert.equal(response.response.headers.get("x-cometgate-provider"), provider);
      assert.equal(response.data.model, `${name}-model`);
    }
  });
});

describe("a late beginning", () => {
  const both = providers();
  const settings = "[limits]\nheartbeat_ms = 100\n";

  it("is bridged by comments that the client passes over", async (test) => {
    const [routes, late] = [{}, {}];
    for (const then of [["begin"], ["begin", "id"], ["comment", "begin", "id"]]) {
      for (const way of SCENARIOS.ways) {
        const alias = [way.replace(" ", "-"), ...then].join(".");
        routes[alias] = FALLBACK;
        late[alias] = [{ stream: ["gate", ...then, "words 60", "finish", "done"] }];
      }
    }
    await both.home.script(late);
    const asking = new Asking(await mapped(test, both.home, both.comet, routes, { settings }));
    for (const alias of Object.keys(routes)) {
      const way = alias.split(".")[0].replace("-", " ");
      // The gateway gives the headers only with its first heartbeat: the provider still waits.
      const outcome = await asking.ask(way, alias, () => both.home.open(alias));
      assert.deepEqual([outcome.said, outcome.ended, outcome.error], [words("home", 60), true, null], alias);
      assert.deepEqual(await both.seen(alias), [1, 0]);
    }
  });

  it("that ends in an error raises although the headers are out", async (test) => {
    const odd = { status: 400, error: { message: "odd", type: "invalid_request_error", code: "odd" } };
    await both.home.script({ silent: [{ hang: true }] });
    await both.comet.script({ silent: [odd] });
    const routes = { silent: `${FALLBACK}\nprimary_timeout_ms = 400` };
    const asking = new Asking(await mapped(test, both.home, both.comet, routes, { settings }));
    for (const way of SCENARIOS.ways) {
      const { said, error } = await asking.ask(way, "silent");
      assert.deepEqual([said, error?.constructor.name, error?.code], ["", "APIError", "provider_timeout"], way);
    }
  });
});

describe("an answer cut after each of its bytes; closed, or reset for every second", () => {
  const both = providers();
  // As many failures in a row leave a breaker closed.
  const EACH = 4;
  // Every byte where it counts; elsewhere a fifth of them, unless the full counts are asked for.
  const STEP = process.env.COMETGATE_FULL ? 1 : 5;

  async function check(test, endpoint, route, step = 1) {
    const layout = (await both.home.layout())[endpoint];
    const models = new Map();
    const scripts = {};
    const resets = new Set();
    // From all of them down, so that all is always among them.
    for (let n = layout.at(-1)[0]; n >= 0; n -= step) {
      if (models.size % 2 === 1) resets.add(n);
      const model = `${endpoint}.${Math.floor(models.size / EACH)}`;
      models.set(n, model);
      (scripts[model] ??= []).push({ bytes: n, piece: 1 + (n % 100), reset: resets.has(n) });
    }
    const every = (value) => Object.fromEntries(Object.keys(scripts).map((model) => [model, value]));
    await both.home.script(scripts);
    await both.comet.script(every([{ stream: ["begin", "words 4", "finish", "done"] }]));
    const asking = new Asking(await mapped(test, both.home, both.comet, every(route)), { maxRetries: 0 });

    const [home, comet] = [words("home", 4), words("comet", 4)];
    const ends = new Set();
    for (const [n, model] of models) {
      const { said, ended, error } = await asking.ask(endpoint, model);
      const place = `${endpoint} cut after ${n} bytes: ${JSON.stringify({ said, ended })} ${error}`;
      const arrived = layout.map(([end, word]) => (end <= n ? word : "")).join("");
      // Chat has come to its end with the finish reason, a response with its last event.
      const isAll = n >= layout.at(endpoint === "chat" ? -3 : -1)[0];
      const raised = error instanceof OpenAI.APIError;
      // Whatever happens: the words of one provider, and a normal end after all of them only.
      assert.ok(home.startsWith(said) || said === comet, place);
      assert.equal(ended, error === null && [home, comet].includes(said), place);
      assert.notEqual(ended, raised, place);
      // A reset may overtake what was sent before it.
      if (resets.has(n)) continue;
      let expected = [arrived, true];
      if (isAll) expected = [home, false];
      else if (route.includes("fallback") && (route === WHOLE || !arrived)) expected = [comet, false];
      assert.deepEqual([said, raised], expected, place);
      ends.add(raised);
    }
    // Nobody has raised where all is mended; elsewhere both ends were met.
    assert.deepEqual([...ends].toSorted(), route === WHOLE ? [false] : [false, true]);
    for (const provider of [both.home, both.comet]) await provider.forget(Object.keys(scripts));
  }

  for (const endpoint of ["chat", "responses"]) {
    it(endpoint, (test) => check(test, endpoint, FALLBACK));
    it(`${endpoint} without a fallback`, (test) => check(test, endpoint, "", STEP));
    it(`${endpoint}, delivered whole`, (test) => check(test, endpoint, WHOLE, STEP));
  }
});
