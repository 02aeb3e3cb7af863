//! What whole-program tests share: the real binary with a configuration of the test's, and a plain HTTP client.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test has nothing better to do with an error")]

pub(crate) mod admin;
pub(crate) mod catalog;
pub(crate) mod client;
pub(crate) mod collected;
pub(crate) mod comet;
pub(crate) mod contract;
pub(crate) mod fault;
pub(crate) mod h2;
pub(crate) mod lanes;
pub(crate) mod load;
pub(crate) mod markers;
pub(crate) mod metrics;
pub(crate) mod outbound;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod rate;
pub(crate) mod records;
pub(crate) mod stateful;
pub(crate) mod tls;
pub(crate) mod wire;
pub(crate) mod world;

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use client::Client;
pub(crate) use program::Program;

/// The gateway key of tenant `acme`.
pub(crate) const ACME: &str = "cgk-acme";
/// The gateway key of tenant `globex`.
pub(crate) const GLOBEX: &str = "cgk-globex";
/// What the gateway shows the primary.
pub(crate) const PRIMARY_KEY: &str = "sk-primary-marker";
/// What the gateway shows the canary.
pub(crate) const CANARY_KEY: &str = "sk-canary-marker";

/// A chat request for the alias of the tests.
pub(crate) const CHAT: &str = r#"{"model":"summary","messages":[]}"#;

/// A first event of a chat stream with content, so that it goes to the caller at once.
pub(crate) const FIRST: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"1\"}}]}\n\n";
/// A last one.
pub(crate) const LAST: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// Long counts run where this is set, a tenth of them otherwise.
pub(crate) fn scaled(full: usize) -> usize {
    if std::env::var_os("COMETGATE_FULL").is_some() { full } else { full / 10 }
}

/// A configuration on disk.
pub(crate) struct Files {
    pub(crate) directory: tempfile::TempDir,
}

impl Files {
    /// Writes the three files.
    pub(crate) fn new(settings: &str, routes: &str, tenants: &str) -> Files {
        let directory = tempfile::tempdir().unwrap();
        let files = Files { directory };
        // Providers are asked for nothing that the test does not ask for.
        let catalog = if settings.contains("[catalog]") { "" } else { "catalog.interval = \"off\"\n" };
        files.write("cometgate.toml", &format!("listen = \"127.0.0.1:0\"\n{catalog}{settings}"));
        files.write("routes.toml", routes);
        files.write("tenants.toml", tenants);
        files
    }

    /// At once, as a careful editor does. Who looks meanwhile finds the file of before, or this one; what is written
    /// in place may be found empty, which is one refusal more (`random_writes.rs` and `kill.rs` do that).
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        let new = self.path().join(format!("{name}.new"));
        std::fs::write(&new, text).unwrap();
        if let Ok(before) = std::fs::metadata(&path) {
            std::fs::set_permissions(&new, before.permissions()).unwrap();
        }
        std::fs::rename(new, path).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The settings file, as `--config` takes it.
    pub(crate) fn settings(&self) -> String {
        self.path().join("cometgate.toml").to_str().unwrap().to_owned()
    }

    /// The route map.
    pub(crate) fn routes(&self) -> String {
        self.path().join("routes.toml").to_str().unwrap().to_owned()
    }

    /// Runs a command on this configuration: exit code, standard output, standard error.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        program::output(&[arguments, &["--config", &self.settings()]].concat()).await
    }

    /// What `status` says of the first target of the canary route.
    pub(crate) async fn canary_status(&self) -> Value {
        let (code, said, errors) = self.run(&["status", "the-canary", "--format", "json"]).await;
        assert_eq!(code, 0, "{errors}");
        serde_json::from_str::<Value>(&said).unwrap()["routes"][0]["targets"][0].clone()
    }
}

/// A map with one canary route for `acme`.
pub(crate) struct Map<'a> {
    pub(crate) version: &'a str,
    pub(crate) primary: &'a str,
    pub(crate) canary: &'a str,
    pub(crate) share: &'a str,
    /// In `development` no version needs a proven way back.
    pub(crate) environment: &'a str,
    /// Lines at the top level, before the providers.
    pub(crate) top: &'a str,
    /// `credential = …` of the primary.
    pub(crate) primary_credential: &'a str,
    /// Lines within the route, before its canary.
    pub(crate) route: &'a str,
    /// `sticky_by = …` of the canary, or nothing.
    pub(crate) sticky_by: &'a str,
    /// Who the canary route is for.
    pub(crate) who: &'a str,
}

impl<'a> Map<'a> {
    pub(crate) fn new(primary: &'a str, canary: &'a str, share: &'a str) -> Map<'a> {
        Map {
            version: "test.1",
            primary,
            canary,
            share,
            environment: "development",
            top: "",
            primary_credential: "{ env = \"PRIMARY_KEY\" }",
            route: "",
            sticky_by: "",
            who: "acme",
        }
    }

    pub(crate) fn text(&self) -> String {
        let Map {
            version,
            primary,
            canary,
            share,
            environment,
            top,
            primary_credential,
            route,
            sticky_by,
            who,
        } = self;
        format!(
            r#"route_version = "{version}"
environment = "{environment}"
primary_provider = "openai"
{top}

[providers.openai]
base_url = "{primary}"
credential = {primary_credential}

[providers.cometapi]
base_url = "{canary}"
credential = {{ env = "CANARY_KEY" }}

[aliases.summary]
provider_model_id = {{ openai = "gpt-primary", cometapi = "gpt-canary" }}

[aliases.other]
provider_model_id = {{ openai = "gpt-other", cometapi = "gpt-other" }}

[[routes]]
name = "the-canary"
tenant_or_cohort = "{who}"
model_alias = "summary"
mode = "canary"
primary_provider = "openai"
{route}

[routes.canary]
provider = "cometapi"
share = "{share}"
{sticky_by}
# end {version}
"#
        )
    }
}

/// Tenants `acme` and `globex`; the text stands within `globex`.
pub(crate) fn tenants_with(globex: &str) -> String {
    format!(
        "version = \"1\"\n[tenants.acme]\nkey_sha256 = [\"{}\"]\n[tenants.globex]\nkey_sha256 = [\"{}\"]\n{globex}\n# end 1\n",
        hash(ACME),
        hash(GLOBEX)
    )
}

pub(crate) fn tenants() -> String {
    tenants_with("")
}

pub(crate) fn hash(key: &str) -> String {
    config::edit::hex(&Sha256::digest(key.as_bytes()).into())
}
