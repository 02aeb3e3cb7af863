//! Copies of requests that go to a canary: of whom and how many, what they tell its gate, and that the callers never notice.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use hyper::http::Method;
use serde_json::{Value, json};
use support::client::{Answer, request};
use support::program::PATIENCE;
use support::world::Setup;
use support::{ACME, CANARY_KEY, Client, Files, GLOBEX, Map, Program, tenants};
use testkit::{Provider, Reply, Step};
use tokio::time::{Instant, timeout};

const CHAT: &str = r#"{"model":"summary","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"summary","messages":[],"stream":true}"#;

/// As fast as requests come.
const ALL: &str = "share = \"100%\"\nmost_per_second = 10000\nmost_in_flight = 1000";

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
    program: Program,
    client: Client,
}

impl World {
    /// A canary of nothing, these lines of its mirror, and these of its gates. Only `acme` has agreed.
    async fn new(mirror: &str, gates: &str) -> World {
        World::with_settings("", mirror, gates).await
    }

    async fn with_settings(settings: &str, mirror: &str, gates: &str) -> World {
        let Setup { primary, canary } = Setup::new().await;
        let allowed = tenants().replace("[tenants.globex]", "allow_mirror = true\n[tenants.globex]");
        let files = Files::new(settings, "", &allowed);
        files.write("routes.toml", &map("1", &primary, &canary, ("0%", mirror, gates)));
        let program = Program::serve(&files).await;
        let client = Client::connect(program.address).await;
        World { primary, canary, files, program, client }
    }

    async fn ask(&mut self, body: &str, times: usize) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(times);
        for _ in 0..times {
            answers.push(self.client.chat(ACME, body).await);
        }
        answers
    }

    /// Once so many copies are over.
    async fn copies_over(&self, copies: u64) -> Value {
        timeout(PATIENCE, self.until_over(copies)).await.unwrap()
    }

    async fn until_over(&self, copies: u64) -> Value {
        loop {
            let target = self.files.canary_status().await;
            let counts = &target["copies"];
            let over: u64 = ["good", "failed", "other"].iter().map(|of| counts[of].as_u64().unwrap()).sum();
            if over >= copies {
                return target;
            }
        }
    }
}

fn map(
    version: &str,
    primary: &Provider,
    canary: &Provider,
    (share, mirror, gates): (&str, &str, &str),
) -> String {
    let urls = (primary.base_url(), canary.base_url());
    let rest = format!("[routes.mirror]\n{mirror}\n[routes.gates]\n{gates}");
    Map { version, who: "*", sticky_by: &rest, ..Map::new(&urls.0, &urls.1, share) }.text()
}

fn broken() -> Reply {
    Reply::error(500, "server_error", None, "it broke")
}

#[tokio::test]
async fn copies_are_what_the_canary_would_get_and_nobody_sees_their_answers() {
    let mut world = World::new(ALL, "").await;
    let answers = world.ask(CHAT, 5).await;
    let streams = world.ask(STREAM, 5).await;
    for answer in answers.iter().chain(&streams) {
        assert_eq!((answer.status.as_u16(), answer.header("x-cometgate-role")), (200, "primary"));
        assert_eq!(answer.header("x-cometgate-attempts"), "1");
    }
    let target = world.copies_over(10).await;
    let good = json!({"share_ppm": 1_000_000, "under_way": 0, "good": 10, "failed": 0, "other": 0});
    assert_eq!(target["copies"], good);
    assert_eq!((world.primary.count(), world.canary.count()), (10, 10));
    let [home, copy] = [&world.primary, &world.canary].map(|provider| provider.requests()[0].clone());
    assert_eq!(String::from_utf8(home.body.to_vec()).unwrap(), CHAT.replace("summary", "gpt-primary"));
    assert_eq!(String::from_utf8(copy.body.to_vec()).unwrap(), CHAT.replace("summary", "gpt-canary"));
    assert_eq!(copy.headers["authorization"], format!("Bearer {CANARY_KEY}"));
    // Nothing of the caller's key, wherever it might be.
    assert!(!format!("{:?}", copy.headers).contains(ACME));
    // Its usage and its answers are the gate's evidence.
    let hard =
        target["signals"].as_array().unwrap().iter().find(|it| it["signal"] == "hard_failure").unwrap();
    assert_eq!((&hard["attempts"], &hard["failures"]), (&10.into(), &0.into()));
}

#[tokio::test]
async fn the_share_holds_and_who_has_not_agreed_is_not_copied() {
    let mut world = World::new("share = \"25%\"\nmost_per_second = 10000\nmost_in_flight = 1000", "").await;
    world.ask(CHAT, 400).await;
    let copies = world.canary.count();
    println!("{copies} of 400 copied at 25%");
    // Six standard deviations.
    assert!((48..=152).contains(&copies), "{copies}");
    world.canary.clear();
    let mut world = World::new(ALL, "").await;
    for _ in 0..20 {
        assert_eq!(world.client.chat(GLOBEX, CHAT).await.status, 200);
    }
    world.ask(CHAT, 1).await;
    world.copies_over(1).await;
    assert_eq!(world.canary.count(), 1);
}

#[tokio::test]
async fn what_a_copy_does_changes_nothing_for_the_caller() {
    let endless =
        Reply::steps(200, "application/json", vec![Step::chunk("{"), Step::chunk(vec![b' '; 4 << 20])]);
    let replies = [
        ("answers", Reply::standard()),
        ("fails", broken()),
        ("hangs", Reply::hang_before_head()),
        ("drops", Reply::abort_before_head()),
        ("is huge", endless),
        ("is nonsense", Reply::bytes(200, "application/json", "{\"id\":\"c\",\"cho")),
    ];
    for (what, reply) in replies {
        let mut world = World::new(ALL, "mode = \"observe\"").await;
        let answer =
            Reply::bytes(200, "application/json", r#"{"id":"c","choices":[],"usage":{"total_tokens":1}}"#);
        world.primary.on("POST", "*", answer);
        world.canary.on("POST", "*", reply);
        let began = Instant::now();
        let answers = world.ask(CHAT, 40).await;
        println!("the copy {what}: 40 requests in {:?}", began.elapsed());
        // A copy that hangs does so for a minute.
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        for answer in &answers {
            assert_eq!(
                answer.body,
                r#"{"id":"c","choices":[],"usage":{"total_tokens":1}}"#.as_bytes(),
                "{what}"
            );
            assert_eq!(answer.header("x-cometgate-attempts"), "1");
        }
        assert_eq!(world.primary.count(), 40, "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_is_longer_than_is_held_is_cut_off_and_says_nothing() {
    let mut world = World::with_settings("[limits]\nmax_answer_bytes = 4096", ALL, "").await;
    let mut steps = vec![Step::chunk("{\"a\":\"")];
    steps.push(Step::chunk(vec![b'a'; 64 << 10]));
    steps.push(Step::Hang);
    world.canary.on("POST", "*", Reply::steps(200, "application/json", steps));
    world.ask(CHAT, 3).await;
    let target = world.copies_over(3).await;
    assert_eq!((&target["copies"]["other"], &target["copies"]["failed"]), (&3.into(), &0.into()), "{target}");
    timeout(PATIENCE, world.canary.wait_aborted(3)).await.unwrap();
}

#[tokio::test]
async fn no_more_are_under_way_or_begun_in_a_second_than_may_be() {
    let mut world = World::new("share = \"100%\"\nmost_per_second = 10000\nmost_in_flight = 3", "").await;
    world.canary.on("POST", "*", Reply::hang_before_head());
    world.ask(CHAT, 40).await;
    world.canary.wait_requests(3).await;
    assert_eq!(world.files.canary_status().await["copies"]["under_way"], 3);
    assert_eq!(world.canary.count(), 3);

    let mut world = World::new("share = \"100%\"\nmost_per_second = 2\nmost_in_flight = 1000", "").await;
    let began = Instant::now();
    world.ask(CHAT, 60).await;
    let most = 1 + 2 * (began.elapsed().as_secs() + 1);
    let copies = world.copies_over(1).await["copies"]["good"].as_u64().unwrap();
    assert!(copies >= 1 && copies <= most, "{copies} of at most {most}");
}

#[tokio::test]
async fn a_canary_that_fails_its_copies_is_out_before_the_first_caller() {
    let mut world = World::new(ALL, "").await;
    world.canary.on("POST", "*", broken());
    let mut asked = 0;
    while world.canary.count() < 10 && world.files.canary_status().await["phase"] != "latched" {
        asked += 1;
        assert!(world.ask(CHAT, 1).await[0].status == 200 && asked < 100);
    }
    world.program.logged("is rolled back for good").await;
    let (copies, target) = (world.canary.count(), world.files.canary_status().await);
    println!("{copies} copies failed of {asked} requests");
    assert_eq!((&target["phase"], &target["latch"]["signal"]), (&"latched".into(), &"hard_failure".into()));
    // Whatever the map says next.
    world.files.write("routes.toml", &map("2", &world.primary, &world.canary, ("100%", ALL, "")));
    world.program.logged("route map 2").await;
    let answers = world.ask(CHAT, 20).await;
    assert!(answers.iter().all(|answer| answer.header("x-cometgate-role") == "primary"));
    assert!(answers.iter().all(|answer| answer.header("x-cometgate-route-version") == "2"));
    assert_eq!(world.canary.count(), copies);
}

#[tokio::test]
async fn what_has_state_a_secret_or_tools_stays_home() {
    let mut world = World::new(&format!("{ALL}\nmax_body_bytes = 400"), "").await;
    let home = [
        ("/v1/responses", json!({"input": "hi"})),
        ("/v1/responses", json!({"input": "hi", "store": true})),
        ("/v1/responses", json!({"input": "hi", "store": false, "previous_response_id": "resp_1"})),
        ("/v1/chat/completions", json!({"messages": [], "store": true})),
        (
            "/v1/responses",
            json!({"input": "hi", "store": false, "tools": [{"type": "mcp", "server_label": "s",
                "server_url": "https://mcp.example", "authorization": "secret-of-a-third"}]}),
        ),
        ("/v1/responses", json!({"input": "hi", "store": false, "tools": [{"type": "code_interpreter"}]})),
        ("/v1/chat/completions", json!({"messages": [], "tools": [{"type": "function"}]})),
        ("/v1/chat/completions", json!({"messages": [], "web_search_options": {}})),
        ("/v1/chat/completions", json!({"messages": [{"role": "user", "content": "x".repeat(400)}]})),
        ("/v1/images/generations", json!({"prompt": "a cat"})),
    ];
    for (path, mut body) in home {
        body["model"] = "summary".into();
        let answer = world.client.send(request(Method::POST, path, ACME, &body.to_string())).await.unwrap();
        assert!(answer.status.is_success() || answer.status == 404, "{path}: {answer:?}");
    }
    // One that may, and is the only one.
    let body = json!({"model": "summary", "input": "hi", "store": false}).to_string();
    world.client.send(request(Method::POST, "/v1/responses", ACME, &body)).await.unwrap();
    world.copies_over(1).await;
    let copied = world.canary.requests();
    assert_eq!(copied.len(), 1);
    assert_eq!(copied[0].body, body.replace("summary", "gpt-canary").as_bytes());
}

#[tokio::test]
async fn a_copy_under_way_delays_no_end() {
    let mut world = World::new(ALL, "").await;
    world.canary.on("POST", "*", Reply::hang_before_head());
    world.ask(CHAT, 2).await;
    world.canary.wait_requests(2).await;
    let began = Instant::now();
    drop(world.client);
    world.program.terminate();
    assert_eq!(world.program.ended().await, 0);
    // The copies would hang for a minute, and so may the end.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_copy_under_way_ends_once_the_canary_is_rolled_back() {
    let mut world = World::new(ALL, "").await;
    world.canary.on("POST", "*", Reply::hang_before_head());
    world.ask(CHAT, 2).await;
    world.canary.wait_requests(2).await;
    let told = ["rollback", "the-canary", "--by", "kim", "--reason", "INC-42", "--yes"];
    assert_eq!(world.files.run(&told).await.0, 0);
    timeout(PATIENCE, world.canary.wait_aborted(2)).await.unwrap();
    assert_eq!(world.files.canary_status().await["copies"]["under_way"], 0);
}
