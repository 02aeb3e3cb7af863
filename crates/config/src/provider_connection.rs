//! `tls`, `http` and `http2` of a provider: how its connections are made, besides where they go.
//!
//! Paths are absolute, as that of a key is: a map that was kept is read from another directory than the one it was
//! written in.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::base_url::{BaseUrl, Scheme};
use crate::code::Code;
use crate::document::Document;
use crate::fields::Fields;

pub(crate) const ROOTS: [(&str, Roots); 3] =
    [("system", Roots::System), ("bundled", Roots::Bundled), ("none", Roots::None)];
pub(crate) const HTTP: [(&str, bool); 2] = [("1.1", false), ("2", true)];

/// From what every peer starts with (RFC 9113 section 6.9.2) to what no answer of text needs.
pub(crate) const STREAM_WINDOW: RangeInclusive<u64> = 65_535..=16 << 20;
/// To the protocol's own end (section 6.9.1).
pub(crate) const CONNECTION_WINDOW: RangeInclusive<u64> = 65_535..=(1 << 31) - 1;
pub(crate) const STREAMS: RangeInclusive<u64> = 1..=1000;

/// How many times all streams' windows the connection's must be. Once, and stalled streams cannot stop others; the rest
/// is for small frames, of which HTTP/2 libraries let a connection hold unread what half its window allows: with eight,
/// frames of 52 bytes and more.
pub(crate) const WINDOW_FACTOR: u64 = 8;

/// How a provider's certificate is judged, and what it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderTls {
    /// Who may have signed the provider's certificate, besides `roots`: an absolute path, PEM.
    pub ca: Option<PathBuf>,
    /// Who else.
    pub roots: Roots,
    /// The gateway's certificate and its key: absolute paths, PEM.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Authorities that come from elsewhere than the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// The system's.
    #[default]
    System,
    /// Mozilla's, as they were when the gateway was built.
    Bundled,
    /// None.
    None,
}

/// How requests share connections over HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Settings {
    /// Bytes that one answer may leave unread.
    pub stream_window: u32,
    /// Bytes that all answers on a connection may leave unread.
    pub connection_window: u32,
    /// Requests on one connection at a time.
    pub max_streams: u16,
}

impl Default for Http2Settings {
    fn default() -> Http2Settings {
        Http2Settings { stream_window: 256 << 10, connection_window: 1 << 30, max_streams: 64 }
    }
}

/// How a provider's connections are made.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) tls: ProviderTls,
    pub(crate) http2: Option<Http2Settings>,
}

pub(crate) fn read_connection(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    base_url: Option<&BaseUrl>,
) -> Connection {
    let is_clear = base_url.is_some_and(|url| url.scheme == Scheme::Http);
    let (tls_at, http_at) = (fields.position("tls"), fields.position("http"));
    let tls = fields.table("tls").map(|fields| read_tls(document, fields)).unwrap_or_default();
    let http = fields.choice("http", &HTTP);
    let is_http2 = http == Some(true);
    let http2_at = fields.position("http2");
    let http2 = fields.table("http2").map(|fields| read_http2(document, fields)).unwrap_or_default();
    if let Some(at) = tls_at.filter(|_| is_clear) {
        let message = "`tls` has no effect: `base_url` begins with http://";
        document.problem_with_help(Code::ConnectionNeverSo, at, message, "write https://, or take `tls` out");
    }
    if let Some(at) = http_at.filter(|_| is_clear && is_http2) {
        let message = "HTTP/2 is negotiated within TLS, and `base_url` begins with http://";
        document.problem_with_help(Code::ConnectionNeverSo, at, message, "write https://, or http = \"1.1\"");
    }
    // What was meant by an `http` that is neither is not known.
    let is_known = http.is_some() || http_at.is_none();
    if let Some(at) = http2_at.filter(|_| is_known && !is_http2) {
        let message = "`http2` has no effect without http = \"2\"";
        document.problem(Code::ConnectionNeverSo, at, message);
    }
    Connection { tls, http2: is_http2.then_some(http2) }
}

pub(crate) fn read_tls(document: &Document<'_>, mut fields: Fields<'_, '_>) -> ProviderTls {
    let at = fields.at();
    let ca = read_path(document, &mut fields, "ca");
    let roots = fields.choice("roots", &ROOTS).unwrap_or_default();
    let certificate = read_path(document, &mut fields, "client_certificate");
    let key = read_path(document, &mut fields, "client_key");
    let mut has = |name| fields.value(name).is_some();
    let (has_ca, has_certificate, has_key) = (has("ca"), has("client_certificate"), has("client_key"));
    fields.finish();
    if roots == Roots::None && !has_ca {
        let message = "nobody is trusted: `roots` is \"none\", and there is no `ca`";
        document.problem(Code::MissingField, at, message);
    }
    if has_certificate != has_key {
        let missing = if has_key { "client_certificate" } else { "client_key" };
        let message = format!("there is no `{missing}`: a certificate and its key go together");
        document.problem(Code::MissingField, at, message);
    }
    ProviderTls { ca, roots, client: certificate.zip(key) }
}

fn read_path(document: &Document<'_>, fields: &mut Fields<'_, '_>, name: &'static str) -> Option<PathBuf> {
    let text = fields.text(name)?;
    if text.text.contains("-----BEGIN") {
        let message = format!("`{name}` is the path of a file, and this is what stands in one");
        document.problem(Code::SecretInFile, text.at, message);
        return None;
    }
    if !Path::new(&text.text).is_absolute() || text.text.contains('\0') {
        document.problem(Code::BadPath, text.at, format!("`{name}` must be an absolute path"));
        return None;
    }
    Some(PathBuf::from(text.text))
}

fn read_http2(document: &Document<'_>, mut fields: Fields<'_, '_>) -> Http2Settings {
    let default = Http2Settings::default();
    let at = fields.at();
    let stream = fields.integer("stream_window_bytes", STREAM_WINDOW, default.stream_window.into());
    let connection =
        fields.integer("connection_window_bytes", CONNECTION_WINDOW, default.connection_window.into());
    let streams = fields.integer("max_concurrent_streams", STREAMS, default.max_streams.into());
    fields.finish();
    let needed = WINDOW_FACTOR * streams * stream;
    if connection < needed {
        let message = format!(
            "`connection_window_bytes` is less than {WINDOW_FACTOR} times `max_concurrent_streams` times \
             `stream_window_bytes`, which is {needed}: callers that do not read could stop all others"
        );
        document.problem(Code::WindowTooSmall, at, message);
    }
    Http2Settings {
        stream_window: u32::try_from(stream).unwrap_or(default.stream_window),
        connection_window: u32::try_from(connection).unwrap_or(default.connection_window),
        max_streams: u16::try_from(streams).unwrap_or(default.max_streams),
    }
}
