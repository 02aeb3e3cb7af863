//! Keys of tenants come and go while the gateway runs: made, rotated, expired, revoked; and nobody else notices.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::client::Answer;
use support::program::output;
use support::{ACME, Client, Files, GLOBEX, Map, PRIMARY_KEY, Program, hash};
use testkit::Provider;
use tokio::time::Instant;

const LIVE_WITHIN: Duration = Duration::from_secs(1);

struct World {
    _provider: Provider,
    program: Program,
    files: Files,
}

async fn world(tenants: &str) -> World {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
    let url = provider.base_url();
    let files = Files::new("", &Map::new(&url, "http://127.0.0.1:9/v1", "0%").text(), tenants);
    let program = Program::serve(&files).await;
    World { _provider: provider, program, files }
}

impl World {
    async fn tenants(&self, arguments: &[&str]) -> (i32, String, String) {
        self.files.run(&[&["tenants"], arguments].concat()).await
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.files.path().join("tenants.toml")).unwrap()
    }
}

/// Asks until the answer has a status; how long that took.
async fn until(client: &mut Client, key: &str, status: u16) -> (Duration, Answer) {
    let began = Instant::now();
    loop {
        let answer = ask(client, key).await;
        if answer.status == status {
            return (began.elapsed(), answer);
        }
        assert!(began.elapsed() < LIVE_WITHIN, "still {} after {LIVE_WITHIN:?}", answer.status);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn ask(client: &mut Client, key: &str) -> Answer {
    client.chat(key, r#"{"model":"summary"}"#).await
}

/// Another tenant's requests, one after another, of which none may fail.
fn bystander(program: &Program, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<u64> {
    let (address, stop) = (program.address, Arc::clone(stop));
    tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        let mut served = 0;
        while !stop.load(Ordering::Acquire) {
            assert_eq!(ask(&mut client, GLOBEX).await.status, 200);
            served += 1;
        }
        served
    })
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second_and_nobody_else_notices() {
    let laptop = "cgk-acme-laptop";
    let world = world(&format!(
        "version = \"1\"\n[tenants.acme]\nkey_sha256 = [\"{}\"] # by hand\n[[tenants.acme.keys]]\nsha256 = \"{}\"\n\
         name = \"laptop\"\n[tenants.globex]\nkey_sha256 = [\"{}\"]\n# end 1\n",
        hash(ACME),
        hash(laptop),
        hash(GLOBEX)
    ))
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let globex = bystander(&world.program, &stop);
    let mut client = Client::connect(world.program.address).await;
    assert_eq!(ask(&mut client, laptop).await.status, 200);
    assert_eq!(ask(&mut client, ACME).await.status, 200);

    // Nobody is at a terminal to confirm it.
    let (code, said, complained) = world.tenants(&["revoke", "acme", "--key", "laptop"]).await;
    assert_eq!((code, said.as_str()), (2, ""), "{complained}");
    assert!(complained.contains("laptop") && complained.contains("--yes"), "{complained}");
    assert_eq!(ask(&mut client, laptop).await.status, 200);

    let (code, said, complained) = world.tenants(&["revoke", "acme", "--key", "laptop", "--yes"]).await;
    assert_eq!(code, 0, "{complained}");
    assert!(said.contains("is now version 1.1"), "{said}");
    let (took, answer) = until(&mut client, laptop, 401).await;
    println!("a revoked key was refused after {took:?}");
    assert_eq!(answer.error().0, "invalid_api_key");
    assert_eq!(ask(&mut client, ACME).await.status, 200, "the tenant's other key is good");

    let beginning = &hash(ACME)[..8];
    let (code, _, complained) = world.tenants(&["revoke", "acme", "--key", beginning, "--yes"]).await;
    assert_eq!(code, 0, "{complained}");
    assert!(complained.contains("nobody can call as this tenant"), "{complained}");
    until(&mut client, ACME, 401).await;
    let (code, _, complained) = world.tenants(&["revoke", "acme", "--yes"]).await;
    assert_eq!(code, 3, "{complained}");
    let (code, _, complained) = world.tenants(&["revoke", "acne", "--yes"]).await;
    assert!(code == 3 && complained.contains("did you mean `acme`?"), "{complained}");

    stop.store(true, Ordering::Release);
    assert!(globex.await.unwrap() > 0);
    assert!(world.text().contains("# by hand"), "{}", world.text());
}

#[tokio::test]
async fn a_rotated_key_is_good_for_the_grace_and_ends_to_the_moment_without_a_reload() {
    let world = world(&support::tenants()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let globex = bystander(&world.program, &stop);
    let (code, said, complained) =
        world.tenants(&["rotate", "acme", "--grace", "3s", "--name", "next", "--format", "json"]).await;
    assert_eq!(code, 0, "{complained}");
    let made: Value = serde_json::from_str(&said).unwrap();
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("cgk-") && made["key_name"] == "next" && made["version"] == "1.1", "{said}");
    assert_eq!(made["ending"][0]["sha256_begins"], hash(ACME)[..8]);
    let end: jiff::Timestamp = made["ending"][0]["expires_at"].as_str().unwrap().parse().unwrap();
    let end = SystemTime::from(end);
    assert!(!world.text().contains(key) && !complained.contains(key), "the key itself is nowhere");

    let mut client = Client::connect(world.program.address).await;
    until(&mut client, key, 200).await;
    let served = AtomicU64::new(0);
    let refused = loop {
        let sent = SystemTime::now();
        let answer = ask(&mut client, ACME).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(sent < end, "served after its end");
        served.fetch_add(1, Ordering::Relaxed);
    };
    assert!(SystemTime::now() >= end, "refused before its end");
    assert!(served.into_inner() > 0);
    let (code, message) = refused.error();
    assert_eq!((refused.status.as_u16(), code.as_str()), (401, "invalid_api_key"));
    assert!(message.contains("has expired"), "{message}");
    assert_eq!(ask(&mut client, key).await.status, 200);
    stop.store(true, Ordering::Release);
    assert!(globex.await.unwrap() > 0);
}

#[tokio::test]
async fn the_list_has_names_limits_and_ends_and_never_a_key() {
    let laptop = "cgk-acme-laptop";
    let world = world(&format!(
        "version = \"1\"\n[tenants.acme]\nkey_sha256 = [\"{}\"]\nrequests_per_minute = 600\nmax_concurrent_requests = 5\n\
         [[tenants.acme.keys]]\nsha256 = \"{}\"\nname = \"laptop\"\nexpires_at = 2020-01-01T00:00:00Z\n\
         [tenants.globex]\nkey_sha256 = []\n# end 1\n",
        hash(ACME),
        hash(laptop)
    ))
    .await;
    let (code, text, complained) = world.tenants(&["list"]).await;
    assert_eq!(code, 0, "{complained}");
    let expected = format!(
        "acme: 600 requests per minute, 5 requests at one time\n  (no name)            {}  does not expire\n  \
         laptop               {}  expired 2020-01-01T00:00:00Z\nglobex: no limits\n  no keys\n",
        &hash(ACME)[..8],
        &hash(laptop)[..8]
    );
    assert_eq!(text, expected);
    let (_, json, _) = world.tenants(&["list", "--format", "json"]).await;
    let listed: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(listed[0]["keys"][1]["name"], "laptop");
    assert_eq!(listed[0]["keys"][1]["expired"], true);
    assert_eq!(listed[0]["requests_per_minute"], 600);
    assert_eq!(listed[0]["tokens_per_minute"], Value::Null);
    for said in [&text, &json] {
        assert!(!said.contains(ACME) && !said.contains(laptop) && !said.contains(&hash(ACME)), "{said}");
    }
    // A key that had expired before the start.
    let mut client = Client::connect(world.program.address).await;
    assert!(ask(&mut client, laptop).await.error().1.contains("has expired"));
}

/// Where callers use keys of their own, a listed key that has ended is nobody's own: it goes nowhere.
#[tokio::test]
async fn an_expired_key_is_not_taken_for_the_callers_own() {
    let own = "sk-a-listed-key";
    let provider = Provider::builder("primary").record(false).start().await;
    let url = provider.base_url();
    let map = Map {
        top: "default_tenant = \"globex\"",
        primary_credential: "\"client\"",
        ..Map::new(&url, "http://127.0.0.1:9/v1", "0%")
    };
    let tenants = format!(
        "version = \"1\"\n[tenants.acme]\n[[tenants.acme.keys]]\nsha256 = \"{}\"\nexpires_at = 2020-01-01T00:00:00Z\n\
         [tenants.globex]\nkey_sha256 = []\n# end 1\n",
        hash(own)
    );
    let files = Files::new("", &map.text(), &tenants);
    let mut program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    let answer = ask(&mut client, own).await;
    assert_eq!((answer.status.as_u16(), provider.count()), (401, 0));
    assert!(answer.error().1.contains("has expired"));
    assert_eq!(ask(&mut client, "sk-somebody").await.status, 200);
    program.terminate();
    program.ended().await;
}

#[tokio::test]
async fn every_key_command_says_how_it_is_used() {
    for command in ["add", "list", "rotate", "revoke"] {
        let (code, help, _) = output(&["tenants", command, "--help"]).await;
        assert!(code == 0 && help.contains("Example") && help.contains("cometgate tenants"), "{help}");
    }
    let (code, _, complained) = output(&["tenants", "rotate", "acme", "--grace", "soon"]).await;
    assert!(code == 3 && complained.contains("24h"), "{complained}");
}
