//! `tenants.toml` as a schema.

use decisions::plan::{CHECKS_TENANT, Criticality};
use serde_json::{Value, json};

use super::values::{
    Presence::{Optional, Required},
    choice, date, entries, exact, flag, integer, list, name, name_pattern, set, table, text, version, with,
};
use crate::tenants_file::{MOST_AT_ONE_TIME, MOST_PER_MINUTE};

pub(super) fn tenants() -> Value {
    table(
        "Who may call, known by the hashes of their keys.",
        vec![
            (
                "version",
                Required,
                version("The name of this state of the file; the last line repeats it as `# end VERSION`."),
            ),
            (
                "tenants",
                Optional,
                with(
                    entries("The tenants by name.", &name_pattern(), tenant()),
                    "not",
                    json!({ "required": [CHECKS_TENANT] }),
                ),
            ),
        ],
    )
}

fn tenant() -> Value {
    let hash = text("64 lowercase hexadecimal digits.", "^[0-9a-f]{64}$");
    let hashes = "SHA-256 of keys of the tenant that have no name and no end.";
    let keys = "Keys of the tenant; `cometgate tenants rotate NAME` makes one and writes it here.";
    let per_minute = |what: &str| integer(what, &(1..=MOST_PER_MINUTE), None);
    let requests = "Requests in a minute; without this field as many as come.";
    let tokens = "Tokens in a minute, of requests and answers together; without this field as many as come.";
    let at_once = "Requests at one time, until the end of their answers; without this field as many as come.";
    let certificates =
        "SHA-256 of each certificate, in its DER form, that callers may show in place of a key.";
    let aliases = "The only aliases that the tenant may use; without this field all of them.";
    let providers = "The only providers that may get the tenant's requests; without this field all of them.";
    let mirror = "Copies of the tenant's requests may go to a canary whose answers nobody gets.";
    let priority = "How the tenant's requests fare when a target is full: sheddable is turned away first, \
                    critical_plus last.";
    let priority = choice(priority, Criticality::ALL.map(Criticality::as_str));
    let priority = with(priority, "default", json!(Criticality::default().as_str()));
    let tenant = table(
        "A tenant.",
        vec![
            ("key_sha256", Optional, set(hashes, &hash)),
            ("keys", Optional, list(keys, &key(&hash))),
            ("client_certificate_sha256", Optional, set(certificates, &hash)),
            ("requests_per_minute", Optional, per_minute(requests)),
            ("tokens_per_minute", Optional, per_minute(tokens)),
            ("max_concurrent_requests", Optional, integer(at_once, &(1..=MOST_AT_ONE_TIME), None)),
            ("allowed_aliases", Optional, list(aliases, &exact("An alias of the route map."))),
            ("allowed_providers", Optional, list(providers, &name("A provider of the route map."))),
            ("priority", Optional, priority),
            ("allow_mirror", Optional, flag(mirror, false)),
        ],
    );
    with(tenant, "anyOf", json!([{ "required": ["key_sha256"] }, { "required": ["keys"] }]))
}

fn key(hash: &Value) -> Value {
    let sha256 =
        with(hash.clone(), "description", json!("SHA-256 of the key, 64 lowercase hexadecimal digits."));
    table(
        "A key.",
        vec![
            ("sha256", Required, sha256),
            ("name", Optional, name("What tells the key from others of the tenant.")),
            ("expires_at", Optional, date("From then on the key is refused.")),
        ],
    )
}
