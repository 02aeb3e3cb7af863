//! After a rollback the gateway proves that nothing is left on the target that was left, or says what remains; and what
//! callers see of a rollback amid many streams and many requests, through the real program.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use hyper::http::Method;
use serde_json::Value;
use support::client::request;
use support::fault::{begun, done, finish, said};
use support::program::PATIENCE;
use support::rate::{Caller, kinds};
use support::world::World;
use support::{ACME, CANARY_KEY, CHAT, Client, Files, Map, PRIMARY_KEY, Program, scaled, tenants};
use testkit::{Gate, Provider, RecordedRequest, Reply, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

const STREAM: &str = r#"{"model":"summary","messages":[],"stream":true}"#;

/// From what an operator says to the last request that begins at the canary.
const MOVED_WITHIN: Duration = Duration::from_millis(100);

/// Streams begin, and end when the gate is opened; all else is answered as ever.
fn holds_streams(provider: &Provider, gate: &Gate) {
    let gate = gate.clone();
    provider.on_call("POST", "*", move |asked: &RecordedRequest| {
        match asked.json().and_then(|body| body["stream"].as_bool()) {
            Some(true) => begun(5, [Step::Wait(gate.clone()), finish(), done()]),
            _ => Reply::standard(),
        }
    });
}

/// Says it as the command does, without the start of a process; when its first byte went out, and the answer.
async fn roll_back(world: &World) -> (Instant, String) {
    let mut socket = UnixStream::connect(world.files.path().join("state/admin.sock")).await.unwrap();
    let body = r#"{"route":"the-canary","target":null,"by":"kim","reason":"a drill"}"#;
    let text = format!(
        "POST /rollback HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let at = Instant::now();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    (at, answer)
}

/// Runs a command on this configuration.
async fn run(world: &World, arguments: &[&str]) -> String {
    let (code, said, errors) = world.files.run(arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {errors}");
    said
}

async fn canary(world: &World) -> Value {
    let status: Value = serde_json::from_str(&run(world, &["status", "--format", "json"]).await).unwrap();
    status["routes"][0]["targets"][0].clone()
}

/// Waits until the proof's words for what remains are these.
async fn until_remaining(world: &World, expected: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let target = canary(world).await;
        if target["proof"]["remaining"] == serde_json::json!(expected) {
            return;
        }
        assert!(Instant::now() < deadline, "not {expected:?}: {target:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The bodies of the proofs that are kept, the oldest first.
async fn proofs(world: &World) -> Vec<Value> {
    let lines = run(world, &["evidence", "export", "--kind", "rollback_proof"]).await;
    lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].clone()).collect()
}

fn item<'p>(proof: &'p Value, name: &str) -> &'p Value {
    proof["items"].as_array().unwrap().iter().find(|item| item["item"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_amid_streams_and_requests_moves_all_new_ones_loses_none_and_is_proven() {
    let (streams, per_second) = (scaled(500), scaled(1_000) as u64);
    let mut world = World::start("", |map| map.share = "50%").await;
    let gate = Gate::new();
    holds_streams(&world.primary, &gate);
    holds_streams(&world.canary, &gate);
    let mut under_way = JoinSet::new();
    for _ in 0..streams {
        let address = world.program.address;
        under_way.spawn(async move {
            let asked = request(Method::POST, "/v1/chat/completions", ACME, STREAM);
            Client::connect(address).await.send(asked).await.unwrap()
        });
    }
    let all_open = async {
        while (world.primary.open_streams() + world.canary.open_streams()) < streams as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_open).await.unwrap();
    let away = world.canary.open_streams();
    assert!(away > 0, "no stream is at the canary");

    let caller = Caller::new(world.program.address, ACME);
    let load = tokio::spawn(async move { caller.send(4 * per_second as usize, per_second).await });
    world.canary.wait_requests(away + per_second / 2).await;
    let (said_at, answer) = roll_back(&world).await;
    assert!(answer.contains("\"changed\":true"), "{answer}");
    let served = load.await.unwrap();
    println!("{} of {per_second} a second; {away} of {streams} streams away", kinds(&served));
    assert!(served.iter().all(|served| served.status == 200), "{}", kinds(&served));
    let last = world.canary.requests().iter().map(|request| request.arrival).max().unwrap();
    let moved_after = last.saturating_duration_since(said_at);
    println!("the last request began at the canary {moved_after:?} after it was said");
    assert!(moved_after < MOVED_WITHIN, "{moved_after:?}");

    // Streams end where they are; until then they remain, with the connections that they are on.
    let (flying, open) = (format!("{away} in flight"), format!("connections open: {away}"));
    until_remaining(&world, &[&flying, &open]).await;
    let target = canary(&world).await;
    assert_eq!((&target["in_flight"], &target["proof"]["verdict"]), (&away.into(), &"remaining".into()));
    assert!(proofs_are_absent(&world).await, "nothing is proven yet");
    gate.open();
    for answer in under_way.join_all().await {
        assert!(answer.status == 200 && said(&answer).is_done, "{answer:?}");
    }
    let line = world.program.logged("verdict=rollback_proven").await;
    println!("{line}");

    let kept = proofs_of(&world, 1).await;
    let proof = &kept[0];
    assert_eq!(
        (&proof["verdict"], &proof["target"]),
        (&"rollback_proven".into(), &"cometapi/gpt-canary".into())
    );
    for name in [
        "new_requests_on_prior_route",
        "in_flight",
        "retries",
        "hedges",
        "pinned_sessions",
        "connection_pools",
        "observed_share",
        "error_rate",
    ] {
        let item = item(proof, name);
        assert_eq!((&item["state"], item["since"].is_string()), (&"proven".into(), true), "{item}");
    }
    // It names the decision that it is about.
    let number = proof["decision_sequence"].to_string();
    let decision = run(&world, &["evidence", "show", &number, "--format", "json"]).await;
    let decision: Value = serde_json::from_str(&decision).unwrap();
    assert_eq!(
        (&decision["body"]["action"], &decision["body"]["check_id"]),
        (&"latch".into(), &proof["check_id"])
    );
    assert_eq!(item(proof, "observed_share")["observed"], 0.0);
    assert_eq!(item(proof, "connection_pools")["observed"], 0.0);
    let text = run(&world, &["status"]).await;
    assert!(text.contains("rollback proven at ") && text.contains("; 0 in flight; breaker closed"), "{text}");
    let page = run(&world, &["evidence", "export", "--markdown"]).await;
    assert!(page.contains("rollback_proven") && page.contains("went to the prior route"), "{page}");
}

/// Whether the store holds no proof.
async fn proofs_are_absent(world: &World) -> bool {
    !world.files.path().join("state/evidence").exists() || proofs(world).await.is_empty()
}

/// Waits until so many proofs are kept.
async fn proofs_of(world: &World, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    while proofs_are_absent(world).await || proofs(world).await.len() < count {
        assert!(Instant::now() < deadline, "no proof is kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proofs(world).await
}

#[tokio::test]
async fn a_canary_that_its_gate_rolls_back_is_proven_to_be_left() {
    let mut world = World::start("", |map| map.share = "50%").await;
    let caller = Caller::new(world.program.address, ACME);
    assert!(caller.send(100, 100).await.iter().all(|served| served.status == 200));
    let seen = canary(&world).await["observed"].clone();
    assert_eq!(seen["of"], 100, "{seen}");
    assert!(seen["share_ppm"].as_u64().is_some_and(|ppm| (300_000..700_000).contains(&ppm)), "{seen}");
    world.canary.on("POST", "*", Reply::error(500, "server_error", None, "it broke"));
    assert!(caller.send(100, 100).await.iter().all(|served| served.status == 200));
    world.program.logged("is rolled back for good").await;
    // Whoever comes shows that it goes home.
    assert!(caller.send(100, 100).await.iter().all(|served| served.status == 200));
    world.program.logged("verdict=rollback_proven").await;
    let proof = &proofs_of(&world, 1).await[0];
    assert_eq!(proof["verdict"], "rollback_proven");
    assert_eq!(item(proof, "error_rate")["observed"], 0.0, "{proof}");
}

#[tokio::test]
async fn a_stream_that_does_not_end_remains_until_it_ends() {
    let mut world = World::start("", |_| {}).await;
    let gate = Gate::new();
    holds_streams(&world.canary, &gate);
    let address = world.program.address;
    let under_way = tokio::spawn(async move {
        let asked = request(Method::POST, "/v1/chat/completions", ACME, STREAM);
        Client::connect(address).await.send(asked).await.unwrap()
    });
    world.canary.wait_open_streams(1).await;
    roll_back(&world).await;
    let nobody = ["no request has come since", "1 in flight"];
    let deadline = Instant::now() + PATIENCE;
    while canary(&world).await["proof"]["remaining"].as_array().is_none_or(|said| said[..2] != nobody) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut client = Client::connect(address).await;
    for _ in 0..40 {
        assert_eq!(client.chat(ACME, CHAT).await.header("x-cometgate-role"), "primary");
    }
    until_remaining(&world, &["1 in flight", "connections open: 1"]).await;
    let text = run(&world, &["status"]).await;
    assert!(text.contains("remaining: 1 in flight; connections open: 1"), "{text}");
    gate.open();
    assert!(said(&under_way.await.unwrap()).is_done);
    world.program.logged("verdict=rollback_proven").await;
    until_remaining(&world, &[]).await;
}

/// No rollback moves it, so it is no new request, and the target is not left before it is over.
#[tokio::test]
async fn a_conversation_that_lives_there_goes_on_there_and_remains() {
    let world = World::start("", |map| map.route = "stateful = \"canary\"").await;
    let made =
        serde_json::json!({"id": "resp_there", "object": "response", "status": "completed", "output": []});
    world.canary.on("POST", "/v1/responses", Reply::json(200, &made));
    let mut client = Client::connect(world.program.address).await;
    let begins = r#"{"model":"summary","input":"hi"}"#;
    let goes_on = r#"{"model":"summary","input":"and?","previous_response_id":"resp_there"}"#;
    let asked = request(Method::POST, "/v1/responses", ACME, begins);
    assert_eq!(client.send(asked).await.unwrap().header("x-cometgate-role"), "canary");
    roll_back(&world).await;
    let before = world.canary.count();
    let asked = request(Method::POST, "/v1/responses", ACME, goes_on);
    assert_eq!(client.send(asked).await.unwrap().status, 200);
    assert_eq!(world.canary.count(), before + 1, "it goes on where it lives");
    for _ in 0..40 {
        assert_eq!(client.chat(ACME, CHAT).await.header("x-cometgate-role"), "primary");
    }
    until_remaining(&world, &["requests within a minute for what lives there: 1"]).await;
}

/// No data is no proof. What was not shown by the end is written down then.
#[tokio::test]
async fn a_rollback_that_nobody_has_called_after_is_kept_as_not_proven() {
    let mut world = World::start("", |_| {}).await;
    let mut client = Client::connect(world.program.address).await;
    assert_eq!(client.chat(ACME, CHAT).await.header("x-cometgate-role"), "canary");
    roll_back(&world).await;
    world.program.terminate();
    world.program.logged("verdict=remaining").await;
    assert_eq!(world.program.ended().await, 0);
    let proof = &proofs(&world).await[0];
    assert_eq!(proof["verdict"], "remaining");
    let new = item(proof, "new_requests_on_prior_route");
    assert_eq!((&new["state"], &new["note"]), (&"remaining".into(), &"no request has come since".into()));
    assert_eq!(item(proof, "in_flight")["state"], "proven");
    assert_eq!(item(proof, "connection_pools")["state"], "proven", "what was idle is closed: {proof}");
    // It is known to whoever comes after.
    world.program = Program::serve(&world.files).await;
    let text = run(&world, &["status"]).await;
    assert!(
        text.contains("not proven when the gateway ended; remaining then: no request has come since"),
        "{text}"
    );
}

/// Others need its connections.
#[tokio::test]
async fn connections_that_another_route_uses_stay_open_and_that_is_said() {
    let other = "[[routes]]\nname = \"other\"\ntenant_or_cohort = \"globex\"\nmodel_alias = \"other\"\nmode = \"primary\"\n\
                 primary_provider = \"cometapi\"\n\n[[routes]]";
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let away = Provider::builder("canary").require_key(CANARY_KEY).start().await;
    let map = Map::new(&primary.base_url(), &away.base_url(), "100%").text().replacen("[[routes]]", other, 1);
    let files = Files::new("", &map, &tenants());
    let program = Program::serve(&files).await;
    let mut world = World { primary, canary: away, program, files };
    let mut client = Client::connect(world.program.address).await;
    assert_eq!(client.chat(ACME, CHAT).await.header("x-cometgate-role"), "canary");
    roll_back(&world).await;
    for _ in 0..40 {
        client.chat(ACME, CHAT).await;
    }
    world.program.logged("verdict=rollback_proven").await;
    let proof = &proofs_of(&world, 1).await[0];
    let pools = item(proof, "connection_pools");
    assert_eq!(pools["note"], "left open: they are also used by other", "{pools}");
    assert!(pools["observed"].is_null());
}

/// Callers that leave say nothing of the canary.
#[tokio::test]
async fn a_canary_whose_callers_all_leave_is_neither_judged_nor_taken_out() {
    let world = World::start("", |_| {}).await;
    world.canary.on("POST", "*", Reply::hang_before_head());
    for at in 1..=40 {
        let mut client = Client::connect(world.program.address).await;
        let asked = tokio::spawn(async move {
            let asked = request(Method::POST, "/v1/chat/completions", ACME, CHAT);
            client.send(asked).await
        });
        world.canary.wait_requests(at).await;
        asked.abort();
        world.canary.wait_aborted(at).await;
    }
    let deadline = Instant::now() + PATIENCE;
    while canary(&world).await["in_flight"] != 0 {
        assert!(Instant::now() < deadline, "attempts that were left do not end");
    }
    let target = canary(&world).await;
    assert_eq!(target["phase"], "serving");
    for signal in target["signals"].as_array().unwrap() {
        assert_eq!((&signal["attempts"], &signal["is_quiet"]), (&0.into(), &true.into()), "{signal}");
    }
}

/// A step takes ten minutes at the least, which are waited for with `COMETGATE_FULL`; else that alone is missing.
#[tokio::test]
async fn a_canary_that_is_shown_to_be_good_climbs_when_it_has_stood_for_long_enough() {
    let mut world = World::start("", |map| {
        map.share = "100%";
        map.sticky_by = "steps = [\"50%\", \"100%\"]";
        // Twice a route's limit of time is the least that a step takes, and the usual limit is ten minutes.
        map.route = "timeout_ms = 60000";
    })
    .await;
    let caller = Caller::new(world.program.address, ACME);
    let step = canary(&world).await["step"].clone();
    assert_eq!(
        (&step["at"], &step["missing"]),
        (&1.into(), &serde_json::json!(["dwell", "evidence", "tenants"]))
    );
    // Half of them are the canary's: far more than the 167 that are evidence enough.
    assert!(caller.send(600, 200).await.iter().all(|served| served.status == 200));
    let deadline = Instant::now() + PATIENCE;
    while canary(&world).await["step"]["missing"] != serde_json::json!(["dwell"]) {
        assert!(Instant::now() < deadline, "{}", canary(&world).await["step"]);
    }
    if std::env::var_os("COMETGATE_FULL").is_none() {
        return;
    }
    let climbed = tokio::time::timeout(Duration::from_secs(660), async {
        while canary(&world).await["step"]["at"] != 2 {
            assert!(caller.send(10, 10).await.iter().all(|served| served.status == 200));
        }
    });
    climbed.await.unwrap();
    world.program.logged("canary of the-canary climbs from 50% to 100%").await;
    let before = world.primary.count();
    assert!(caller.send(100, 100).await.iter().all(|served| served.status == 200));
    assert_eq!(world.primary.count(), before, "a request went to the primary");
}
