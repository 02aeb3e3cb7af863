//! What is learned besides whole answers, and where references are found besides JSON: forms, streams of runs, calls of
//! the realtime API; and what is said where an answer is too long to be read.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::http::{Method, Request};
use serde_json::{Value, json};
use support::client::{Answer, request};
use support::wire::exchange;
use support::world::World;
use support::{ACME, Client, GLOBEX};
use testkit::{Gate, Reply, Step};

const MIB: usize = 1 << 20;

/// Two tenants share each credential, so nobody may use an ID that the gateway does not know.
async fn world(settings: &str) -> World {
    World::start(settings, |map| map.route = "stateful = \"canary\"").await
}

impl World {
    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        Client::connect(self.program.address).await.send(request).await.unwrap()
    }

    async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.send(request(Method::POST, path, key, &body.to_string())).await
    }

    async fn form(&self, key: &str, path: &str, body: &str) -> Answer {
        let mut form = request(Method::POST, path, key, body);
        let kind = "multipart/form-data; boundary=B".parse().unwrap();
        form.headers_mut().insert("content-type", kind);
        self.send(form).await
    }

    /// A file that a response of the canary made, and a sandbox it stands in.
    async fn file_at_the_canary(&self) -> &'static str {
        let annotation =
            json!({"type": "container_file_citation", "container_id": "cntr_1", "file_id": "cfile_1"});
        let content = json!([{"type": "output_text", "text": "x", "annotations": [annotation]}]);
        let output = json!([{"type": "message", "id": "msg_1", "content": content}]);
        let response = json!({"id": "resp_1", "object": "response", "status": "completed", "output": output});
        self.canary.once("POST", "/v1/responses", Reply::json(200, &response));
        let made = self.post(ACME, "/v1/responses", &json!({"model": "summary", "input": "x"})).await;
        assert_eq!(made.header("x-cometgate-provider"), "cometapi");
        "cfile_1"
    }
}

fn field(name: &str, value: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(length: usize) -> String {
    let head = "--B\r\nContent-Disposition: form-data; name=\"video\"; filename=\"a.mp4\"\r\nContent-Type: video/mp4\r\n";
    format!("{head}\r\n{}\r\n", "\r\n-\n\0--A\r".repeat(length / 9))
}

fn form(parts: &[String]) -> String {
    format!("{}--B--\r\n", parts.concat())
}

#[tokio::test]
async fn what_a_form_refers_to_decides_where_it_goes_and_is_its_owners() {
    let world = world("").await;
    world.canary.on("POST", "/v1/videos", Reply::json(200, &json!({"id": "video_1"})));
    let id = world.file_at_the_canary().await;
    let prompt = || field("prompt", "{\"id\": \"a prompt is a text\"}");
    let spellings = [
        field("input_reference[file_id]", id),
        field("input_reference", &json!({"file_id": id}).to_string()),
        field("file_id", id),
    ];
    for reference in &spellings {
        let body = form(&[prompt(), reference.clone()]);
        let answer = world.form(ACME, "/v1/videos", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-cometgate-provider")),
            (200, "cometapi"),
            "{body}"
        );
        assert_eq!(world.canary.requests().last().unwrap().body, body, "not a byte is changed");
        let asked = world.canary.count() + world.primary.count();
        assert_eq!(world.form(GLOBEX, "/v1/videos", &body).await.error().0, "not_found", "{body}");
        assert_eq!(world.canary.count() + world.primary.count(), asked, "another's does not exist");
    }
    // One that names nothing goes home, whatever its prompt says.
    world.primary.on("POST", "/v1/videos", Reply::json(200, &json!({"id": "video_2"})));
    let answer = world.form(ACME, "/v1/videos", &form(&[prompt(), file(1000)])).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-provider")), (200, "openai"));
}

#[tokio::test]
async fn a_large_form_goes_on_as_it_comes_and_may_not_refer_to_more_behind_its_files() {
    let world = world("").await;
    world.canary.on("POST", "/v1/videos/edits", Reply::json(200, &json!({"id": "video_1"})));
    let reference = field("input_reference[file_id]", world.file_at_the_canary().await);
    let body = form(&[reference.clone(), file(3 * MIB), field("prompt", "x")]);
    let answer = world.form(ACME, "/v1/videos/edits", &body).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-provider")), (200, "cometapi"));
    assert!(world.canary.requests().last().unwrap().body == body, "{} bytes have changed", body.len());
    let asked = world.canary.count() + world.primary.count();
    let late = world.form(ACME, "/v1/videos/edits", &form(&[file(3 * MIB), reference])).await;
    assert_eq!((late.status.as_u16(), &*late.error().0), (400, "invalid_form"));
    let long =
        field("input_reference", &json!({"image_url": "x".repeat(4000), "file_id": "file-1"}).to_string());
    let long = world.form(ACME, "/v1/videos/edits", &form(&[long])).await;
    assert_eq!((long.status.as_u16(), &*long.error().0), (400, "invalid_form"));
    assert_eq!(world.canary.count() + world.primary.count(), asked, "no provider got the end of one");
}

#[tokio::test]
async fn the_stream_of_a_run_names_a_thread_that_can_be_asked_for_before_it_ends() {
    let world = world("").await;
    let gate = Gate::new();
    let event = |kind: &str| {
        let run = json!({"id": "run_1", "object": "thread.run", "thread_id": "thread_1"});
        Step::chunk(format!("event: {kind}\ndata: {run}\n\n"))
    };
    let steps = vec![event("thread.run.created"), Step::Wait(gate.clone()), event("thread.run.completed")];
    world.primary.on("POST", "/v1/threads/runs", Reply::sse(steps));
    world.primary.on("GET", "/v1/threads/thread_1", Reply::json(200, &json!({"id": "thread_1"})));
    assert_eq!(world.send(request(Method::GET, "/v1/threads/thread_1", ACME, "")).await.status, 404);
    let mut client = Client::connect(world.program.address).await;
    let begins = request(Method::POST, "/v1/threads/runs", ACME, r#"{"assistant_id":"","stream":true}"#);
    let mut answer = client.start(begins).await.unwrap().into_body();
    answer.frame().await.unwrap().unwrap();
    assert_eq!(world.send(request(Method::GET, "/v1/threads/thread_1", ACME, "")).await.status, 200);
    assert_eq!(world.send(request(Method::GET, "/v1/threads/thread_1", GLOBEX, "")).await.status, 404);
    gate.open();
    let rest = answer.collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"\n\n"), "{rest:?}");
}

#[tokio::test]
async fn a_call_is_its_callers_and_is_found_by_its_location() {
    let world = world("").await;
    let begun = Reply::bytes(201, "application/sdp", "v=0").header("location", "/v1/realtime/calls/rtc_1");
    world.primary.on("POST", "/v1/realtime/calls", begun);
    world.primary.on("POST", "/v1/realtime/calls/rtc_1/hangup", Reply::json(200, &json!({})));
    let hang_up = "/v1/realtime/calls/rtc_1/hangup";
    assert_eq!(world.post(ACME, hang_up, &json!({})).await.status, 404, "nobody has called yet");
    let mut call = request(Method::POST, "/v1/realtime/calls", ACME, "v=0");
    call.headers_mut().insert("content-type", "application/sdp".parse().unwrap());
    let answer = world.send(call).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (201, "/v1/realtime/calls/rtc_1"));
    assert_eq!(world.post(GLOBEX, hang_up, &json!({})).await.status, 404);
    assert_eq!(world.post(ACME, hang_up, &json!({})).await.status, 200);
    // Another's call is not listened in on, however its name is spelt.
    let asked = world.primary.count();
    for query in ["call_id=rtc_1", "model=x&c%61ll_id=rtc%5f1", "call_id=rtc_9"] {
        let handshake = format!(
            "GET /v1/realtime?{query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {GLOBEX}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        );
        assert_eq!(exchange(world.program.address, handshake.as_bytes()).await.statuses(), [404], "{query}");
    }
    assert_eq!(world.primary.count(), asked);
    let joins = world.send(request(Method::GET, "/v1/realtime?call_id=rtc_1", ACME, "")).await;
    assert_eq!(joins.header("x-cometgate-provider"), "openai");
    let torn = world.send(request(Method::GET, "/v1/realtime?call_id=rtc_1&call_id=rtc_2", ACME, "")).await;
    assert_eq!(torn.status, 400);
}

#[tokio::test]
async fn an_answer_that_is_too_long_to_be_read_is_said_to_be() {
    let mut world = world("[limits]\nmax_answer_bytes = 1024\n").await;
    let long = format!(r#"{{"metadata":{{"x":"{}"}},"id":"conv_1"}}"#, "x".repeat(3000));
    world.primary.on("POST", "/v1/conversations", Reply::bytes(200, "application/json", long.clone()));
    let answer = world.post(ACME, "/v1/conversations", &json!({})).await;
    assert_eq!(answer.body, long);
    let line = world.program.logged("limits.max_answer_bytes").await;
    assert!(line.contains("WARN") && line.contains("openai") && !line.contains("conv_1"), "{line}");
    assert_eq!(world.send(request(Method::GET, "/v1/conversations/conv_1", ACME, "")).await.status, 404);
    // What stands at its beginning is learned all the same.
    let named = long.replacen('{', "{\"id\":\"conv_2\",", 1);
    world.primary.on("POST", "/v1/conversations", Reply::bytes(200, "application/json", named));
    world.post(ACME, "/v1/conversations", &json!({})).await;
    let found = world.send(request(Method::GET, "/v1/conversations/conv_2", ACME, "")).await;
    assert_eq!(found.header("x-cometgate-provider"), "openai");
}
