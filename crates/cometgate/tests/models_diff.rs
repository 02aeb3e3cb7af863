//! `cometgate models diff` and `models inventory`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use evidence::Kind;
use serde_json::{Value, json};
use support::records::recorded;
use support::{ACME, CANARY_KEY, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Provider, Reply};

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
}

async fn world() -> World {
    let list = |key: &'static str, id: &'static str| {
        Provider::builder("p").require_key(key).models([id, "gpt-other"]).start()
    };
    let (primary, canary) = (list(PRIMARY_KEY, "gpt-primary").await, list(CANARY_KEY, "gpt-canary").await);
    let text = Map::new(&primary.base_url(), &canary.base_url(), "5%").text();
    World { primary, canary, files: Files::new("", &text, &tenants()) }
}

impl World {
    fn list(&self, ids: &[&str]) {
        let data: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
        self.canary.on("GET", "/v1/models", Reply::json(200, &json!({ "data": data })));
    }

    async fn diff(&self, more: &[&str]) -> (i32, Value, String) {
        let arguments = [&["models", "diff", "--provider", "cometapi", "--format", "json"], more].concat();
        let (code, said, complained) = self.files.run(&arguments).await;
        let printed: Value = serde_json::from_str(&said).expect(&complained);
        (code, printed[0].clone(), said + &complained)
    }

    fn kept(&self) -> Vec<String> {
        let path = self.files.path().join("state/catalog/cometapi.reviewed.json");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        kept["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }
}

const SIX: [&str; 6] = ["gpt-canary", "gpt-other", "a-4.5", "B-one", "c", "d"];

#[tokio::test]
async fn a_drift_is_told_in_numbers_and_by_name_only_to_who_asks() {
    let world = world().await;
    world.list(&SIX);
    let (code, printed, said) = world.diff(&[]).await;
    assert_eq!(
        (code, &printed["outcome"], &printed["identifiers"]),
        (0, &json!("first"), &json!(6)),
        "{said}"
    );
    let (code, printed, said) = world.diff(&[]).await;
    assert_eq!(
        (code, &printed["summary"], &printed["severity"]),
        (
            0,
            &json!("0 new, 0 removed (0 in use), 0 renamed-looking, 0 case-only, 0 alias-like"),
            &Value::Null
        ),
        "{said}"
    );
    // Its order and what is listed twice are no drift.
    world.list(&["d", "c", "c", "gpt-other", "gpt-canary", "B-one", "a-4.5"]);
    assert_eq!(world.diff(&[]).await.1["severity"], Value::Null);

    world.list(&["gpt-canary", "gpt-other", "a-4-5-20260101", "b-ONE", "c", "CATMARK-latest"]);
    let (code, printed, said) = world.diff(&["--keep", "--by", "kim"]).await;
    assert_eq!((code, &printed["severity"]), (0, &json!("low")), "{said}");
    assert_eq!(
        printed["summary"],
        "3 new, 3 removed (0 in use), 1 renamed-looking, 1 case-only, 1 alias-like"
    );
    assert!(!said.contains("CATMARK") && !said.contains("B-one"), "{said}");
    let (_, said, _) = world.files.run(&["models", "diff", "--provider", "cometapi", "--names"]).await;
    for line in [
        "renamed-looking  a-4.5 to a-4-5-20260101",
        "case-only        B-one to b-ONE",
        "alias-like       CATMARK-latest",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    assert_eq!(world.kept(), ["CATMARK-latest", "a-4-5-20260101", "b-ONE", "c", "gpt-canary", "gpt-other"]);
    let records = recorded(&world.files, Kind::CatalogDrift);
    let of = |name: &str| records[2]["body"][name].clone();
    assert_eq!((of("new"), of("removed"), of("command_owner")), (json!(3), json!(3), json!("kim")));
    assert_eq!(
        (of("identifiers_before"), of("gone_in_use"), of("severity")),
        (json!(6), json!([]), json!("low"))
    );
    let (code, exported, _) = world.files.run(&["evidence", "export"]).await;
    assert!(code == 0 && !exported.contains("CATMARK") && !exported.contains("B-one"), "{exported}");
}

#[tokio::test]
async fn an_id_that_the_map_names_is_missed_and_no_list_is_forgotten_for_an_empty_one() {
    let world = world().await;
    world.list(&SIX);
    world.diff(&[]).await;
    let routes = || std::fs::read(world.files.path().join("routes.toml")).unwrap();
    let before = routes();
    for reply in [
        Reply::json(200, &json!({"data": []})),
        Reply::json(200, &json!({"data": [{"id": "x"}], "has_more": true})),
        Reply::json(200, &json!({"data": [{"no": "id"}]})),
        Reply::error(500, "e", None, "no"),
    ] {
        world.canary.on("GET", "/v1/models", reply);
        let (code, _, said) = world.diff(&["--accept"]).await;
        assert_eq!(code, 5, "{said}");
        assert_eq!(world.kept().len(), 6, "{said}");
    }
    world.list(&["gpt-other", "c"]);
    let (code, printed, said) = world.diff(&[]).await;
    assert_eq!((code, &printed["outcome"], world.kept().len()), (4, &json!("near_empty"), 6), "{said}");
    assert_eq!((&printed["gone_in_use"], &printed["severity"]), (&json!(["gpt-canary"]), &json!("high")));
    let (code, _, said) = world.diff(&["--accept"]).await;
    assert_eq!((code, world.kept().len()), (4, 2), "{said}");
    assert_eq!(routes(), before);
}

#[tokio::test]
async fn the_inventory_has_every_id_with_its_place_and_when_it_was_seen() {
    let mut world = world().await;
    let (home, away) = (world.primary.base_url(), world.canary.base_url());
    let before = Map { version: "test.0", ..Map::new(&home, &away, "1%") }.text();
    std::fs::create_dir(world.files.path().join("versions")).unwrap();
    world.files.write("versions/test.0.toml", &before.replace("gpt-primary", "gpt-before"));
    let top = "rollback_route_version = \"test.0\"\nowner = \"platform\"";
    let route = "fallback_provider = \"cometapi\"";
    world.files.write("routes.toml", &Map { top, route, ..Map::new(&home, &away, "5%") }.text());
    let inventory = async |world: &World| -> Value {
        let (code, said, complained) = world.files.run(&["models", "inventory", "--format", "json"]).await;
        assert_eq!(code, 0, "{complained}");
        serde_json::from_str(&said).unwrap()
    };
    let all = inventory(&world).await;
    assert_eq!(all["unlisted"], Value::Null, "no gateway runs");
    let rows: Vec<[&str; 4]> = all["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            ["route", "role", "provider", "current_model_id"].map(|name| row[name].as_str().unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        rows,
        [
            ["the-canary", "primary", "openai", "gpt-primary"],
            ["the-canary", "canary", "cometapi", "gpt-canary"],
            ["the-canary", "fallback", "cometapi", "gpt-canary"],
            ["-", "unrouted", "openai", "gpt-other"],
            ["-", "unrouted", "cometapi", "gpt-other"],
        ]
    );
    let first = &all["models"][0];
    assert_eq!(
        (&first["rollback_model_id"], &first["owner"]),
        (&json!("openai/gpt-before"), &json!("platform"))
    );
    assert_eq!((&first["tenant_or_cohort"], &first["last_validated"]), (&json!("acme"), &Value::Null));
    let (file, line) = first["config_source"].as_str().unwrap().rsplit_once(':').unwrap();
    let line = line.parse::<usize>().unwrap();
    assert!(std::fs::read_to_string(file).unwrap().lines().nth(line - 1).unwrap().contains("gpt-primary"));
    world.files.run(&["models", "check"]).await;
    let all = inventory(&world).await;
    assert!(all["models"][1]["last_validated"].is_string(), "{all}");

    // Names that callers send, but for what looks like a key.
    let program = Program::serve(&world.files).await;
    let mut client = Client::connect(program.address).await;
    for model in ["a-new-model", "a-new-model", "summary", "sk-KEYMARK", "gpt\\u043e"] {
        client.chat(ACME, &format!(r#"{{"model":"{model}","messages":[]}}"#)).await;
    }
    let all = inventory(&world).await;
    assert_eq!(all["unlisted"], json!({"models": [{"name": "a-new-model", "requests": 2}], "others": 2}));
    let (_, said, _) = world.files.run(&["models", "inventory"]).await;
    assert!(said.contains("no alias lists a-new-model, which callers sent 2 times"), "{said}");
    assert!(said.contains("back openai/gpt-before") && said.contains("owner platform"), "{said}");
    drop(program);
    world.primary.clear();
    world = self::world().await;
    let (code, _, complained) = world.files.run(&["models", "inventory"]).await;
    assert_eq!(code, 0, "without evidence and without a gateway: {complained}");
}
