//! `cometgate.toml`: what the process needs before it can serve; changed by a restart only.

mod admin;
mod catalog;
mod checks;
mod telemetry;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::code::Code;
use crate::document::{Document, Source};
use crate::fields::Fields;
use crate::load::CredentialSource;
use crate::names::{NAME_RULE, is_name, quote};
use crate::problem::{Problem, Problems};

pub use catalog::CatalogSettings;
pub(crate) use catalog::{INTERVAL, OFF, TIMEOUT_MS};
pub use checks::CheckAges;
pub(crate) use checks::{AGE_S, ages};
pub(crate) use telemetry::{
    ATTRIBUTE_BYTES, CANARY_SHARE_DEFAULT, COMPRESSION, EXPORT_TIMEOUT_MS, INTERVAL_DEFAULT_MS, INTERVAL_MS,
    MOST_ATTRIBUTES, PROTOCOLS, SAMPLE_DEFAULT, SLOW_DEFAULT_MS, SLOW_MS, TIMEOUT_DEFAULT_MS,
};
pub use telemetry::{OtlpProtocol, TelemetrySettings, TraceSettings};
pub(crate) use tls::CLIENT_CERTIFICATES;
pub use tls::{ClientCertificates, TlsSettings};

/// Two ends of what an address space and a patient operator allow.
pub(crate) const BYTES: RangeInclusive<u64> = 1024..=1024 * 1024 * MIB;
pub(crate) const MOST_CONNECTIONS: u64 = 10_000_000;
pub(crate) const MOST_WORKERS: u64 = 1024;
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const LISTEN_HELP: &str =
    "\"127.0.0.1:8080\" for this machine only, \"0.0.0.0:8080\" or \"[::]:8080\" for all";
pub(crate) const ROUTES: &str = "routes.toml";
pub(crate) const TENANTS: &str = "tenants.toml";
pub(crate) const STATE_DIR: &str = "state";
pub(crate) const WATCH: [(&str, Watch); 2] = [("events", Watch::Events), ("poll", Watch::Poll)];

/// A caller that reads at all reads within this; the lower end keeps a slow link from counting as a stall.
pub(crate) const WRITE_STALL_MS: RangeInclusive<u64> = 100..=LONGEST_MS;
/// A day; a tenth of a second at the least, since packets are lost.
pub(crate) const RELAY_IDLE_MS: RangeInclusive<u64> = 100..=86_400_000;
/// One answer: an embeddings call of the largest batch is far below the upper end.
pub(crate) const ANSWER_BYTES: RangeInclusive<u64> = 1024..=1024 * MIB;
/// Five minutes at the most: what stands between a caller and its gateway gives up on silence sooner.
pub(crate) const HEARTBEAT_MS: RangeInclusive<u64> = 100..=300_000;

/// A modem at the lower end; more than a gigabit is a mistake in the unit.
pub(crate) const BODY_RATE: RangeInclusive<u64> = 0..=128 * MIB;

const MIB: u64 = 1024 * 1024;

/// An hour; a longer wait is a mistake in the unit.
pub(crate) const LONGEST_MS: u64 = 3_600_000;

/// The process's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where applications connect to.
    pub listen: SocketAddr,
    /// The route map; a relative path is relative to the settings file.
    pub routes: PathBuf,
    /// The tenants file, likewise.
    pub tenants: PathBuf,
    /// Worker threads; 0 is one per core.
    pub workers: usize,
    /// Where the versions that were live are kept, likewise relative.
    pub state_dir: PathBuf,
    /// The environment that this gateway is for; a map of another is refused.
    pub environment: Option<String>,
    /// How a change of the two files is noticed.
    pub watch: Watch,
    /// TLS towards applications; without it they connect in the clear.
    pub tls: Option<TlsSettings>,
    /// Where probes connect to; without it nowhere.
    pub admin: Option<SocketAddr>,
    /// Where traces and metrics are sent; without it nowhere.
    pub telemetry: Option<TelemetrySettings>,
    /// Where the key of the gateway's own checks is kept; without it there are none.
    pub checks: Option<CredentialSource>,
    /// What checks show a provider to which callers bring their own key; without it they cannot ask there.
    pub check_client_key: Option<CredentialSource>,
    /// For how long what they found counts.
    pub check_ages: CheckAges,
    /// What the process takes on at most.
    pub limits: Limits,
    /// What callers say in `X-Forwarded-For` is believed: whoever stands before the gateway writes it.
    pub trust_forwarded_for: bool,
    /// Answers say how long the gateway and the provider took.
    pub server_timing: bool,
    /// Origins whose pages may call from browsers.
    pub cors_origins: Vec<String>,
    /// How often providers are asked which models they have.
    pub catalog: CatalogSettings,
}

/// How a change of the route map or the tenants file is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// By the system's events, and by looking twice a second.
    Events,
    /// By looking twice a second: for file systems whose events are missing or too many.
    Poll,
}

/// What the process takes on at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request's body.
    pub max_body_bytes: u64,
    /// Bytes of a form that is held whole so that it can be sent again.
    pub replay_body_bytes: u64,
    /// Bytes of all request bodies that are held at one time.
    pub max_buffered_bytes: u64,
    /// Connections of applications at one time.
    pub max_connections: usize,
    /// How long a request's head may take to arrive, and a connection may idle between two requests.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// Bytes of a body that must come each second; 0 is no minimum.
    pub min_body_rate: u64,
    /// How long requests may take to finish once the process was told to stop.
    pub drain_timeout: Duration,
    /// How long a caller may leave an answer unread.
    pub write_stall_timeout: Duration,
    /// How long a WebSocket may lie idle in both directions.
    pub websocket_idle_timeout: Duration,
    /// How long a provider may say nothing in the middle of an answer that goes on as it comes.
    pub relay_idle_timeout: Duration,
    /// Bytes of one answer that are held so that a failure in its middle can still be mended at another target.
    pub max_answer: u64,
    /// How long a caller that streams waits for the head of its answer and for comments in it, where no content comes.
    pub heartbeat: Duration,
}

/// Loads the settings. Every field has a default.
///
/// # Errors
/// Every problem of the file.
pub fn load_settings(source: Source<'_>) -> Result<Settings, Problems> {
    let document = Document::new(source);
    let settings = document.parse().and_then(|table| {
        let fields = Fields::new(&document, &table, 0, "the settings file");
        read_settings(&document, source.path.parent(), fields)
    });
    Problems::none(document.into_problems())?;
    settings.ok_or_else(|| {
        Problems::new(Problem::unexplained(source.path, "the settings cannot be used"), Vec::new())
    })
}

fn read_settings(
    document: &Document<'_>,
    directory: Option<&Path>,
    mut fields: Fields<'_, '_>,
) -> Option<Settings> {
    let listen = match fields.value("listen") {
        None => Some(LISTEN),
        Some(_) => read_address(document, &mut fields, "listen", LISTEN_HELP),
    };
    let directory = directory.unwrap_or(Path::new(""));
    let path = |fields: &mut Fields<'_, '_>, name: &'static str, default: &str| {
        read_path(document, fields, name, directory).unwrap_or_else(|| directory.join(default))
    };
    let routes = path(&mut fields, "routes", ROUTES);
    let tenants = path(&mut fields, "tenants", TENANTS);
    let workers = usize::try_from(fields.integer("workers", 0..=MOST_WORKERS, 0)).unwrap_or(0);
    let state_dir = path(&mut fields, "state_dir", STATE_DIR);
    let environment = fields.checked_text("environment", is_name, (Code::BadName, NAME_RULE));
    let watch = fields.choice("watch", &WATCH);
    let tls = fields.table("tls").map(|fields| tls::read(document, fields, directory));
    let admin = fields.table("admin").map(|fields| admin::read(document, fields));
    let telemetry = fields.table("telemetry").map(|fields| telemetry::read(document, fields, directory));
    let checks = fields.table("checks").map(|fields| checks::read(document, fields, directory));
    let checks = checks.unwrap_or_default();
    let trust_forwarded_for = fields.flag("trust_forwarded_for").unwrap_or(false);
    let server_timing = fields.flag("server_timing").unwrap_or(false);
    let limits = read_limits(document, fields.table("limits"));
    let cors_origins = read_cors(document, fields.table("cors"));
    let catalog = catalog::read(document, fields.table("catalog"));
    fields.finish();
    Some(Settings {
        listen: listen?,
        routes,
        tenants,
        workers,
        state_dir,
        environment: environment.map(|name| name.text),
        watch: watch.unwrap_or(Watch::Events),
        // What is wrong in them has been reported, and the file is refused.
        tls: tls.flatten(),
        admin: admin.flatten(),
        telemetry: telemetry.flatten(),
        checks: checks.key,
        check_client_key: checks.client_key,
        check_ages: checks.ages,
        limits,
        trust_forwarded_for,
        server_timing,
        cors_origins,
        catalog,
    })
}

/// A path, relative to the file that names it.
fn read_path(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    directory: &Path,
) -> Option<PathBuf> {
    let text = fields.text(name)?;
    if text.text.contains("-----BEGIN") {
        let message = format!("`{name}` is the path of a file, and this is what stands in one");
        document.problem(Code::SecretInFile, text.at, message);
        return None;
    }
    let is_path = |text: &str| !text.is_empty() && !text.contains('\0');
    let text = fields.checked_text(name, is_path, (Code::BadPath, "it is the path of a file"))?;
    Some(directory.join(text.text))
}

fn read_address(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    help: &str,
) -> Option<SocketAddr> {
    let text = fields.text(name)?;
    let parsed: Result<SocketAddr, _> = text.text.parse();
    if parsed.is_err() {
        let message = format!("{} is not an IP address with a port", quote(&text.text));
        document.problem_with_help(Code::BadAddress, text.at, message, help);
    }
    parsed.ok()
}

fn read_cors(document: &Document<'_>, table: Option<Fields<'_, '_>>) -> Vec<String> {
    let Some(mut fields) = table else { return Vec::new() };
    let origins = fields.texts("origins").unwrap_or_default();
    fields.finish();
    for origin in origins.iter().filter(|origin| !is_origin(&origin.text)) {
        let message = format!("{} is not an origin", quote(&origin.text));
        let help = "as browsers send it: \"https://app.example\", in lower case, without a path or a slash at its end";
        document.problem_with_help(Code::BadOrigin, origin.at, message, help);
    }
    origins.into_iter().map(|origin| origin.text).collect()
}

/// RFC 6454 section 6.2, as browsers write it.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    (1..=255).contains(&host.len()) && host.bytes().all(allowed)
}

fn read_limits(document: &Document<'_>, table: Option<Fields<'_, '_>>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut fields) = table else { return limits };
    let at = fields.at();
    let millis_of = |fields: &mut Fields<'_, '_>, name: &'static str, range, value: &mut Duration| {
        let default = u64::try_from(value.as_millis()).unwrap_or(LONGEST_MS);
        *value = fields.millis(name, range, default);
    };
    let millis = |fields: &mut Fields<'_, '_>, name: &'static str, value: &mut Duration| {
        millis_of(fields, name, 1..=LONGEST_MS, value);
    };
    limits.max_body_bytes = fields.integer("max_body_bytes", BYTES, limits.max_body_bytes);
    limits.replay_body_bytes = fields.integer("replay_body_bytes", BYTES, limits.replay_body_bytes);
    limits.max_buffered_bytes = fields.integer("max_buffered_bytes", BYTES, limits.max_buffered_bytes);
    let connections = fields.integer("max_connections", 1..=MOST_CONNECTIONS, limits.max_connections as u64);
    limits.max_connections = usize::try_from(connections).unwrap_or(limits.max_connections);
    millis(&mut fields, "header_timeout_ms", &mut limits.header_timeout);
    millis(&mut fields, "body_timeout_ms", &mut limits.body_timeout);
    limits.min_body_rate = fields.integer("min_body_bytes_per_second", BODY_RATE, limits.min_body_rate);
    millis(&mut fields, "drain_timeout_ms", &mut limits.drain_timeout);
    millis_of(&mut fields, "write_stall_timeout_ms", WRITE_STALL_MS, &mut limits.write_stall_timeout);
    let idles = [
        ("websocket_idle_timeout_ms", &mut limits.websocket_idle_timeout),
        ("relay_idle_timeout_ms", &mut limits.relay_idle_timeout),
    ];
    for (name, value) in idles {
        millis_of(&mut fields, name, RELAY_IDLE_MS, value);
    }
    limits.max_answer = fields.integer("max_answer_bytes", ANSWER_BYTES, limits.max_answer);
    millis_of(&mut fields, "heartbeat_ms", HEARTBEAT_MS, &mut limits.heartbeat);
    fields.finish();
    if limits.max_buffered_bytes < limits.max_body_bytes {
        let message = "`max_buffered_bytes` is less than `max_body_bytes`: the largest body would never fit";
        document.problem(Code::BodyNeverFits, at, message);
    }
    limits
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_body_bytes: 32 * MIB,
            replay_body_bytes: MIB,
            max_buffered_bytes: 512 * MIB,
            max_connections: 10_000,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            min_body_rate: 128,
            drain_timeout: Duration::from_secs(60),
            write_stall_timeout: Duration::from_secs(30),
            websocket_idle_timeout: Duration::from_secs(600),
            relay_idle_timeout: Duration::from_secs(300),
            max_answer: MIB,
            heartbeat: Duration::from_secs(10),
        }
    }
}
