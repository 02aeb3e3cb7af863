//! What a stream took is known also where its caller has not asked, and its caller does not notice.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use http::Method;
use serde_json::{Value, json};
use support::client::request;
use support::world::Setup;
use support::{ACME, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply, Step};

const PATH: &str = "/v1/chat/completions";
const ASKED: &str = r#"{"model":"gpt-canary","stream_options":{"include_usage":true},"stream":true}"#;
const STREAM: &str = r#"{"model":"summary","stream":true}"#;

const BEFORE: &str = ": hello\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n\
                      data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

struct World {
    canary: Provider,
    program: Program,
    _files: Files,
}

async fn world() -> World {
    let Setup { primary, canary } = Setup::new().await;
    let asks = "[providers.cometapi]\nask_usage = true";
    let map = Map::new(&primary.base_url(), &canary.base_url(), "100%").text();
    let files = Files::new("", &map.replace("[providers.cometapi]", asks), &tenants());
    let program = Program::serve_and_print(&files, "json").await;
    World { canary, program, _files: files }
}

impl World {
    /// What the canary got last.
    fn sent(&self) -> String {
        String::from_utf8(self.canary.requests().last().unwrap().body.to_vec()).unwrap()
    }

    /// The tokens of the attempt, as its line has them.
    async fn tokens(&mut self) -> (Value, Value, Value) {
        let line: Value = serde_json::from_str(&self.program.lines(1).await[0]).unwrap();
        let of = |field: &str| line[field].clone();
        (of("input_token_count"), of("output_token_count"), of("usage_source"))
    }
}

#[tokio::test]
async fn a_stream_is_asked_for_its_tokens_and_the_caller_gets_what_it_asked_for() {
    let mut world = world().await;
    let mut client = Client::connect(world.program.address).await;
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();

    let answer = client.chat(ACME, STREAM).await;
    assert_eq!(world.sent(), ASKED);
    assert!(!text(&answer.body).contains("prompt_tokens") && text(&answer.body).ends_with(DONE));
    assert_eq!(world.tokens().await.2, "reported");

    // Whoever says something of it gets just that.
    for (options, is_told) in
        [(r#"{"include_usage":true}"#, true), (r#"{"include_usage":false}"#, false), ("null", false)]
    {
        let body = format!(r#"{{"model":"summary","stream":true,"stream_options":{options}}}"#);
        let answer = client.chat(ACME, &body).await;
        assert_eq!(world.sent(), body.replace("summary", "gpt-canary"));
        assert_eq!(text(&answer.body).contains("prompt_tokens"), is_told, "{options}");
        assert_eq!(world.tokens().await.2, if is_told { "reported" } else { "estimated" });
    }
    client.chat(ACME, r#"{"model":"summary"}"#).await;
    assert_eq!(world.sent(), r#"{"model":"gpt-canary"}"#, "an answer in one piece says it anyway");
}

#[tokio::test]
async fn however_the_stream_is_cut_up_the_tokens_are_read_and_their_event_is_left_out() {
    let mut world = world().await;
    let mut client = Client::connect(world.program.address).await;
    let whole = [BEFORE, USAGE, DONE].concat();
    for at in 1..whole.len() {
        let (first, rest) = whole.split_at(at);
        let steps = vec![Step::chunk(first.to_owned()), Step::chunk(rest.to_owned())];
        world.canary.on("POST", PATH, Reply::sse(steps));
        let answer = client.chat(ACME, STREAM).await;
        assert_eq!(String::from_utf8(answer.body.to_vec()).unwrap(), [BEFORE, DONE].concat(), "cut at {at}");
        assert_eq!(world.tokens().await, (json!(7), json!(5), json!("reported")), "cut at {at}");
    }
    // In pieces of one byte each, and without its last event.
    let bytes = |text: &str| text.bytes().map(|byte| Step::chunk(vec![byte])).collect::<Vec<_>>();
    world.canary.on("POST", PATH, Reply::sse(bytes(&[BEFORE, USAGE].concat())));
    let answer = client.chat(ACME, STREAM).await;
    assert_eq!(String::from_utf8(answer.body.to_vec()).unwrap(), [BEFORE, DONE].concat());
    assert_eq!(world.tokens().await, (json!(7), json!(5), json!("reported")));
}

#[tokio::test]
async fn what_tokens_cost_is_said_by_attempt_target_and_tenant() {
    let Setup { primary, canary } = Setup::new().await;
    let priced = "[providers.cometapi]\n\
                  prices = { \"gpt-canary\" = { input = 2.5, cached_input = 0.25, output = 10 } }";
    let map = Map::new(&primary.base_url(), &canary.base_url(), "100%").text();
    let map = map.replace("[providers.cometapi]", priced);
    let files = Files::new("[admin]\nlisten = \"127.0.0.1:0\"\n", &map, &tenants());
    let (mut program, probes) = Program::serve_and_tell_all(&files, &[]).await;
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 400}});
    let choice = json!({"index": 0, "message": {"content": "x"}, "finish_reason": "stop"});
    canary.on("POST", PATH, Reply::json(200, &json!({"id": "c", "choices": [choice], "usage": usage})));
    let mut client = Client::connect(program.address).await;
    for _ in 0..2 {
        assert_eq!(client.chat(ACME, r#"{"model":"summary"}"#).await.status, 200);
    }
    let line: Value = serde_json::from_str(&program.lines(2).await[1]).unwrap();
    assert_eq!(line["cost"], json!(0.0036), "600 at 2.5, 400 at 0.25 and 200 at 10 for a million");

    let page = Client::connect(probes).await.send(request(Method::GET, "/metrics", "", "")).await.unwrap();
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    for line in [
        "cometgate_cost_total{llm_route=\"the-canary\",provider=\"cometapi\",target_role=\"canary\"} 0.0072",
        "cometgate_tenant_cost_total{tenant=\"acme\",provider=\"cometapi\"} 0.0072",
        "cometgate_tenant_tokens_total{tenant=\"acme\",provider=\"cometapi\",token_type=\"input\"} 2000",
        "cometgate_tenant_tokens_total{tenant=\"acme\",provider=\"cometapi\",token_type=\"output\"} 400",
        "cometgate_tenant_requests_total{tenant=\"acme\",outcome=\"ok\"} 2",
    ] {
        assert!(page.lines().any(|one| one == line), "{line}\n{page}");
    }
}
