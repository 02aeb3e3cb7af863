//! The example configuration of `cometgate demo`.

use config::edit::hex;

/// What the demo's files are made of.
pub(super) struct DemoFiles<'a> {
    pub(super) listen: &'a str,
    pub(super) primary_url: &'a str,
    pub(super) canary_url: &'a str,
    pub(super) primary_key_file: &'a str,
    pub(super) canary_key_file: &'a str,
    pub(super) share: &'a str,
    pub(super) key_sha256: [u8; 32],
}

/// The model that takes part in the canary.
pub(super) const CHAT_ALIAS: &str = "demo-chat";

impl DemoFiles<'_> {
    pub(super) fn settings(&self) -> String {
        format!(
            "# The demo's settings; see docs/configuration.md.\nlisten = \"{}\"\n\n[checks]\nkey = {{ file = \"checks.key\" }}\n\n[catalog]\ninterval = \"off\"\n",
            self.listen
        )
    }

    pub(super) fn routes(&self) -> String {
        let DemoFiles { primary_url, canary_url, primary_key_file, canary_key_file, share, .. } = self;
        format!(
            r#"# The demo's route map. `cometgate routes shift` changes a share; by hand, edit a `share` below, give the map the
# next version here and in its last line, save, and watch the next requests move.
route_version = "demo.1"          # a version never changes its content
environment = "development"
primary_provider = "primary"      # what no route names goes here
unlisted_models = "primary"

[providers.primary]               # both are scripted and run inside the demo
base_url = "{primary_url}"
credential = {{ file = "{primary_key_file}" }}

[providers.cometapi]
base_url = "{canary_url}"
credential = {{ file = "{canary_key_file}" }}

[aliases.{CHAT_ALIAS}]              # what applications send as `model`
provider_model_id = {{ primary = "primary-model-1", cometapi = "comet-model-1" }}

[aliases.demo-embedding]
provider_model_id = {{ primary = "primary-embedding-1", cometapi = "primary-embedding-1" }}

[[routes]]
name = "acme-chat"
tenant_or_cohort = "acme"
model_alias = "{CHAT_ALIAS}"
mode = "canary"
primary_provider = "primary"

[routes.canary]
provider = "cometapi"
share = "{share}"                    # <- edit this: "0%" takes the canary back, "100%" sends everything
sticky_by = ["safety_identifier", "user", "prompt_cache_key", "request"]

[[routes]]
name = "everyone"
tenant_or_cohort = "*"
model_alias = "*"
mode = "primary"
primary_provider = "primary"

# The last line repeats the version: a file without it counts as half-written.
# end demo.1
"#
        )
    }

    pub(super) fn tenants(&self) -> String {
        format!(
            "# Who may call, known by the SHA-256 of the key. `cometgate tenants add NAME` adds one.\n\
             version = \"demo.1\"\n\n\
             [tenants.acme]\n\
             key_sha256 = [\"{}\"]\n\n\
             # end demo.1\n",
            hex(&self.key_sha256)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::{Source, load_map, load_settings};

    use super::*;

    #[test]
    fn the_demos_files_load() {
        let files = DemoFiles {
            listen: "127.0.0.1:8080",
            primary_url: "http://127.0.0.1:1/v1",
            canary_url: "http://127.0.0.1:2/v1",
            primary_key_file: "/tmp/a",
            canary_key_file: "/tmp/b",
            share: "20%",
            key_sha256: [7; 32],
        };
        let (routes, tenants, settings) = (files.routes(), files.tenants(), files.settings());
        let source = |path, text| Source { path: Path::new(path), text };
        load_settings(source("cometgate.toml", &settings)).unwrap();
        load_map(source("routes.toml", &routes), source("tenants.toml", &tenants)).unwrap();
    }
}
