//! A gateway between two scripted providers, each with its key.

use testkit::Provider;

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
}
