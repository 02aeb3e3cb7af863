//! `cometgate.toml`: what the process needs before it can serve; changed by a restart only.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::{Document, Source};
use crate::fields::Fields;
use crate::names::quote;
use crate::problem::{Place, Problem, Problems};

const MIB: u64 = 1024 * 1024;

/// An hour; a longer wait is a mistake in the unit.
const LONGEST_MS: u64 = 3_600_000;

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
    /// What the process takes on at most.
    pub limits: Limits,
}

/// What the process takes on at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request's body.
    pub max_body_bytes: u64,
    /// Bytes of all request bodies that are held at one time.
    pub max_buffered_bytes: u64,
    /// Connections of applications at one time.
    pub max_connections: usize,
    /// How long a request's head may take to arrive, and a connection may idle between two requests.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long requests may take to finish once the process was told to stop.
    pub drain_timeout: Duration,
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
        let place = Place { path: source.path.to_owned(), line: 1, column: 1 };
        let help = Some("this is a bug in Cometgate".to_owned());
        Problems::new(Problem { place, message: "the settings cannot be used".to_owned(), help }, Vec::new())
    })
}

fn read_settings(
    document: &Document<'_>,
    directory: Option<&Path>,
    mut fields: Fields<'_, '_>,
) -> Option<Settings> {
    let listen = read_listen(document, &mut fields);
    let path = |fields: &mut Fields<'_, '_>, name: &'static str, default: &str| {
        let is_path = |text: &str| !text.is_empty() && !text.contains('\0');
        let text = fields.checked_text(name, is_path, "it is the path of a file").map(|text| text.text);
        directory.unwrap_or(Path::new("")).join(text.as_deref().unwrap_or(default))
    };
    let routes = path(&mut fields, "routes", "routes.toml");
    let tenants = path(&mut fields, "tenants", "tenants.toml");
    let workers = usize::try_from(fields.integer("workers", 0..=1024, 0)).unwrap_or(0);
    let limits = read_limits(document, fields.table("limits"));
    fields.finish();
    Some(Settings { listen: listen?, routes, tenants, workers, limits })
}

fn read_listen(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Option<SocketAddr> {
    if fields.value("listen").is_none() {
        return Some(SocketAddr::from(([127, 0, 0, 1], 8080)));
    }
    let text = fields.text("listen")?;
    let parsed: Result<SocketAddr, _> = text.text.parse();
    if parsed.is_err() {
        let message = format!("{} is not an IP address with a port", quote(&text.text));
        let help = "\"127.0.0.1:8080\" for this machine only, \"0.0.0.0:8080\" or \"[::]:8080\" for all";
        document.problem_with_help(text.at, message, help);
    }
    parsed.ok()
}

fn read_limits(document: &Document<'_>, table: Option<Fields<'_, '_>>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut fields) = table else { return limits };
    let at = fields.at();
    // Two ends of what an address space and a patient operator allow.
    let bytes = 1024..=1024 * 1024 * MIB;
    let millis = |fields: &mut Fields<'_, '_>, name: &'static str, value: &mut Duration| {
        let default = u64::try_from(value.as_millis()).unwrap_or(LONGEST_MS);
        *value = fields.millis(name, 1..=LONGEST_MS, default);
    };
    limits.max_body_bytes = fields.integer("max_body_bytes", bytes.clone(), limits.max_body_bytes);
    limits.max_buffered_bytes = fields.integer("max_buffered_bytes", bytes, limits.max_buffered_bytes);
    let connections = fields.integer("max_connections", 1..=10_000_000, 10_000);
    limits.max_connections = usize::try_from(connections).unwrap_or(limits.max_connections);
    millis(&mut fields, "header_timeout_ms", &mut limits.header_timeout);
    millis(&mut fields, "body_timeout_ms", &mut limits.body_timeout);
    millis(&mut fields, "drain_timeout_ms", &mut limits.drain_timeout);
    fields.finish();
    if limits.max_buffered_bytes < limits.max_body_bytes {
        let message = "`max_buffered_bytes` is less than `max_body_bytes`: the largest body would never fit";
        document.problem(at, message);
    }
    limits
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_body_bytes: 32 * MIB,
            max_buffered_bytes: 512 * MIB,
            max_connections: 10_000,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(60),
        }
    }
}
