//! What a stream took is known also where its caller has not asked, and its caller does not notice.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use serde_json::{Value, json};
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
