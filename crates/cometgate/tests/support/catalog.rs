//! Providers that list models, and the check of what they list.

use evidence::Kind;
use serde_json::{Value, json};
use testkit::{Provider, Reply};

use super::records::recorded;
use super::{CANARY_KEY, Files, Map, PRIMARY_KEY, tenants};

/// An ID that the canary lists and no map names: it may appear nowhere.
pub(crate) const UNNAMED: &str = "CATMARK-of-the-account";

/// Two providers with their keys and lists, and a map that names all that they list but one.
pub(crate) struct Listing {
    pub(crate) primary: Provider,
    pub(crate) canary: Provider,
    pub(crate) files: Files,
}

pub(crate) async fn provider(key: &str, ids: &[&str]) -> Provider {
    Provider::builder("p").require_key(key).models(ids.iter().copied()).start().await
}

/// Two providers that list all that the map names, and the canary one more.
pub(crate) async fn listing(settings: &str, change: impl FnOnce(&mut Map<'_>)) -> Listing {
    let primary = provider(PRIMARY_KEY, &["gpt-other", "gpt-primary"]).await;
    let canary = provider(CANARY_KEY, &["gpt-canary", "gpt-other", UNNAMED]).await;
    let (home, away) = (primary.base_url(), canary.base_url());
    let mut map = Map::new(&home, &away, "5%");
    change(&mut map);
    let files = Files::new(settings, &map.text(), &tenants());
    Listing { primary, canary, files }
}

impl Listing {
    /// Runs the check of the canary's provider: exit code, its record as printed.
    pub(crate) async fn check(&self, more: &[&str]) -> (i32, Value, String) {
        let (code, said, complained) = self
            .files
            .run(&[&["models", "check", "--provider", "cometapi", "--format", "json"], more].concat())
            .await;
        let printed: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said} {complained}"));
        (code, printed["providers"][0].clone(), said + &complained)
    }

    pub(crate) fn list(&self, data: &Value) {
        self.canary.on("GET", "/v1/models", Reply::json(200, &json!({ "object": "list", "data": data })));
    }

    pub(crate) fn last(&self) -> Value {
        recorded(&self.files, Kind::CatalogCheck).pop().unwrap()["body"].clone()
    }
}
