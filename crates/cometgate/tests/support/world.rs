//! A gateway between two scripted providers, each with its key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use testkit::{Provider, RecordedRequest};

use super::admin::CHECKS;
use super::comet::{comet, early};
use super::contract::answer_as_cometapi;
use super::{CANARY_KEY, Files, Map, PRIMARY_KEY, Program, tenants};

/// The two providers alone, and the text of maps that lead to them.
pub(crate) struct Setup {
    pub(crate) primary: Provider,
    pub(crate) canary: Provider,
}

impl Setup {
    pub(crate) async fn new() -> Setup {
        Setup {
            primary: Provider::builder("primary").require_key(PRIMARY_KEY).start().await,
            canary: Provider::builder("canary").require_key(CANARY_KEY).start().await,
        }
    }

    /// A map of `production` that sends `share` to the canary.
    pub(crate) fn map(&self, version: &str, share: &str, top: &str) -> String {
        let (primary, canary) = (self.primary.base_url(), self.canary.base_url());
        Map { version, environment: "production", top, ..Map::new(&primary, &canary, share) }.text()
    }
}

pub(crate) struct World {
    pub(crate) primary: Provider,
    pub(crate) canary: Provider,
    pub(crate) program: Program,
    pub(crate) files: Files,
}

impl World {
    /// Starts all three, with these settings and a map that sends everything to the canary, but for what is changed of it.
    pub(crate) async fn start(settings: &str, change: impl FnOnce(&mut Map<'_>)) -> World {
        let Setup { primary, canary } = Setup::new().await;
        let urls = (primary.base_url(), canary.base_url());
        let mut map = Map::new(&urls.0, &urls.1, "100%");
        change(&mut map);
        let files = Files::new(settings, &map.text(), &tenants());
        files.write_check_key();
        let program = Program::serve(&files).await;
        World { primary, canary, program, files }
    }

    /// A gateway with a key for checks, whose canary answers as the contract says and gets no caller's request.
    pub(crate) async fn staging(change: impl FnOnce(&mut Map<'_>)) -> World {
        let world = World::start(CHECKS, |map| {
            map.share = "0%";
            map.environment = "staging";
            change(map);
        })
        .await;
        answer_as_cometapi(&world.canary);
        world
    }
}

/// A gateway whose map has just got its first canary, and holds it for want of a drill.
pub(crate) struct Held {
    pub(crate) program: Program,
    pub(crate) files: Files,
    /// The canary refuses whatever it is asked.
    pub(crate) is_ill: Arc<AtomicBool>,
    _providers: [Provider; 2],
}

impl Held {
    /// With the share that the canary is to get.
    pub(crate) async fn start(share: &str) -> Held {
        let primary =
            Provider::builder("primary").require_key(PRIMARY_KEY).models(["gpt-primary", "gpt-other"]);
        let primary = primary.start().await;
        let is_ill = Arc::new(AtomicBool::new(false));
        let ill = Arc::clone(&is_ill);
        let canary = comet(move |_: &RecordedRequest, _: &Value| {
            ill.load(Ordering::Relaxed).then(|| early(401, "", "Invalid token"))
        })
        .await;
        let urls = (primary.base_url(), canary.base_url());
        let map = |version, share, top| {
            Map { version, environment: "production", top, ..Map::new(&urls.0, &urls.1, share) }.text()
        };
        let files = Files::new(CHECKS, &map("1", "0%", "owner = \"platform\""), &tenants());
        files.write_check_key();
        let mut program = Program::serve(&files).await;
        files.write("routes.toml", &map("2", share, "rollback_route_version = \"1\"\nowner = \"platform\""));
        program.logged("route map 2 is live").await;
        Held { program, files, is_ill, _providers: [primary, canary] }
    }
}
