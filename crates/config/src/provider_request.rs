//! `paths` and `headers` of a provider: what the map says of its requests, so that nothing of it is built in.
//!
//! A header is the second place where an operator may paste a secret: those that carry credentials are refused by name,
//! and values that look like keys by their looks.

use decisions::Endpoint;
use toml::de::DeValue;

use crate::base_url::parse_path;
use crate::code::Code;
use crate::document::Document;
use crate::fields::{Fields, named_values};
use crate::names::{looks_like_key, quote};

pub(crate) const MOST_HEADERS: usize = 16;
pub(crate) const LONGEST_VALUE: usize = 256;

/// Written by the gateway or by HTTP itself, or made to carry a credential.
const RESERVED: [&str; 26] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-api-key",
    "x-auth-token",
    "x-goog-api-key",
];

/// What `paths` calls the models endpoint, which no route is about.
pub(crate) const MODELS: &str = "models";

/// Where the models endpoint is at OpenAI.
pub(crate) const MODELS_PATH: &str = "/models";

/// `paths` of a provider.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    pub(crate) endpoints: Vec<(Endpoint, String)>,
    pub(crate) models: Option<String>,
}

/// Where the provider serves the routed endpoints and its models, where that is not where OpenAI does.
pub(crate) fn read_paths(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Paths {
    let Some(mut fields) = fields.table("paths") else { return Paths::default() };
    let mut paths = Paths::default();
    for endpoint in Endpoint::ALL {
        let path = read_path(document, &mut fields, endpoint.as_str());
        paths.endpoints.extend(path.map(|path| (endpoint, path)));
    }
    paths.models = read_path(document, &mut fields, MODELS);
    fields.finish();
    paths
}

fn read_path(document: &Document<'_>, fields: &mut Fields<'_, '_>, name: &'static str) -> Option<String> {
    let path = fields.text(name)?;
    match parse_path(&path.text) {
        Ok(whole) if !whole.is_empty() && path.text.starts_with('/') && whole == path.text => Some(whole),
        _ => {
            let message = "a path begins with `/`, has no empty or dotted segment and no query";
            let help = "as in \"/chat/completions\"; it stands after `base_url`";
            document.problem_with_help(Code::BadPath, path.at, message, help);
            None
        }
    }
}

/// What is added to every request to the provider.
pub(crate) fn read_headers(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Vec<(String, String)> {
    let Some(value) = fields.value("headers") else { return Vec::new() };
    let DeValue::Table(table) = value.get_ref() else {
        fields.wrong_type("headers", value, "a table of header and value");
        return Vec::new();
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in named_values(table) {
        let lower = name.text.to_ascii_lowercase();
        let at = value.span().start;
        if !is_token(&lower) {
            document.problem(
                Code::BadHeader,
                name.at,
                format!("{} is not a header's name", quote(&name.text)),
            );
        } else if RESERVED.contains(&lower.as_str()) || lower.starts_with("x-cometgate-") {
            let message = format!("the header {} cannot be set here", quote(&name.text));
            let help = "the gateway writes it itself; what pays is named in `credential`";
            document.problem_with_help(Code::BadHeader, name.at, message, help);
        } else if headers.iter().any(|(other, _)| *other == lower) {
            document.problem(Code::ListedTwice, name.at, format!("{} is there already", quote(&name.text)));
        } else if headers.len() == MOST_HEADERS {
            document.problem(
                Code::BadHeader,
                name.at,
                format!("there may be {MOST_HEADERS} headers at most"),
            );
        }
        match value.get_ref() {
            DeValue::String(text) if looks_like_key(text) => {
                let message = "this looks like a key, and a key is named in `credential`, never written here";
                document.problem(Code::SecretInFile, at, message);
            }
            DeValue::String(text) if is_value(text) => headers.push((lower, text.clone().into_owned())),
            DeValue::String(_) => {
                let message =
                    format!("a header's value has 1 to {LONGEST_VALUE} visible ASCII characters and spaces");
                document.problem(Code::BadHeader, at, message);
            }
            _ => document.problem(Code::WrongType, at, "a header's value must be a string"),
        }
    }
    headers
}

/// RFC 9110 section 5.6.2.
pub(crate) fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_tchar)
}

fn is_value(text: &str) -> bool {
    (1..=LONGEST_VALUE).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}
