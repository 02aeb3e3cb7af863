//! `tenants.toml` as a schema.

use decisions::plan::Criticality;
use serde_json::{Value, json};

use super::values::{
    Presence::{Optional, Required},
    choice, entries, exact, list, name, name_pattern, set, table, text, version, with,
};

pub(super) fn tenants() -> Value {
    table(
        "Who may call, known by the hashes of their keys.",
        vec![
            (
                "version",
                Required,
                version("The name of this state of the file; the last line repeats it as `# end VERSION`."),
            ),
            ("tenants", Optional, entries("The tenants by name.", &name_pattern(), tenant())),
        ],
    )
}

fn tenant() -> Value {
    let hash = text("64 lowercase hexadecimal digits.", "^[0-9a-f]{64}$");
    let keys =
        "SHA-256 of each key of the tenant; `cometgate tenants add NAME` writes it. Two let it change keys.";
    let certificates =
        "SHA-256 of each certificate, in its DER form, that callers may show in place of a key.";
    let aliases = "The only aliases that the tenant may use; without this field all of them.";
    let providers = "The only providers that may get the tenant's requests; without this field all of them.";
    let priority = "How the tenant's requests fare when a target is full: sheddable is turned away first, \
                    critical_plus last.";
    let priority = choice(priority, Criticality::ALL.map(Criticality::as_str));
    let priority = with(priority, "default", json!(Criticality::default().as_str()));
    table(
        "A tenant.",
        vec![
            ("key_sha256", Required, set(keys, &hash)),
            ("client_certificate_sha256", Optional, set(certificates, &hash)),
            ("allowed_aliases", Optional, list(aliases, &exact("An alias of the route map."))),
            ("allowed_providers", Optional, list(providers, &name("A provider of the route map."))),
            ("priority", Optional, priority),
        ],
    )
}
