//! What is known of a target outlives a reload that leaves the target alone: its breaker, its places and its budgets.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use support::{ACME, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Gate, Provider, Reply};

struct Reloading {
    primary: Provider,
    program: Program,
    files: Files,
    version: u32,
}

impl Reloading {
    async fn new(route: &str) -> Reloading {
        let primary = Provider::builder("primary").require_key(PRIMARY_KEY).record(false).start().await;
        let files = Files::new("", &map(&primary, 0, route), &tenants());
        let program = Program::serve(&files).await;
        Reloading { primary, program, files, version: 0 }
    }

    /// Puts another version in force, with this in its one route and this changed.
    async fn reload(&mut self, route: &str, change: impl Fn(String) -> String) {
        self.version += 1;
        self.files.write("routes.toml", &change(map(&self.primary, self.version, route)));
        self.program.logged(&format!("route map v{} is live", self.version)).await;
    }

    async fn status(&self) -> u16 {
        let mut client = Client::connect(self.program.address).await;
        client.chat(ACME, r#"{"model":"summary"}"#).await.status.as_u16()
    }
}

fn map(primary: &Provider, version: u32, route: &str) -> String {
    let (url, version) = (primary.base_url(), format!("v{version}"));
    Map { version: &version, route, ..Map::new(&url, "http://127.0.0.1:9/v1", "0%") }.text()
}

fn broken() -> Reply {
    Reply::error(500, "server_error", None, "it broke")
}

#[tokio::test]
async fn an_open_breaker_stays_open_until_its_target_changes() {
    let mut reloading = Reloading::new("").await;
    reloading.primary.on("POST", "*", broken());
    for _ in 0..5 {
        assert_eq!(reloading.status().await, 500);
    }
    assert_eq!((reloading.status().await, reloading.primary.count()), (503, 5));
    // Another share, another time limit: the same target.
    reloading
        .reload("timeout_ms = 30000", |map| {
            map.replace("share = \"0%\"", "share = \"1%\"\nsticky_by = [\"user\"]")
        })
        .await;
    assert_eq!((reloading.status().await, reloading.primary.count()), (503, 5));
    // The same provider elsewhere.
    reloading
        .reload("", |map| map.replace("127.0.0.1", "localhost").replace("localhost:9/", "127.0.0.1:9/"))
        .await;
    assert_eq!((reloading.status().await, reloading.primary.count()), (500, 6));
}

#[tokio::test]
async fn what_is_under_way_takes_its_place_also_after_a_reload() {
    let limit = |most: u32| {
        move |map: String| {
            map.replace(
                "[providers.openai]\n",
                &format!("[providers.openai]\nmax_concurrent_requests = {most}\n"),
            )
        }
    };
    let mut reloading = Reloading::new("").await;
    reloading.reload("", limit(1)).await;
    let gate = Gate::new();
    reloading.primary.once("POST", "*", Reply::standard().gated(&gate));
    let address = reloading.program.address;
    let first = tokio::spawn(async move {
        Client::connect(address).await.chat(ACME, r#"{"model":"summary"}"#).await.status.as_u16()
    });
    reloading.primary.wait_requests(1).await;
    assert_eq!(reloading.status().await, 503);
    reloading.reload("", limit(1)).await;
    assert_eq!(reloading.status().await, 503, "its place is taken by a request of the version before");
    gate.open();
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(reloading.status().await, 200);
    reloading.reload("", limit(2)).await;
    assert_eq!(reloading.status().await, 200);
}

#[tokio::test]
async fn a_spent_budget_stays_spent_until_it_changes() {
    let retried = "retry_policy = { retries = 1, on = [\"server\"] }\nretry_budget = ";
    let of = |share: &str| format!("{retried}\"{share}\"");
    let mut reloading = Reloading::new(&of("1%")).await;
    // Never enough in a row to open the breaker, nor enough in all: a success pays for a hundredth of a retry.
    let spend = async |reloading: &Reloading| {
        let before = reloading.primary.count();
        reloading.primary.once("POST", "*", broken());
        let status = reloading.status().await;
        for _ in 0..4 {
            assert_eq!(reloading.status().await, 200);
        }
        (status, reloading.primary.count() - before)
    };
    for _ in 0..10 {
        assert_eq!(spend(&reloading).await, (200, 6));
    }
    assert_eq!(spend(&reloading).await, (500, 5));
    reloading.reload(&format!("{}\ntimeout_ms = 30000", of("1%")), |map| map).await;
    assert_eq!(spend(&reloading).await, (500, 5));
    reloading.reload(&of("2%"), |map| map).await;
    assert_eq!(spend(&reloading).await, (200, 6));
}
