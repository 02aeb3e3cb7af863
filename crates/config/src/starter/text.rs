//! The words of the three files. Values go in through the TOML writer, never by hand, so that no name breaks a line.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};

use toml_edit::{Key, Value};

use super::{Checked, ModelIds};
use crate::edit::hex;
use crate::names::NAME_BYTES;
use crate::settings::LISTEN;
use crate::share::format_share;

pub(super) fn settings(checked: &Checked<'_>) -> String {
    let listen = format!("listen = {}", string(&checked.options.listen));
    let listen = with_comment(&listen, "where your applications connect to");
    let admin = format!("listen = {}", string(&admin_address(&checked.options.listen).to_string()));
    let admin = with_comment(&admin, "GET /healthz and /readyz, for probes; needs no key");
    format!(
        "\
# Cometgate: the process. A change here takes a restart; routes.toml and tenants.toml are picked up while it runs.

{listen}
routes = \"routes.toml\"                  # relative to this file
tenants = \"tenants.toml\"
state_dir = \"state\"                     # the versions that were live: what a restart with a broken map goes back to

# [tls]                                 # HTTPS; without it applications connect in the clear
# certificate = \"gateway.pem\"
# key = \"gateway.key\"

# [catalog]                             # each provider is asked once an hour which models it has
# interval = \"off\"                      # or never; \"15m\", \"1d\"

[admin]
{admin}

[checks]                                # `cometgate smoke` and the other checks call the gateway with this key
key = {{ file = \"checks.key\" }}

[limits]
max_body_bytes = 33554432               # 32 MiB for one request
max_buffered_bytes = 536870912          # 512 MiB for all requests that are in flight together
max_connections = 10000
header_timeout_ms = 30000               # a request's head, and an idle connection
body_timeout_ms = 60000                 # a request's body
drain_timeout_ms = 60000                # what is running when the process is told to stop
"
    )
}

/// Loopback, a thousand ports from where applications connect: two gateways on one machine have different ports there,
/// so that they have different ones here.
fn admin_address(listen: &str) -> SocketAddr {
    let port = match listen.parse::<SocketAddr>().unwrap_or(LISTEN).port() {
        0 => 0,
        port => port.checked_add(1000).unwrap_or(port - 1000),
    };
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

pub(super) fn routes(checked: &Checked<'_>) -> String {
    let (primary, canary) = (checked.primary.name, checked.canary.name);
    let mut text = String::from(MAP_HEAD);
    let version = format!("route_version = {}", string(&checked.version));
    push(
        &mut text,
        format_args!("{}\n", with_comment(&version, "a version never changes: a new one with every edit")),
    );
    text.push_str("environment = \"development\"\n\n");
    text.push_str("# What no route names goes here, as does every model that no alias below lists.\n");
    push(&mut text, format_args!("primary_provider = {}\nunlisted_models = \"primary\"\n", string(primary)));
    if checked.options.primary_key_env.is_none() {
        text.push_str(
            "\n# Whoever calls with a key of the primary provider is this tenant of tenants.toml.\n",
        );
        push(&mut text, format_args!("default_tenant = {}\n", string(&checked.options.tenant)));
    }
    text.push_str(GATES_NOTE);
    push(&mut text, format_args!("\n[providers.{primary}]\nbase_url = {}\n", url(&checked.primary)));
    match &checked.options.primary_key_env {
        Some(name) => push(&mut text, format_args!("credential = {{ env = {} }}\n", string(name))),
        None => text.push_str("credential = \"client\"                   # the caller's own key goes on\n"),
    }
    push(&mut text, format_args!("\n[providers.{canary}]\nbase_url = {}\n", url(&checked.canary)));
    let key = format!("credential = {{ env = {} }}", string(&checked.options.canary_key_env));
    push(&mut text, format_args!("{}\n", with_comment(&key, "the name of a variable, never the key")));
    if checked.options.models.is_empty() {
        text.push_str(
            "\n# No model moves yet. To let one: remove the `#` from the lines below and name it.\n#\n",
        );
        let mut example = String::new();
        push_model(&mut example, checked, "my-model", "my-model", None);
        for line in example.trim().lines() {
            push(&mut text, format_args!("{}\n", format!("# {line}").trim_end()));
        }
    }
    let mut names = HashSet::new();
    for (alias, ids) in &checked.options.models {
        let name = route_name(alias, &mut names);
        push_model(&mut text, checked, alias, &name, ids.as_ref());
    }
    push(&mut text, format_args!("\n{}# end {}\n", END_NOTE, checked.version));
    text
}

pub(super) fn tenants(checked: &Checked<'_>) -> String {
    let keys = checked.options.key_sha256.map_or_else(String::new, |key| string(&hex(&key)));
    format!(
        "\
# Cometgate: who may call, known by the SHA-256 of their gateway keys. The keys themselves are nowhere.
# `cometgate tenants add NAME` makes a key, shows it once and writes its hash here; `tenants rotate` replaces it.

version = {version}

[tenants.{tenant}]
key_sha256 = [{keys}]

{END_NOTE}# end {end}
",
        version = string(&checked.version),
        tenant = Key::new(&checked.options.tenant),
        end = checked.version,
    )
}

const MAP_HEAD: &str = "\
# Cometgate: the route map. It is watched: save it and the change is live for new requests; a map with a mistake in
# it changes nothing. To shift the canary: `cometgate routes shift ROUTE PERCENT`, or edit its `share` below, raise
# `route_version` and repeat the new version on the last line.

";

const GATES_NOTE: &str = "
# A canary that fails is taken out of traffic: above 2% of hard failures, 1% of timeouts, 0.1% of malformed answers.
# To only see what would be done, remove the `#`; \"off\" is no gates at all.
# [gates]
# mode = \"observe\"
";

const END_NOTE: &str =
    "# The last line repeats the version: it tells a whole file from a half-written one.\n";

const SHARE_NOTE: &str = "<- this line shifts the canary: \"0%\" to \"100%\", up to four decimals";

fn push_model(text: &mut String, checked: &Checked<'_>, alias: &str, name: &str, ids: Option<&ModelIds>) {
    let (primary, canary) = (checked.primary.name, checked.canary.name);
    let (primary_id, canary_id) = ids.map_or((alias, alias), |ids| (&ids.primary, &ids.canary));
    push(
        text,
        format_args!(
            "
# The model as your applications name it, and what each provider calls it.
[aliases.{key}]
provider_model_id = {{ {primary} = {primary_id}, {canary} = {canary_id} }}

[[routes]]
name = {name}
tenant_or_cohort = \"*\"                  # everyone; or one tenant, or one cohort
model_alias = {alias}
mode = \"canary\"                         # or \"primary\": all of it goes home
primary_provider = \"{primary}\"
",
            key = Key::new(alias),
            primary_id = string(primary_id),
            canary_id = string(canary_id),
            name = string(name),
            alias = string(alias),
        ),
    );
    if checked.options.fallback {
        let field = format!("fallback_provider = \"{canary}\"");
        push(
            text,
            format_args!(
                "{}\n",
                with_comment(
                    &field,
                    "what the primary fails at goes there; with mode = \"fallback\" all of it"
                )
            ),
        );
    }
    let share = format!("share = {}", string(&format_share(checked.share)));
    push(
        text,
        format_args!(
            "timeout_ms = 600000                     # all attempts together: until a streamed answer begins or another is whole

[routes.canary]
provider = \"{canary}\"
{share}
sticky_by = [\"safety_identifier\", \"user\", \"prompt_cache_key\", \"request\"]  # the first that a request carries
# steps = [\"1%\", \"5%\", \"25%\", \"100%\"]   # in place of `share`: it climbs by itself, when each step has shown enough
",
            share = with_comment(&share, SHARE_NOTE),
        ),
    );
}

/// A name for the alias's route, unlike those before it.
fn route_name(alias: &str, taken: &mut HashSet<String>) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '_') { character } else { '-' }
    };
    // Room for a number after it.
    let stem: String = alias.chars().map(plain).take(NAME_BYTES - 8).collect();
    let stem = stem.trim_matches(|character: char| !character.is_ascii_alphanumeric());
    let stem = if stem.is_empty() { "route" } else { stem };
    let numbered = (2..).map(|number: u32| format!("{stem}-{number}"));
    let name = std::iter::once(stem.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let name = name.unwrap_or_else(|| stem.to_owned());
    taken.insert(name.clone());
    name
}

/// Comments stand in one column.
fn with_comment(field: &str, comment: &str) -> String {
    format!("{field:<39} # {comment}")
}

fn string(text: &str) -> String {
    Value::from(text).to_string()
}

fn url(provider: &super::ProviderText) -> String {
    string(&provider.base_url.to_string())
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&arguments.to_string());
}
