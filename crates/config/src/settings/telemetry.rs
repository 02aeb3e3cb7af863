//! `[telemetry]` of the settings: the collector of OpenTelemetry that traces and metrics are sent to, and which of them.
//!
//! A signal is sent where its table is there. Secrets are named, as a provider's credential is.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use decisions::bucket::Share;
use toml::de::DeValue;

use crate::base_url::{BaseUrl, Scheme};
use crate::code::Code;
use crate::cohort_entry::read_share;
use crate::document::Document;
use crate::fields::{Fields, named_values};
use crate::load::CredentialSource;
use crate::names::{EXACT_RULE, is_exact_text, looks_like_key, quote};
use crate::provider_connection::{ProviderTls, read_tls};
use crate::provider_entry::{SecretName, read_base_url, read_secret_name};
use crate::provider_request::{MOST_HEADERS, is_token};

pub(crate) const PROTOCOLS: [(&str, OtlpProtocol); 2] =
    [("http", OtlpProtocol::Http), ("grpc", OtlpProtocol::Grpc)];
pub(crate) const COMPRESSION: [(&str, bool); 2] = [("gzip", true), ("none", false)];
/// A collector on the same machine at the one end, one behind a slow link at the other.
pub(crate) const EXPORT_TIMEOUT_MS: RangeInclusive<u64> = 100..=60_000;
pub(crate) const INTERVAL_MS: RangeInclusive<u64> = 1_000..=3_600_000;
/// 0 keeps none for its slowness.
pub(crate) const SLOW_MS: RangeInclusive<u64> = 0..=3_600_000;
pub(crate) const TIMEOUT_DEFAULT_MS: u64 = 10_000;
pub(crate) const INTERVAL_DEFAULT_MS: u64 = 60_000;
pub(crate) const SLOW_DEFAULT_MS: u64 = 30_000;
pub(crate) const SAMPLE_DEFAULT: &str = "1%";
pub(crate) const CANARY_SHARE_DEFAULT: &str = "10%";
pub(crate) const MOST_ATTRIBUTES: usize = 32;
/// Bytes in the longest name of an attribute.
pub(crate) const ATTRIBUTE_BYTES: usize = 64;

/// Where traces and metrics go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// The collector; what is sent over HTTP goes below its path.
    pub endpoint: BaseUrl,
    /// How it is spoken to.
    pub protocol: OtlpProtocol,
    /// Sent with everything, in lower case; an environment variable or a file, never the caller's.
    pub headers: Vec<(String, CredentialSource)>,
    /// What is sent is compressed.
    pub gzip: bool,
    /// How the collector's certificate is judged, and what it is shown.
    pub tls: ProviderTls,
    /// How long one try may take.
    pub timeout: Duration,
    /// What is said of this process, besides what it knows of itself.
    pub resource: Vec<(String, String)>,
    /// Traces, if they are sent.
    pub traces: Option<TraceSettings>,
    /// How often metrics are sent, if they are.
    pub metrics_interval: Option<Duration>,
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf over HTTP/1.1.
    #[default]
    Http,
    /// gRPC, over HTTP/2.
    Grpc,
}

/// Which traces are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// Of those that begin here; one with a parent is kept as that one is.
    pub sample: Share,
    /// All requests that ended badly.
    pub errors: bool,
    /// All requests that another target than the first was asked for.
    pub fallbacks: bool,
    /// All requests that took so long.
    pub slow: Option<Duration>,
    /// Of requests that went to a canary.
    pub canary_share: Share,
}

/// What is wrong is reported; then there is nothing, or not all that was meant.
pub(super) fn read(
    document: &Document<'_>,
    mut fields: Fields<'_, '_>,
    directory: &Path,
) -> Option<TelemetrySettings> {
    let at = fields.at();
    let endpoint = read_base_url(document, &mut fields, "endpoint");
    let protocol = fields.choice("protocol", &PROTOCOLS).unwrap_or_default();
    let headers = read_headers(document, &mut fields, directory);
    let gzip = fields.choice("compression", &COMPRESSION).unwrap_or(true);
    let tls_at = fields.position("tls");
    let tls = fields.table("tls").map(|fields| read_tls(document, fields)).unwrap_or_default();
    let timeout = fields.millis("timeout_ms", EXPORT_TIMEOUT_MS, TIMEOUT_DEFAULT_MS);
    let resource = read_resource(document, &mut fields);
    let traces = fields.table("traces").map(|fields| read_traces(document, fields));
    let metrics_interval = fields.table("metrics").map(read_metrics);
    fields.finish();
    if traces.is_none() && metrics_interval.is_none() {
        let message = "nothing is sent: there is neither [telemetry.traces] nor [telemetry.metrics]";
        document.problem(Code::MissingField, at, message);
    }
    let is_clear = endpoint.as_ref().is_some_and(|url| url.scheme == Scheme::Http);
    if let Some(at) = tls_at.filter(|_| is_clear) {
        let message = "`tls` has no effect: `endpoint` begins with http://";
        document.problem_with_help(Code::ConnectionNeverSo, at, message, "write https://, or take `tls` out");
    }
    Some(TelemetrySettings {
        endpoint: endpoint?,
        protocol,
        headers,
        gzip,
        tls,
        timeout,
        resource,
        traces,
        metrics_interval,
    })
}

fn read_traces(document: &Document<'_>, mut fields: Fields<'_, '_>) -> TraceSettings {
    let share = |fields: &mut Fields<'_, '_>, name: &'static str, default: &str| {
        let written = fields.text(name).and_then(|text| read_share(document, &text));
        written.or_else(|| crate::parse_share(default).ok()).unwrap_or(Share::NONE)
    };
    let settings = TraceSettings {
        sample: share(&mut fields, "sample", SAMPLE_DEFAULT),
        errors: fields.flag("errors").unwrap_or(true),
        fallbacks: fields.flag("fallbacks").unwrap_or(true),
        slow: Some(fields.millis("slow_ms", SLOW_MS, SLOW_DEFAULT_MS)).filter(|slow| !slow.is_zero()),
        canary_share: share(&mut fields, "canary_share", CANARY_SHARE_DEFAULT),
    };
    fields.finish();
    settings
}

fn read_metrics(mut fields: Fields<'_, '_>) -> Duration {
    let interval = fields.millis("interval_ms", INTERVAL_MS, INTERVAL_DEFAULT_MS);
    fields.finish();
    interval
}

/// Every value is a secret's name: what a collector knows its clients by is a key as a rule.
fn read_headers(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    directory: &Path,
) -> Vec<(String, CredentialSource)> {
    const HELP: &str = "write { env = \"VARIABLE\" } or { file = \"path\" }";
    let Some(value) = fields.value("headers") else { return Vec::new() };
    let DeValue::Table(table) = value.get_ref() else {
        fields.wrong_type("headers", value, "a table of header and secret");
        return Vec::new();
    };
    let mut headers: Vec<(String, CredentialSource)> = Vec::new();
    for (name, value) in named_values(table) {
        let (lower, at) = (name.text.to_ascii_lowercase(), value.span().start);
        if !is_token(&lower) || is_written_by_us(&lower) {
            let message = format!("the header {} cannot be set here", quote(&name.text));
            document.problem(Code::BadHeader, name.at, message);
        } else if headers.iter().any(|(other, _)| *other == lower) {
            document.problem(Code::ListedTwice, name.at, format!("{} is there already", quote(&name.text)));
        } else if headers.len() == MOST_HEADERS {
            let message = format!("there may be {MOST_HEADERS} headers at most");
            document.problem(Code::BadHeader, name.at, message);
        }
        match value.get_ref() {
            DeValue::Table(table) => {
                let title = "a header of `telemetry`";
                let fields = Fields::new(document, table, at, title);
                let source = match read_secret_name(document, fields, (title, HELP)) {
                    Some(SecretName::Env(name)) => CredentialSource::Env(name),
                    Some(SecretName::File(path)) => CredentialSource::File(directory.join(path.text)),
                    None => continue,
                };
                headers.push((lower, source));
            }
            DeValue::String(_) => {
                let message = "a header's value is named here, never written here";
                document.problem_with_help(Code::SecretInFile, at, message, HELP);
            }
            _ => document.problem_with_help(Code::WrongType, at, "a header must be a table", HELP),
        }
    }
    headers
}

/// By the exporter or by HTTP itself.
fn is_written_by_us(name: &str) -> bool {
    let written = [
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    written.contains(&name) || name.starts_with("grpc-")
}

fn read_resource(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Vec<(String, String)> {
    let Some(value) = fields.value("resource") else { return Vec::new() };
    let DeValue::Table(table) = value.get_ref() else {
        fields.wrong_type("resource", value, "a table of attribute and text");
        return Vec::new();
    };
    let mut attributes = Vec::new();
    for (name, value) in named_values(table) {
        let at = value.span().start;
        if !is_attribute(&name.text) {
            let message = format!("{} is not an attribute's name", quote(&name.text));
            let help = "as in \"service.name\", in quotes: letters, digits, `.`, `_` and `-`, a letter first";
            document.problem_with_help(Code::BadName, name.at, message, help);
        } else if attributes.len() == MOST_ATTRIBUTES {
            let message = format!("there may be {MOST_ATTRIBUTES} attributes at most");
            document.problem(Code::BadName, name.at, message);
        }
        match value.get_ref() {
            DeValue::String(text) if looks_like_key(text) => {
                let message = "this looks like a key, and an attribute is read by everybody who sees traces";
                document.problem(Code::SecretInFile, at, message);
            }
            DeValue::String(text) if is_exact_text(text) => {
                attributes.push((name.text, text.clone().into_owned()));
            }
            DeValue::String(_) => {
                document.problem(
                    Code::NotExactText,
                    at,
                    format!("an attribute is no such text: {EXACT_RULE}"),
                );
            }
            _ => document.problem(Code::WrongType, at, "an attribute must be a string"),
        }
    }
    attributes
}

fn is_attribute(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= ATTRIBUTE_BYTES
        && name.bytes().all(is_part)
}
