//! What `routes explain --state` says of an ID is what a running gateway does with it.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use hyper::Method;
use serde_json::{Value, json};
use support::client::{Answer, request};
use support::program::output;
use support::{ACME, CANARY_KEY, Client, Files, GLOBEX, Map, PRIMARY_KEY, Program, stateful, tenants};
use testkit::Provider;

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
    program: Program,
}

async fn world() -> World {
    let primary = stateful::provider("primary", PRIMARY_KEY, 0).await;
    let canary = stateful::provider("canary", CANARY_KEY, 0).await;
    let urls = (primary.base_url(), canary.base_url());
    let map = Map { route: "stateful = \"canary\"", ..Map::new(&urls.0, &urls.1, "100%") };
    let files = Files::new("", &map.text(), &tenants());
    let program = Program::serve(&files).await;
    World { primary, canary, files, program }
}

impl World {
    async fn ask(&self, method: Method, key: &str, path: &str, body: &Value) -> Answer {
        let mut client = Client::connect(self.program.address).await;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        client.send(request(method, path, key, &body)).await.unwrap()
    }

    async fn explain(&self, arguments: &[&str]) -> (i32, String, String) {
        let map = self.files.path().join("routes.toml").to_str().unwrap().to_owned();
        let mut all = vec!["routes", "explain", &map];
        all.extend(arguments);
        output(&all).await
    }

    /// What is said as JSON: who it is sent to, if anyone, and what is known.
    async fn json(&self, tenant: &str, id: &str, more: &[&str]) -> (Option<String>, Value) {
        let mut arguments = vec!["--tenant", tenant, "--state", id, "--format", "json"];
        arguments.extend(more);
        let (code, said, failed) = self.explain(&arguments).await;
        assert_eq!(code, 0, "{said}{failed}");
        let said: Value = serde_json::from_str(&said).unwrap();
        let provider = said["results"][0]["targets"][0]["provider"].as_str().map(str::to_owned);
        assert_eq!(said["results"][0]["is_sent"], json!(provider.is_some()), "{said}");
        (provider, said["state"].clone())
    }

    /// Says and does the same, by path and in a body.
    async fn agrees(&self, key: &str, id: &str, path: &str) {
        let tenant = if key == ACME { "acme" } else { "globex" };
        let served = |answer: Answer| match answer.status.as_u16() {
            404 if answer.header("x-cometgate-provider").is_empty() => None,
            _ => Some(answer.header("x-cometgate-provider").to_owned()),
        };
        let by_path = served(self.ask(Method::GET, key, path, &Value::Null).await);
        assert_eq!(self.json(tenant, id, &[]).await.0, by_path, "{tenant} {path}");
        let body = json!({"model": "summary", "input": [{"type": "item_reference", "id": id}]});
        let in_body = served(self.ask(Method::POST, key, "/v1/responses", &body).await);
        let model = ["--model", "summary", "--endpoint", "responses", "--stateful"];
        assert_eq!(self.json(tenant, id, &model).await.0, in_body, "{tenant} {id} in a body");
    }
}

#[tokio::test]
async fn explain_says_of_an_id_what_a_running_gateway_does_with_it() {
    let world = world().await;
    let turn = json!({"model": "summary", "input": "x"});
    let response = world.ask(Method::POST, ACME, "/v1/responses", &turn).await;
    assert_eq!(response.header("x-cometgate-provider"), "cometapi");
    let response = response.json()["id"].as_str().unwrap().to_owned();
    let file = world.ask(Method::POST, ACME, "/v1/files", &json!({})).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for key in [ACME, GLOBEX] {
        world.agrees(key, &response, &format!("/v1/responses/{response}")).await;
        world.agrees(key, &file, &format!("/v1/files/{file}")).await;
        world.agrees(key, "file-unknown", "/v1/files/file-unknown").await;
    }
    let (provider, known) = world.json("acme", &response, &[]).await;
    assert_eq!(provider.as_deref(), Some("cometapi"));
    assert_eq!((&known["tenant"], &known["provider"]), (&json!("acme"), &json!("cometapi")), "{known}");
    assert!(
        known["expires_at"].as_str().unwrap().ends_with('Z') && known["is_expired"] == json!(false),
        "{known}"
    );
    let (_, known) = world.json("acme", &file, &[]).await;
    assert_eq!((&known["provider"], &known["expires_at"]), (&json!("openai"), &Value::Null), "{known}");
    // After a rollback, and for people; nothing was asked of anybody.
    let asked = world.primary.count() + world.canary.count();
    let urls = (world.primary.base_url(), world.canary.base_url());
    world.files.write("routes.toml", &Map { version: "test.2", ..Map::new(&urls.0, &urls.1, "0%") }.text());
    let (code, said, _) = world.explain(&["--tenant", "acme", "--state", &response]).await;
    assert_eq!(code, 0);
    for part in
        ["known: tenant acme made it at cometapi, which keeps it until 20", "1. cometapi, as it was sent"]
    {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let (_, said, _) = world.explain(&["--tenant", "globex", "--state", &response]).await;
    assert!(said.contains("refused with 404 not_found: another tenant's"), "{said}");
    let (_, said, _) = world.explain(&["--tenant", "acme", "--state", "resp_nobodys"]).await;
    assert!(said.contains("unknown: the gateway has not seen it") && said.contains("shared_state"), "{said}");
    assert_eq!(world.primary.count() + world.canary.count(), asked);
}

#[tokio::test]
async fn what_cannot_be_explained_has_its_exit_code() {
    let world = world().await;
    let (code, _, said) = world.explain(&["--tenant", "nobody", "--state", "resp_1"]).await;
    assert_eq!(code, 3, "{said}");
    let (code, _, said) = world.explain(&["--tenant", "acme"]).await;
    assert_eq!((code, said.contains("--model")), (2, true), "{said}");
    let (code, _, said) = world.explain(&["--tenant", "acme", "--state", ""]).await;
    assert_eq!(code, 2, "{said}");
    let affinity = world.files.path().join("state/affinity");
    std::fs::rename(&affinity, world.files.path().join("away")).unwrap();
    assert_eq!(
        world.json("acme", "resp_1", &[]).await.1["is_known"],
        json!(false),
        "none is there, none is made"
    );
    assert!(!affinity.exists());
    std::fs::write(&affinity, "no directory").unwrap();
    let (code, _, said) = world.explain(&["--tenant", "acme", "--state", "resp_1"]).await;
    assert_eq!((code, said.contains("affinity")), (3, true), "{said}");
    // Without settings nobody says where to look.
    let alone = tempfile::tempdir().unwrap();
    for name in ["routes.toml", "tenants.toml"] {
        std::fs::copy(world.files.path().join(name), alone.path().join(name)).unwrap();
    }
    let map = alone.path().join("routes.toml");
    let (code, _, said) =
        output(&["routes", "explain", map.to_str().unwrap(), "--tenant", "acme", "--state", "resp_1"]).await;
    assert_eq!((code, said.contains("--config")), (2, true), "{said}");
}
