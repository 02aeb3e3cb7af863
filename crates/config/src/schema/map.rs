//! `routes.toml` as a schema: the map itself, its providers, aliases and cohorts.

use decisions::Endpoint;
use decisions::plan::{CredentialHeader, Feature};
use serde_json::{Value, json};

use super::gates::gates;
use super::route::{route, sticky_by};
use super::values::{
    Presence::{Optional, Required},
    choice, date, entries, exact, exact_pattern, flag, integer, list, name, name_pattern, set, share, table,
    text, version, with,
};
use crate::check::PROVIDERS;
use crate::names::ID_BYTES;
use crate::provider_connection::{
    CONNECTION_WINDOW, HTTP, Http2Settings, ROOTS, STREAM_WINDOW, STREAMS, WINDOW_FACTOR,
};
use crate::provider_entry::{CONNECT_MS, LONGEST_CONNECT_MS, MOST_CONCURRENT, VARIABLE_BYTES};
use crate::provider_forward::{ForwardHeader, TraceParentTold};
use crate::provider_prices::MOST_OF_A_PRICE;
use crate::provider_request::{LONGEST_VALUE, MODELS, MODELS_PATH, MOST_HEADERS};

pub(super) fn map() -> Value {
    let route_version =
        "The name of this state of the map: raise it with every edit. The last line repeats it.";
    let rollback_version = "The version to go back to; keep its map as versions/VERSION.toml.";
    let primary = "The provider of everything that no route names.";
    let unlisted = "A model that no alias lists goes to the primary provider, or is refused with 404.";
    let default_tenant = "The tenant of keys that tenants.toml does not list; its primaries must take the \
                          caller's own key.";
    let shared_state = "Tenants behind one credential may list what it holds, and use IDs that the gateway does not \
                        know: they may see each other's.";
    let providers = entries("Where models are served, by name.", &name_pattern(), provider());
    let aliases = entries("What applications send as `model`.", &exact_pattern(), alias());
    let not_star = json!({ "not": { "enum": ["*"] }, "maxLength": ID_BYTES });
    let routes = "What goes where. The most specific route applies: a tenant's, a cohort's, then `*`.";
    let gates_text = "By what every canary and every fallback is judged; a route can say otherwise.";
    let map = table(
        "The route map.",
        vec![
            ("route_version", Required, version(route_version)),
            ("rollback_route_version", Optional, version(rollback_version)),
            ("rollback_override", Optional, rollback_override()),
            ("environment", Optional, name("Where the map belongs, as in production.")),
            ("owner", Optional, exact("Whom to ask about the map.")),
            ("expires_at", Optional, date("When somebody must have looked at the map again.")),
            ("primary_provider", Required, name(primary)),
            (
                "unlisted_models",
                Optional,
                with(choice(unlisted, ["primary", "refuse"]), "default", json!("primary")),
            ),
            ("default_tenant", Optional, name(default_tenant)),
            ("shared_state", Optional, flag(shared_state, false)),
            ("providers", Optional, with(providers, "maxProperties", json!(PROVIDERS))),
            ("aliases", Optional, with(aliases, "propertyNames", not_star)),
            (
                "cohorts",
                Optional,
                entries("Named sets of tenants, or of sticky keys.", &name_pattern(), cohort()),
            ),
            ("gates", Optional, gates(gates_text, true)),
            ("routes", Optional, list(routes, &route())),
        ],
    );
    with(map, "dependencies", json!({ "rollback_override": ["rollback_route_version"] }))
}

/// Of http or https, without user, query or fragment.
pub(super) const URL: &str = "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\\s]+(/[^?#\\s]*)?$";
/// RFC 9110 section 5.6.2.
pub(super) const HEADER_NAME: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$";

fn rollback_override() -> Value {
    table(
        "Somebody vouches for the version to go back to, in place of a drill.",
        vec![
            ("by", Required, exact("Who vouches.")),
            ("incident", Required, exact("The incident or ticket that says why.")),
            ("until", Required, date("Until when.")),
        ],
    )
}

fn provider() -> Value {
    let base_url =
        "What stands before /chat/completions, as in https://api.openai.com/v1; without user or query.";
    let model = exact("A model ID of the provider.");
    let connect = "How long a connection may take to be made, TLS included; in milliseconds.";
    let concurrent =
        "The most requests at one time to one target here; without this field what the provider bears.";
    let http = "HTTP/1.1 with a request on a connection at a time, or HTTP/2 with requests that share connections; HTTP/2 \
                needs https.";
    let forward = "What callers send that goes on to this provider, besides what goes to every one.";
    let forwarded = choice("A header.", ForwardHeader::ALL.map(ForwardHeader::as_str));
    let told = "Which span a request is below of, as this provider is told: the caller's, the gateway's own where it makes traces, or none.";
    let trace_parent = choice(told, TraceParentTold::ALL.map(TraceParentTold::as_str));
    let private = "Its name may stand for addresses of private networks and of this machine.";
    let prices = "What tokens cost, by model ID.";
    let usage = "Chat streams are asked how many tokens they took, also where the caller does not ask.";
    let approved = "The only models that may be sent here; without this field all but the blocked ones.";
    table(
        "A provider.",
        vec![
            ("base_url", Required, text(base_url, URL)),
            ("credential", Required, credential()),
            ("credential_header", Optional, credential_header()),
            ("connect_timeout_ms", Optional, integer(connect, &(1..=LONGEST_CONNECT_MS), Some(CONNECT_MS))),
            ("max_concurrent_requests", Optional, integer(concurrent, &(1..=MOST_CONCURRENT), None)),
            ("tls", Optional, provider_tls()),
            ("http", Optional, with(choice(http, HTTP.map(|(word, _)| word)), "default", json!(HTTP[0].0))),
            ("http2", Optional, http2()),
            ("approved_models", Optional, list(approved, &model)),
            ("blocked_models", Optional, list("Models that are never sent here.", &model)),
            ("paths", Optional, paths()),
            ("headers", Optional, headers()),
            ("forward_headers", Optional, set(forward, &forwarded)),
            (
                "trace_parent",
                Optional,
                with(trace_parent, "default", json!(TraceParentTold::ALL[0].as_str())),
            ),
            ("allow_private_addresses", Optional, flag(private, false)),
            ("ask_usage", Optional, flag(usage, false)),
            ("prices", Optional, entries(prices, &exact_pattern(), price())),
        ],
    )
}

pub(super) fn provider_tls() -> Value {
    let path = |description| text(description, "^/[^\\u0000]*$");
    let roots = choice("Whom to trust besides `ca`.", ROOTS.map(|(word, _)| word));
    let ca = "Who may have signed the provider's certificate, as PEM: an absolute path.";
    let tls = table(
        "How the provider's certificate is judged, and what it is shown.",
        vec![
            ("ca", Optional, path(ca)),
            ("roots", Optional, with(roots, "default", json!(ROOTS[0].0))),
            ("client_certificate", Optional, path("The gateway's certificate, as PEM: an absolute path.")),
            ("client_key", Optional, path("Its private key, as PEM: an absolute path.")),
        ],
    );
    let pair = json!({ "client_certificate": ["client_key"], "client_key": ["client_certificate"] });
    let others = json!({ "properties": { "roots": { "enum": ["system", "bundled"] } } });
    with(with(tls, "dependencies", pair), "anyOf", json!([{ "required": ["ca"] }, others]))
}

fn http2() -> Value {
    let default = Http2Settings::default();
    let stream = "Bytes that one answer may leave unread.";
    let connection = format!(
        "Bytes that all answers on a connection may leave unread: {WINDOW_FACTOR} times max_concurrent_streams times \
         stream_window_bytes at least."
    );
    let streams = "Requests on one connection at a time; for more, more connections are made.";
    table(
        "How requests share connections with http = \"2\".",
        vec![
            (
                "stream_window_bytes",
                Optional,
                integer(stream, &STREAM_WINDOW, Some(default.stream_window.into())),
            ),
            (
                "connection_window_bytes",
                Optional,
                integer(&connection, &CONNECTION_WINDOW, Some(default.connection_window.into())),
            ),
            (
                "max_concurrent_streams",
                Optional,
                integer(streams, &STREAMS, Some(default.max_streams.into())),
            ),
        ],
    )
}

fn credential() -> Value {
    let file = text("The file that holds the key: an absolute path.", "^/[^\\u0000]*$");
    let [env, file] = secret_tables(file);
    json!({
        "description": "What pays. It names a secret and never is one.",
        "oneOf": [
            choice("The caller's own key goes on; one provider of the map at most.", ["client"]),
            env,
            file,
        ],
    })
}

/// The two ways to name a secret; `file` says how its file is written.
pub(super) fn secret_tables(file: Value) -> [Value; 2] {
    let variable = format!("^[A-Za-z_][A-Za-z0-9_]{{0,{}}}$", VARIABLE_BYTES - 1);
    let env = text("The environment variable that holds the key.", &variable);
    [
        table("A key in the environment.", vec![("env", Required, env)]),
        table("A key in a file.", vec![("file", Required, file)]),
    ]
}

fn credential_header() -> Value {
    let description = "The header that carries the key: Authorization with Bearer before it, or x-api-key.";
    let schema = choice(description, CredentialHeader::ALL.map(CredentialHeader::as_str));
    with(schema, "default", json!(CredentialHeader::default().as_str()))
}

fn price() -> Value {
    let of = |tokens| {
        let number = json!({ "type": "number", "minimum": 0, "maximum": MOST_OF_A_PRICE });
        with(number, "description", json!(format!("What a million tokens of {tokens} cost.")))
    };
    table(
        "The price of a model's tokens, in whatever currency you count.",
        vec![
            ("input", Required, of("input")),
            ("cached_input", Optional, of("input that is read from a cache; without this field as input")),
            ("output", Required, of("output")),
        ],
    )
}

fn paths() -> Value {
    let path = |endpoint: Endpoint| {
        let description =
            format!("Where it serves {endpoint}, behind base_url.", endpoint = endpoint.as_str());
        let schema = text(&description, "^/[^?#\\s]*[^/?#\\s]$");
        (endpoint.as_str(), Optional, with(schema, "default", json!(endpoint.path())))
    };
    let models =
        text("Where it lists its models, behind base_url; for checks only.", "^/[^?#\\s]*[^/?#\\s]$");
    let models = (MODELS, Optional, with(models, "default", json!(MODELS_PATH)));
    let fields = Endpoint::ALL.map(path).into_iter().chain([models]).collect();
    table("Where the provider serves an endpoint, if not where OpenAI does.", fields)
}

fn headers() -> Value {
    let value = text("What the header says; never a key.", "^[!-~]([ -~]*[!-~])?$");
    let value = with(value, "maxLength", json!(LONGEST_VALUE));
    let description = "Headers that are added to every request; never one that carries a key.";
    let headers = entries(description, HEADER_NAME, value);
    with(headers, "maxProperties", json!(MOST_HEADERS))
}

fn alias() -> Value {
    let required = text(
        "A field by its path from the top, as in usage.total_tokens.",
        "^[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+){0,7}$",
    );
    let ids = "What each provider calls it, by provider; sent in place of the alias.";
    let fields = "Fields without which an answer is malformed.";
    let target = "The provider that every route must take the alias back to.";
    table(
        "An alias: a model name that applications send.",
        vec![
            ("family", Optional, name("The family it belongs to: a route can name the family.")),
            (
                "provider_model_id",
                Required,
                entries(ids, &name_pattern(), exact("The provider's own model ID, exact bytes.")),
            ),
            ("enabled_features", Optional, enabled_features()),
            ("required_fields", Optional, set(fields, &with(required, "maxLength", json!(ID_BYTES)))),
            ("rollback_target", Optional, name(target)),
        ],
    )
}

fn enabled_features() -> Value {
    let feature = choice("A feature of the API.", Feature::ALL.map(Feature::as_str));
    let list = |description| set(description, &feature);
    json!({
        "description": "What works away from a route's primary; a request that uses anything else is not sent there.",
        "oneOf": [
            list("At every provider."),
            entries("By provider; of one that is left out nothing is said.", &name_pattern(), list("At this one.")),
        ],
    })
}

fn cohort() -> Value {
    let salt = "Shuffles who is in; without this field the cohort's name.";
    let cohort = table(
        "Either a list of tenants, or a share of sticky keys.",
        vec![
            ("tenants", Optional, set("The members.", &name("A tenant."))),
            ("share", Optional, share("How much is in: 0% to 100%, up to four decimals.")),
            ("sticky_by", Optional, sticky_by(None)),
            ("salt", Optional, exact(salt)),
        ],
    );
    let has_none = |fields: &[&str]| {
        let any: Vec<Value> = fields.iter().map(|field| json!({ "required": [field] })).collect();
        json!({ "anyOf": any })
    };
    let either = json!([
        { "required": ["tenants"], "not": has_none(&["share", "sticky_by", "salt"]) },
        { "required": ["share", "sticky_by"], "not": has_none(&["tenants"]) },
    ]);
    with(cohort, "oneOf", either)
}
