// Starts what the tests talk to: the gateway's own program, a provider that holds its second chunk back, and one that
// fails as it is told to.
//
// Nothing here sleeps or names a port: the program says where it listens, and a test waits for what it waits for, with
// a deadline that only a broken gateway meets.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// Far more than anything here takes; reached only when something is broken.
export const DEADLINE = 20_000;

/** A promise and how to fulfil it. */
function latch() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { open, opened };
}

/** Fails, saying what was waited for, instead of waiting for ever. */
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${DEADLINE} ms`)), DEADLINE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A running `cometgate`. */
class Gateway {
  #child;
  #ended;
  #text = { stdout: "", stderr: "" };

  constructor(args, env = {}) {
    this.#child = spawn(process.env.COMETGATE, args, {
      env: { ...process.env, RUST_LOG: "info", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    // "close" comes when it has ended and all that it printed has been read.
    this.#ended = once(this.#child, "close");
    // Should the tests themselves fall over, it ends with them.
    process.on("exit", () => this.#child.kill("SIGKILL"));
    for (const name of ["stdout", "stderr"]) {
      this.#child[name].setEncoding("utf8").on("data", (text) => (this.#text[name] += text));
    }
  }

  /** The first match of a pattern in what it prints, once it has been printed. */
  async printed(name, pattern) {
    const output = this.#child[name];
    const found = async () => {
      for (;;) {
        const match = pattern.exec(this.#text[name]);
        if (match) return match;
        if (output.readableEnded) throw new Error(`${pattern} was not printed, but:\n${this.#text[name]}`);
        await Promise.race([once(output, "data"), this.#ended]);
      }
    };
    return within(found(), `${pattern} in ${name}`);
  }

  /** Ends it as an operator would. It must say that it ended well. */
  async end() {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), DEADLINE);
    const [code, signal] = await this.#ended;
    clearTimeout(timer);
    assert.equal(code, 0, `cometgate ended with ${code ?? signal}:\n${this.#text.stderr}`);
  }
}

/** `cometgate demo`, with the two variables that it prints for applications. Ends with the test. */
export async function demo(test) {
  const gateway = new Gateway(["demo", "--listen", "127.0.0.1:0", "--share", "50%"]);
  test.after(() => gateway.end());
  gateway.baseURL = (await gateway.printed("stdout", /export OPENAI_BASE_URL=(\S+)/))[1];
  gateway.apiKey = (await gateway.printed("stdout", /export OPENAI_API_KEY=(\S+)/))[1];
  return gateway;
}

/** `cometgate init` and then `cometgate serve`, before two providers. Ends with the test. */
export async function served(test, primary, canary, share) {
  const directory = mkdtempSync(join(tmpdir(), "cometgate-clients-"));
  const init = ["init", join(directory, "gateway"), "--primary", primary.baseURL, "--canary", canary.baseURL];
  init.push("--listen", "127.0.0.1:0", "--share", share, "--primary-key-env", "PRIMARY_KEY");
  init.push("--model", "gpt-5.4=gpt-5.4-home,gpt-5.4-comet");
  const printed = execFileSync(process.env.COMETGATE, init, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE,
  });
  // Providers are asked for nothing that the test does not ask for.
  appendFileSync(join(directory, "gateway", "cometgate.toml"), '[catalog]\ninterval = "off"\n');
  const keys = { PRIMARY_KEY: "sk-primary", COMETAPI_KEY: "sk-comet" };
  const gateway = new Gateway(["serve", "--config", join(directory, "gateway", "cometgate.toml")], keys);
  test.after(async () => {
    await gateway.end();
    rmSync(directory, { recursive: true });
  });
  gateway.apiKey = /export OPENAI_API_KEY=(\S+)/.exec(printed)[1];
  gateway.baseURL = (await gateway.printed("stderr", /serving (http:\/\/\S+\/v1)/))[1];
  return gateway;
}

/**
 * `cometgate serve` before two scripted providers, with a route for each alias of `routes`: what it says beyond its
 * primary. `primaries` can name `gone` or `plain` instead, where nobody listens, and where nobody speaks TLS. Ends with
 * the test.
 */
export async function mapped(test, home, comet, routes, { primaries = {}, settings = "" } = {}) {
  const directory = mkdtempSync(join(tmpdir(), "cometgate-clients-"));
  const urls = { openai: home.baseURL, cometapi: comet.baseURL };
  urls.gone = await nowhere();
  urls.plain = home.baseURL.replace("http://", "https://");
  let map = 'route_version = "clients.1"\nenvironment = "development"\nprimary_provider = "openai"\n';
  for (const [name, url] of Object.entries(urls)) {
    map += `[providers.${name}]\nbase_url = "${url}"\ncredential = { env = "PROVIDER_KEY" }\n`;
  }
  for (const [alias, lines] of Object.entries(routes)) {
    const model = (name) => `${name} = "${name === "cometapi" ? "comet" : "home"}-model/${alias}"`;
    map += `[aliases."${alias}"]\nprovider_model_id = { ${Object.keys(urls).map(model).join(", ")} }\n`;
    map += `[[routes]]\nname = "${alias}"\ntenant_or_cohort = "*"\nmodel_alias = "${alias}"\n`;
    map += `mode = "primary"\nprimary_provider = "${primaries[alias] ?? "openai"}"\n${lines}\n`;
  }
  const apiKey = "cgk-clients";
  const digest = createHash("sha256").update(apiKey).digest("hex");
  const write = (name, text) => writeFileSync(join(directory, name), text);
  write("routes.toml", `${map}# end clients.1\n`);
  write("tenants.toml", `version = "clients.1"\n[tenants.clients]\nkey_sha256 = ["${digest}"]\n# end clients.1\n`);
  write("cometgate.toml", `listen = "127.0.0.1:0"\ncatalog.interval = "off"\n${settings}`);
  const serve = ["serve", "--config", join(directory, "cometgate.toml")];
  const gateway = new Gateway(serve, { PROVIDER_KEY: "sk-provider" });
  test.after(async () => {
    await gateway.end();
    rmSync(directory, { recursive: true });
  });
  gateway.apiKey = apiKey;
  gateway.baseURL = (await gateway.printed("stderr", /serving (http:\/\/\S+\/v1)/))[1];
  return gateway;
}

/** A base URL where nobody listens any more. */
async function nowhere() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return `http://127.0.0.1:${port}/v1`;
}

/** provider.py, in a process of its own; see there. CLIENTS_PYTHON names a Python. Ends with the test. */
export async function scriptedProvider(test, name) {
  const program = fileURLToPath(new URL("provider.py", import.meta.url));
  const child = spawn(process.env.CLIENTS_PYTHON, [program, name], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  test.after(() => {
    child.stdin.end();
    return ended;
  });
  const [line] = await within(once(child.stdout.setEncoding("utf8"), "data"), "the scripted provider");
  const baseURL = line.trim();
  const ask = async (path, body) => {
    const asked = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    return (await fetch(baseURL.replace(/\/v1$/, path), asked)).json();
  };
  return {
    baseURL,
    script: (replies) => ask("/script", replies),
    open: (model) => ask("/open", model),
    forget: (models) => ask("/forget", models),
    seen: () => ask("/seen"),
    layout: () => ask("/layout"),
  };
}

/**
 * A provider whose streams stop after the first event until a test calls `goOn`. Each request is
 * `{ path, authorization, body, goOn(), sentSecond, left }`; `left` is fulfilled when the gateway has hung up early.
 */
export async function heldProvider(test, name) {
  const requests = [];
  const arrivals = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString());
    const second = latch();
    const left = latch();
    response.on("close", () => response.writableEnded || left.open());
    const seen = { path: request.url, authorization: request.headers.authorization, body };
    Object.assign(seen, { goOn: second.open, sentSecond: false, left: left.opened });
    requests.push(seen);
    for (const arrived of arrivals.splice(0)) arrived();

    if (!body.stream) {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(chatWhole(body.model, name)));
      return;
    }
    const [first, ...rest] = (request.url === "/v1/responses" ? responsesEvents : chatEvents)(body.model, name);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(first);
    await Promise.race([second.opened, left.opened]);
    if (response.destroyed) return;
    seen.sentSecond = true;
    for (const event of rest) response.write(event);
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });

  const request = async (number) => {
    while (requests.length < number) {
      await within(new Promise((resolve) => arrivals.push(resolve)), `request ${number} at ${name}`);
    }
    return requests[number - 1];
  };
  return { name, requests, request, baseURL: `http://127.0.0.1:${server.address().port}/v1` };
}

function chatWhole(model, name) {
  const message = { role: "assistant", content: `one two from ${name}`, refusal: null };
  const choices = [{ index: 0, message, finish_reason: "stop", logprobs: null }];
  return { id: "chatcmpl-1", object: "chat.completion", created: 1, model, choices };
}

function chatEvents(model, name) {
  const event = (delta, finish_reason = null) => {
    const choices = [{ index: 0, delta, finish_reason, logprobs: null }];
    const chunk = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model, choices };
    return `data: ${JSON.stringify(chunk)}\n\n`;
  };
  return [
    event({ role: "assistant", content: "one" }),
    event({ content: ` two from ${name}` }),
    event({}, "stop"),
    "data: [DONE]\n\n",
  ];
}

function responsesEvents(model, name) {
  const texts = ["one", ` two from ${name}`];
  const part = { type: "output_text", text: texts.join(""), annotations: [], logprobs: [] };
  const item = { id: "msg_1", type: "message", status: "completed", role: "assistant", content: [part] };
  const response = { id: "resp_1", object: "response", created_at: 1, status: "completed", model, output: [item] };
  const place = { item_id: "msg_1", output_index: 0, content_index: 0, logprobs: [] };
  const deltas = texts.map((delta) => ({ type: "response.output_text.delta", ...place, delta }));
  return [...deltas, { type: "response.completed", response }].map(
    (event, sequence_number) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number })}\n\n`,
  );
}
