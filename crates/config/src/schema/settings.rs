//! `cometgate.toml` as a schema.

use std::time::Duration;

use serde_json::{Value, json};

use super::map::{HEADER_NAME, URL, provider_tls, secret_tables};
use super::values::{
    Presence::{Optional, Required},
    choice, entries, exact, flag, integer, list, name, share, table, text, with,
};
use crate::provider_request::MOST_HEADERS;
use crate::settings::{
    AGE_S, ANSWER_BYTES, ATTRIBUTE_BYTES, BODY_RATE, BYTES, CANARY_SHARE_DEFAULT, CLIENT_CERTIFICATES,
    COMPRESSION, CatalogSettings, CheckAges, EXPORT_TIMEOUT_MS, HEARTBEAT_MS, INTERVAL, INTERVAL_DEFAULT_MS,
    INTERVAL_MS, LISTEN, LONGEST_MS, Limits, MOST_ATTRIBUTES, MOST_CONNECTIONS, MOST_WORKERS, OFF, PROTOCOLS,
    RELAY_IDLE_MS, ROUTES, SAMPLE_DEFAULT, SLOW_DEFAULT_MS, SLOW_MS, STATE_DIR, TENANTS, TIMEOUT_DEFAULT_MS,
    TIMEOUT_MS, WATCH, WRITE_STALL_MS, ages,
};

const ADDRESS: &str = "^(\\[[0-9A-Fa-f:.%]+\\]|[0-9.]+):[0-9]{1,5}$";

pub(super) fn settings() -> Value {
    let listen =
        "Where applications connect: an IP address with a port, \"0.0.0.0:8080\" for all interfaces.";
    let routes = "The route map; a relative path is relative to this file.";
    let tenants = "The tenants file; a relative path is relative to this file.";
    let state_dir = "Where the versions that were live are kept; a relative path is relative to this file.";
    let environment = "The environment that this gateway is for; a map of another is refused.";
    let watch = "How a change of the two files is noticed: by the system's events and by looking twice a second, or, \
                 where a file system has no events, by looking alone.";
    let timing =
        "Answers of models say in Server-Timing how long the gateway and the provider took until their head.";
    let trust = "What callers say in X-Forwarded-For is sent on to providers that get this header.";
    let path =
        |description, default: &str| with(text(description, "^[^\\u0000]+$"), "default", json!(default));
    table(
        "What the process needs before it can serve. A change takes a restart.",
        vec![
            ("listen", Optional, with(text(listen, ADDRESS), "default", json!(LISTEN.to_string()))),
            ("routes", Optional, path(routes, ROUTES)),
            ("tenants", Optional, path(tenants, TENANTS)),
            (
                "workers",
                Optional,
                integer("Worker threads; 0 is one per core.", &(0..=MOST_WORKERS), Some(0)),
            ),
            ("state_dir", Optional, path(state_dir, STATE_DIR)),
            ("environment", Optional, name(environment)),
            (
                "watch",
                Optional,
                with(choice(watch, WATCH.map(|(word, _)| word)), "default", json!(WATCH[0].0)),
            ),
            ("trust_forwarded_for", Optional, flag(trust, false)),
            ("server_timing", Optional, flag(timing, false)),
            ("tls", Optional, tls()),
            ("admin", Optional, admin()),
            ("telemetry", Optional, telemetry()),
            ("checks", Optional, checks()),
            ("limits", Optional, limits()),
            ("cors", Optional, cors()),
            ("catalog", Optional, catalog()),
        ],
    )
}

fn tls() -> Value {
    let certificate = "The certificate chain as PEM, the gateway's own first; looked at twice a second, as is every file here.";
    let ca = "Who may have signed callers' certificates, as PEM.";
    let clients = "Whether callers show certificates: none is asked for, one that is shown must be good, or no \
                   connection without a good one.";
    let clients = choice(clients, CLIENT_CERTIFICATES.map(|(word, _)| word));
    let path = |description| text(description, "^[^\\u0000]+$");
    let tls = table(
        "TLS towards applications; without it they connect in the clear.",
        vec![
            ("certificate", Required, path(certificate)),
            ("key", Required, path("The certificate's private key, as PEM.")),
            ("client_ca", Optional, path(ca)),
            ("client_certificates", Optional, with(clients, "default", json!(CLIENT_CERTIFICATES[0].0))),
        ],
    );
    let tls = with(tls, "dependencies", json!({ "client_ca": ["client_certificates"] }));
    let asks_for_none = json!({ "properties": { "client_certificates": { "enum": ["off"] } } });
    with(tls, "anyOf", json!([{ "required": ["client_ca"] }, asks_for_none]))
}

fn admin() -> Value {
    let listen = "Where probes connect: an IP address with a port; no key is asked.";
    table(
        "GET /healthz and /readyz, on a listener of their own; without this table there is none.",
        vec![("listen", Required, text(listen, ADDRESS))],
    )
}

fn telemetry() -> Value {
    let endpoint = "The collector, as in http://127.0.0.1:4318; OTLP over HTTP goes to /v1/traces and /v1/metrics below it.";
    let protocol = choice("OTLP as protobuf over HTTP, or over gRPC.", PROTOCOLS.map(|(word, _)| word));
    let compression = choice("Whether what is sent is compressed.", COMPRESSION.map(|(word, _)| word));
    let header = json!({ "description": "What the header says, by name.", "oneOf": secrets_beside() });
    let headers =
        entries("Sent with everything: what the collector knows its clients by.", HEADER_NAME, header);
    let timeout = "How long one try may take; in milliseconds.";
    let name = format!("^[A-Za-z][A-Za-z0-9._-]{{0,{}}}$", ATTRIBUTE_BYTES - 1);
    let resource = entries(
        "What is said of this process, besides what it knows of itself; service.name is cometgate unless it stands here.",
        &name,
        exact("What it says."),
    );
    let interval = "How often they are sent; in milliseconds.";
    let interval = integer(interval, &INTERVAL_MS, Some(INTERVAL_DEFAULT_MS));
    let metrics = table("Sends what GET /metrics shows.", vec![("interval_ms", Optional, interval)]);
    let telemetry = table(
        "The collector of OpenTelemetry that traces and metrics are sent to; without this table nothing is.",
        vec![
            ("endpoint", Required, text(endpoint, URL)),
            ("protocol", Optional, with(protocol, "default", json!(PROTOCOLS[0].0))),
            ("headers", Optional, with(headers, "maxProperties", json!(MOST_HEADERS))),
            ("compression", Optional, with(compression, "default", json!(COMPRESSION[0].0))),
            ("tls", Optional, provider_tls()),
            ("timeout_ms", Optional, integer(timeout, &EXPORT_TIMEOUT_MS, Some(TIMEOUT_DEFAULT_MS))),
            ("resource", Optional, with(resource, "maxProperties", json!(MOST_ATTRIBUTES))),
            ("traces", Optional, traces()),
            ("metrics", Optional, metrics),
        ],
    );
    with(telemetry, "anyOf", json!([{ "required": ["traces"] }, { "required": ["metrics"] }]))
}

fn traces() -> Value {
    let share_of = |description, default: &str| with(share(description), "default", json!(default));
    let sample = "How many of the traces that begin here are kept; one with a parent is kept as that one is.";
    let slow = "All requests are kept that took so long; in milliseconds; 0 keeps none for that.";
    table(
        "Sends traces, and says which are kept; decided when a request is over.",
        vec![
            ("sample", Optional, share_of(sample, SAMPLE_DEFAULT)),
            ("errors", Optional, flag("All requests are kept that ended badly.", true)),
            ("fallbacks", Optional, flag("All requests are kept that another target was asked for.", true)),
            ("slow_ms", Optional, integer(slow, &SLOW_MS, Some(SLOW_DEFAULT_MS))),
            (
                "canary_share",
                Optional,
                share_of("How many requests to canaries are kept.", CANARY_SHARE_DEFAULT),
            ),
        ],
    )
}

/// The two ways to name a secret in this file.
fn secrets_beside() -> [Value; 2] {
    let file =
        text("The file that holds the key; a relative path is relative to this file.", "^[^\\u0000]+$");
    secret_tables(file)
}

fn checks() -> Value {
    let key = json!({ "description": "A key for nothing else.", "oneOf": secrets_beside() });
    let client = "What checks show a provider to which callers bring their own key.";
    let client_key = json!({ "description": client, "oneOf": secrets_beside() });
    table(
        "The gateway's own checks (smoke, rollforward, drill) call it with this key; without this table there are none.",
        vec![
            ("key", Required, key),
            ("client_key", Optional, client_key),
            ("max_age_s", Optional, check_ages()),
        ],
    )
}

fn check_ages() -> Value {
    let mut usual = CheckAges::default();
    let age = |(name, age): (&'static str, &mut Duration)| {
        (name, Optional, integer("Seconds.", &AGE_S, Some(age.as_secs())))
    };
    table("For how long what checks found counts.", ages(&mut usual).map(age).into())
}

fn cors() -> Value {
    let origin = text("An origin, as in https://app.example.", "^https?://[a-z0-9.:\\[\\]-]{1,255}$");
    let origins = list("The origins whose pages may call; without any, none may.", &origin);
    table("Calls from pages in browsers.", vec![("origins", Optional, origins)])
}

fn catalog() -> Value {
    let CatalogSettings { timeout, slow, .. } = CatalogSettings::default();
    let interval = format!("How often providers are asked which models they have: 15m, 1h, 1d, or {OFF}.");
    let interval = text(&interval, &format!("^({OFF}|[0-9]{{1,6}}[smhd])$"));
    let millis = |description, default: Duration| {
        integer(description, &TIMEOUT_MS, u64::try_from(default.as_millis()).ok())
    };
    table(
        "Checks of the providers' models endpoints while the gateway runs.",
        vec![
            ("interval", Optional, with(interval, "default", json!(INTERVAL))),
            ("timeout_ms", Optional, millis("How long one may take; in milliseconds.", timeout)),
            ("slow_ms", Optional, millis("One that takes longer is told; in milliseconds.", slow)),
        ],
    )
}

fn limits() -> Value {
    let Limits {
        max_body_bytes,
        replay_body_bytes,
        max_buffered_bytes,
        max_connections,
        header_timeout,
        body_timeout,
        min_body_rate,
        drain_timeout,
        write_stall_timeout,
        websocket_idle_timeout,
        relay_idle_timeout,
        max_answer,
        heartbeat: heartbeat_default,
    } = Limits::default();
    let bytes = |description, default| integer(description, &BYTES, Some(default));
    let millis_of = |description, range: &_, default: Duration| {
        integer(description, range, u64::try_from(default.as_millis()).ok())
    };
    let millis = |description, default| millis_of(description, &(1..=LONGEST_MS), default);
    let connections = "Connections of applications at one time; more wait.";
    let header = "How long a request's head may take, and how long a connection may idle; in milliseconds.";
    let rate = "Bytes of a body that must come each second, five seconds together; 0 is no minimum.";
    let drain = "How long requests may take to finish once the process was told to stop; in milliseconds.";
    let stall = "How long a caller may leave an answer unread; in milliseconds.";
    let socket = "How long a WebSocket may lie idle in both directions; in milliseconds.";
    let relay = "How long a provider may say nothing in the middle of an answer that goes on as it comes: sound, \
                 pictures, downloads; in milliseconds.";
    let answer = "Bytes of one answer that are held so that another target can still be tried: answers that are not \
                  streamed, and those of a route with delivery = \"whole\".";
    let heartbeat = "How long a caller that streams waits for headers, and for comments where no content comes; in \
                     milliseconds.";
    let replay = "Bytes of a form that is held whole so that it can be sent again; a larger one is sent on as it arrives.";
    let buffered = "Bytes of all request bodies that are held at one time; max_body_bytes at least.";
    let max_connections = integer(connections, &(1..=MOST_CONNECTIONS), u64::try_from(max_connections).ok());
    table(
        "What the process takes on at most.",
        vec![
            ("max_body_bytes", Optional, bytes("Bytes of one request's body.", max_body_bytes)),
            ("replay_body_bytes", Optional, bytes(replay, replay_body_bytes)),
            ("max_buffered_bytes", Optional, bytes(buffered, max_buffered_bytes)),
            ("max_connections", Optional, max_connections),
            ("header_timeout_ms", Optional, millis(header, header_timeout)),
            (
                "body_timeout_ms",
                Optional,
                millis("How long a request's body may take; in milliseconds.", body_timeout),
            ),
            ("min_body_bytes_per_second", Optional, integer(rate, &BODY_RATE, Some(min_body_rate))),
            ("drain_timeout_ms", Optional, millis(drain, drain_timeout)),
            ("write_stall_timeout_ms", Optional, millis_of(stall, &WRITE_STALL_MS, write_stall_timeout)),
            (
                "websocket_idle_timeout_ms",
                Optional,
                millis_of(socket, &RELAY_IDLE_MS, websocket_idle_timeout),
            ),
            ("relay_idle_timeout_ms", Optional, millis_of(relay, &RELAY_IDLE_MS, relay_idle_timeout)),
            ("max_answer_bytes", Optional, integer(answer, &ANSWER_BYTES, Some(max_answer))),
            ("heartbeat_ms", Optional, millis_of(heartbeat, &HEARTBEAT_MS, heartbeat_default)),
        ],
    )
}
