//! State stays where it lives: through canaries, retries, rollbacks, restarts and kills; and it stays its tenant's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test has nothing better to do with an error")]

mod support;

use decisions::bucket::position;
use hyper::Method;
use serde_json::{Value, json};
use support::client::{Answer, request};
use support::{ACME, CANARY_KEY, Client, Files, GLOBEX, Map, PRIMARY_KEY, Program, stateful, tenants};
use testkit::Provider;

const ROUTE: &str = "stateful = \"canary\"\nretry_policy = { retries = 1, on = [\"server\"] }";
const BY_REQUEST: &str = "sticky_by = [\"request\"]";

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
    program: Program,
}

async fn world(map: impl FnOnce(&mut Map<'_>), settings: &str, fails_every: usize) -> World {
    let primary = stateful::provider("primary", PRIMARY_KEY, fails_every).await;
    let canary = stateful::provider("canary", CANARY_KEY, fails_every).await;
    let (urls, share) = ((primary.base_url(), canary.base_url()), "50%");
    let mut written = Map { route: ROUTE, sticky_by: BY_REQUEST, ..Map::new(&urls.0, &urls.1, share) };
    map(&mut written);
    let files = Files::new(settings, &written.text(), &tenants());
    let program = Program::serve(&files).await;
    World { primary, canary, files, program }
}

impl World {
    fn write(&self, version: &str, share: &str) {
        let urls = (self.primary.base_url(), self.canary.base_url());
        let map = Map { version, route: ROUTE, sticky_by: BY_REQUEST, ..Map::new(&urls.0, &urls.1, share) };
        self.files.write("routes.toml", &map.text());
    }

    async fn restart(&mut self, signal: &str) {
        self.program.signal(signal);
        self.program.ended_somehow().await;
        self.program = Program::serve(&self.files).await;
    }

    async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        let mut client = Client::connect(self.program.address).await;
        client.send(request(Method::POST, path, key, &body.to_string())).await.unwrap()
    }

    async fn get(&self, key: &str, path: &str) -> Answer {
        let mut client = Client::connect(self.program.address).await;
        client.send(request(Method::GET, path, key, "")).await.unwrap()
    }

    /// One turn, tried again as a client would: the ID of the response, and who served it.
    async fn turn(&self, previous: Option<&str>, stream: bool) -> (String, String) {
        self.turn_of("anyone", previous, stream).await
    }

    async fn turn_of(&self, user: &str, previous: Option<&str>, stream: bool) -> (String, String) {
        let mut body = json!({"model": "summary", "input": "x", "stream": stream, "user": user});
        if let Some(previous) = previous {
            body["previous_response_id"] = json!(previous);
        }
        for _ in 0..5 {
            let answer = self.post(ACME, "/v1/responses", &body).await;
            if answer.status != 500 {
                assert_eq!(answer.status, 200, "{:?}", answer.body);
                return (id_of(&answer), answer.header("x-cometgate-provider").to_owned());
            }
        }
        panic!("five failures in a row");
    }
}

fn id_of(answer: &Answer) -> String {
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let at = text.find("\"resp_").unwrap();
    text[at + 1..].split('"').next().unwrap().to_owned()
}

/// Whether it was asked twice in a row for the same turn, whole or streamed.
fn retried(provider: &Provider, stream: bool) -> bool {
    let turns: Vec<Value> = provider.requests().iter().map(|request| request.json().unwrap()).collect();
    let is_such = |turn: &Value| turn["stream"] == json!(stream) && turn["previous_response_id"].is_string();
    turns.windows(2).any(|pair| pair[0] == pair[1] && is_such(&pair[0]))
}

/// Ten conversations of ten turns each, through failures before the first content, a rollback as a gate makes it, a
/// restart and a kill. A turn that went anywhere else would be refused by whoever got it.
#[tokio::test]
async fn every_turn_goes_where_its_conversation_lives_through_rollback_restart_and_kill() {
    let mut world = world(|map| map.sticky_by = "sticky_by = [\"user\"]", "", 8).await;
    // Five users of each half, so that the same turns fail each time, whole and streamed ones.
    let is_in = |user: &String| position("the-canary", user.as_bytes()) < 500_000;
    let (within, outside): (Vec<String>, Vec<String>) =
        (0..100).map(|user| format!("user-{user}")).partition(is_in);
    let users: Vec<String> = within.into_iter().take(5).chain(outside.into_iter().take(5)).collect();
    let mut conversations = Vec::new();
    for (number, user) in users.iter().enumerate() {
        conversations.push(world.turn_of(user, None, number % 2 == 0).await);
    }
    let homes: Vec<String> = conversations.iter().map(|(_, home)| home.clone()).collect();
    assert_eq!(homes, [["cometapi"; 5], ["openai"; 5]].concat());
    for turn in 2..=10 {
        match turn {
            4 => {
                world.write("test.2", "0%");
                world.program.logged("route map test.2 is live").await;
            }
            6 => world.restart("TERM").await,
            8 => world.restart("KILL").await,
            _ => {}
        }
        for (number, home) in homes.iter().enumerate() {
            let (next, served) =
                world.turn_of(&users[number], Some(&conversations[number].0), (number + turn) % 2 == 0).await;
            assert_eq!(&served, home, "turn {turn} of conversation {number}");
            conversations[number].0 = next;
        }
    }
    // What begins after the rollback begins at home.
    for _ in 0..5 {
        assert_eq!(world.turn(None, false).await.1, "openai");
    }
    for provider in [&world.primary, &world.canary] {
        assert!(
            retried(provider, false) && retried(provider, true),
            "whole turns failed there, and streamed ones"
        );
    }
}

/// What docs/state.md says of turns that say nothing of `store`.
#[tokio::test]
async fn the_next_turn_goes_where_what_it_carries_lives() {
    let mut world = world(|map| map.share = "100%", "", 0).await;
    let first = world.post(ACME, "/v1/responses", &json!({"model": "summary", "input": "x"})).await;
    assert_eq!(first.header("x-cometgate-provider"), "cometapi");
    let (response, mut item) = (id_of(&first), first.json()["output"][0].clone());
    item["role"] = json!("assistant");
    let unstored = json!({"model": "summary", "input": "x", "store": false});
    let unstored = id_of(&world.post(ACME, "/v1/responses", &unstored).await);
    world.write("test.2", "0%");
    world.program.logged("route map test.2 is live").await;
    for (carries, expected) in [
        (json!({"previous_response_id": response}), "cometapi"),
        (json!({"input": [{"type": "item_reference", "id": item["id"]}]}), "cometapi"),
        // As clients send the history back: whole items, with their IDs.
        (json!({"input": [{"role": "user", "content": "x"}, item]}), "openai"),
        (json!({"previous_response_id": unstored}), ""),
    ] {
        let mut body = json!({"model": "summary", "input": "x"});
        body.as_object_mut().unwrap().extend(carries.as_object().unwrap().clone());
        let answer = world.post(ACME, "/v1/responses", &body).await;
        assert_eq!(answer.header("x-cometgate-provider"), expected, "{body}");
        assert_eq!(answer.status == 404, expected.is_empty(), "{body}");
    }
}

#[tokio::test]
async fn whatever_a_caller_has_seen_survives_a_kill_in_the_next_moment() {
    let mut world = world(|_| {}, "", 0).await;
    for round in 0..6 {
        let (id, home) = world.turn(None, round % 2 == 0).await;
        world.restart("KILL").await;
        assert_eq!(world.turn(Some(&id), round % 3 == 0).await.1, home);
    }
}

#[tokio::test]
async fn what_another_tenant_made_does_not_exist() {
    let world = world(|_| {}, "", 0).await;
    let (id, home) = world.turn(None, false).await;
    let file = world.post(ACME, "/v1/files", &json!({})).await.json()["id"].as_str().unwrap().to_owned();
    let asked = world.primary.count() + world.canary.count();
    let not_found =
        |answer: &Answer| assert_eq!((answer.status.as_u16(), &*answer.error().0), (404, "not_found"));
    let body = json!({"model": "summary", "input": "x", "previous_response_id": id});
    not_found(&world.post(GLOBEX, "/v1/responses", &body).await);
    let chat = json!({"model": "summary", "messages": [{"content": [{"file": {"file_id": file}}]}]});
    not_found(&world.post(GLOBEX, "/v1/chat/completions", &chat).await);
    not_found(&world.post(GLOBEX, "/v1/batches", &json!({"input_file_id": file})).await);
    not_found(&world.get(GLOBEX, &format!("/v1/responses/{id}")).await);
    not_found(&world.get(GLOBEX, &format!("/v1/files/{file}")).await);
    not_found(&world.get(GLOBEX, &format!("/v1/files/{}", file.replace('_', "%5f"))).await);
    // Nor does what nobody has made, in the same words.
    let unknown = world.get(GLOBEX, "/v1/files/file-unknown").await;
    not_found(&unknown);
    assert_eq!(unknown.body, world.get(GLOBEX, &format!("/v1/files/{file}")).await.body);
    for (path, code) in [("/v1/files", "list_not_allowed"), ("/v1/%66iles", "odd_path")] {
        assert_eq!(world.get(ACME, path).await.error().0, code);
    }
    assert_eq!(world.primary.count() + world.canary.count(), asked, "nothing of it was sent");
    let own = world.get(ACME, &format!("/v1/responses/{id}")).await;
    assert_eq!((own.status.as_u16(), own.header("x-cometgate-provider")), (200, &*home));
    assert_eq!(world.get(ACME, &format!("/v1/files/{file}")).await.header("x-cometgate-provider"), "openai");
    assert_eq!(world.post(ACME, "/v1/batches", &json!({"input_file_id": file})).await.status, 200);
}

#[tokio::test]
async fn where_state_is_shared_lists_and_unknown_ids_go_to_the_primary_alone() {
    let world = world(|map| (map.top, map.share) = ("shared_state = true", "100%"), "", 0).await;
    let body = json!({"model": "summary", "input": "x", "previous_response_id": "resp_before_the_gateway"});
    let answer = world.post(ACME, "/v1/responses", &body).await;
    assert_eq!(
        (answer.header("x-cometgate-provider"), &*answer.error().0),
        ("openai", "previous_response_not_found")
    );
    for path in ["/v1/files", "/v1/chat/completions", "/v1/batches", "/v1/files/file-unknown", "/v1/its/own"]
    {
        assert_eq!(world.get(GLOBEX, path).await.header("x-cometgate-provider"), "openai", "{path}");
    }
    assert_eq!(world.canary.count(), 0);
    // What is known to be another's still is.
    let (id, _) = world.turn(None, false).await;
    let body = json!({"model": "summary", "input": "x", "previous_response_id": id});
    assert_eq!(world.post(GLOBEX, "/v1/responses", &body).await.status, 404);
}

/// Where the primary fails, too.
#[tokio::test]
async fn a_third_partys_credential_never_reaches_the_canary() {
    let route = "stateful = \"canary\"\nfallback_provider = \"cometapi\"\nretry_policy = { retries = 1, on = [\"server\"] }";
    let world = world(|map| (map.route, map.share) = (route, "100%"), "", 2).await;
    let tools = [
        json!({"type": "mcp", "server_url": "https://mcp.example", "authorization": "marker-token"}),
        json!({"type": "mcp", "server_url": "https://mcp.example", "headers": {"x-api-key": "marker-token"}}),
    ];
    for round in 0..12 {
        let tools = json!([tools[round % 2]]);
        let in_items = json!([{"type": "mcp_list_tools", "tools": tools}]);
        for body in [
            json!({"model": "summary", "input": "x", "tools": tools, "stream": round % 3 == 0}),
            json!({"model": "summary", "input": in_items, "store": false}),
        ] {
            let answer = world.post(ACME, "/v1/responses", &body).await;
            assert_ne!(answer.header("x-cometgate-provider"), "cometapi");
        }
    }
    assert!(world.primary.count() >= 12);
    assert_eq!(world.canary.count(), 0);
    // The canary is there for what carries none; and what lives there takes no such credential along.
    let (id, home) = loop {
        let (id, home) = world.turn(None, false).await;
        if home == "cometapi" {
            break (id, home);
        }
    };
    assert_eq!(home, "cometapi");
    let body = json!({"model": "summary", "previous_response_id": id, "tools": [tools[0]]});
    assert_eq!(world.post(ACME, "/v1/responses", &body).await.error().0, "state_at_two_providers");
    let seen = world.canary.requests();
    assert!(seen.iter().all(|request| !String::from_utf8_lossy(&request.body).contains("marker-token")));
}

#[tokio::test]
async fn what_is_at_two_providers_is_not_mixed() {
    let world = world(|_| {}, "", 0).await;
    let mut ids = std::collections::HashMap::new();
    while ids.len() < 2 {
        let (id, home) = world.turn(None, false).await;
        ids.insert(home, id);
    }
    let body = json!({"model": "summary", "previous_response_id": ids["openai"],
                      "input": [{"type": "item_reference", "id": ids["cometapi"]}]});
    let answer = world.post(ACME, "/v1/responses", &body).await;
    assert_eq!((answer.status.as_u16(), &*answer.error().0), (400, "state_at_two_providers"));
}

#[tokio::test]
async fn without_a_place_to_keep_it_nothing_is_made_at_the_canary() {
    // What gates know can be kept there, so that they let requests to the canary.
    let kept = tempfile::tempdir().unwrap();
    std::fs::write(kept.path().join("affinity"), "").unwrap();
    let settings = format!("state_dir = \"{}\"\n", kept.path().to_str().unwrap());
    let world = world(|map| map.share = "100%", &settings, 0).await;
    for _ in 0..10 {
        assert_eq!(world.turn(None, false).await.1, "openai");
    }
    let unstored = json!({"model": "summary", "input": "x", "store": false});
    let answer = world.post(ACME, "/v1/responses", &unstored).await;
    assert_eq!(answer.header("x-cometgate-provider"), "cometapi");
}

/// The version to go back to may not know the canary at all.
#[tokio::test]
async fn a_map_without_the_canary_still_serves_what_lives_there() {
    let mut world = world(|map| map.share = "100%", "", 0).await;
    let (id, home) = world.turn(None, false).await;
    assert_eq!(home, "cometapi");
    let urls = (world.primary.base_url(), world.canary.base_url());
    let map = Map { version: "test.2", ..Map::new(&urls.0, &urls.1, "0%") }.text();
    let (before, _) = map.split_once("[routes.canary]").unwrap();
    let map = format!("{}# end test.2\n", before.replace("mode = \"canary\"", "mode = \"primary\""));
    world.files.write("routes.toml", &map);
    world.program.logged("route map test.2 is live").await;
    assert_eq!(world.turn(None, false).await.1, "openai");
    let (next, home) = world.turn(Some(&id), true).await;
    assert_eq!(home, "cometapi");
    // And the failures of one count for nothing at the other.
    world.canary.on("POST", "/v1/responses", testkit::Reply::error(500, "server_error", None, "down"));
    let body = json!({"model": "summary", "input": "x", "previous_response_id": next});
    for _ in 0..20 {
        assert!(world.post(ACME, "/v1/responses", &body).await.status.is_server_error());
        assert_eq!(world.turn(None, false).await.1, "openai");
    }
}

/// What comes out of a job lives where the job ran, and is its owner's as well.
#[tokio::test]
async fn files_that_a_batch_made_belong_to_whose_batch_it_is() {
    let world = world(|_| {}, "", 0).await;
    let batch =
        |output: Value| testkit::Reply::json(200, &json!({"id": "batch_1", "output_file_id": output}));
    world.primary.on("POST", "/v1/batches", batch(Value::Null));
    world.primary.on("GET", "/v1/batches/batch_1", batch(json!("file-out")));
    let file = world.post(ACME, "/v1/files", &json!({})).await.json()["id"].clone();
    assert_eq!(world.post(ACME, "/v1/batches", &json!({"input_file_id": file})).await.status, 200);
    assert_eq!(world.get(ACME, "/v1/files/file-out/content").await.status, 404, "not yet");
    assert_eq!(world.get(GLOBEX, "/v1/batches/batch_1").await.status, 404);
    assert_eq!(world.get(ACME, "/v1/batches/batch_1").await.status, 200);
    assert_eq!(world.get(ACME, "/v1/files/file-out/content").await.status, 200);
    assert_eq!(world.get(GLOBEX, "/v1/files/file-out/content").await.status, 404);
}
