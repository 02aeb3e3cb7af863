//! `[providers.NAME]` of the map: where a provider lives and where its credential comes from.
//!
//! This is where an operator is most likely to paste a secret, so no value is repeated in a message.

use std::path::{Path, PathBuf};

use decisions::plan::CredentialHeader;
use decisions::price::Prices;
use toml::de::DeValue;

use crate::base_url::{BaseUrl, BaseUrlError};
use crate::code::Code;
use crate::document::{Document, Named};
use crate::fields::{Fields, Value};
use crate::load::{CredentialSource, ProviderSettings};
use crate::map_file::check_name;
use crate::names::{EXACT_RULE, is_exact_text, quote};
use crate::provider_connection::read_connection;
use crate::provider_forward::{TraceParentTold, read_forward_headers};
use crate::provider_prices::read_prices;
use crate::provider_request::{read_headers, read_paths};

pub(crate) const LONGEST_CONNECT_MS: u64 = 60_000;
pub(crate) const CONNECT_MS: u64 = 5_000;
/// More than one process of the gateway can have under way at one provider.
pub(crate) const MOST_CONCURRENT: u64 = 100_000;
/// Bytes in the longest name of an environment variable.
pub(crate) const VARIABLE_BYTES: usize = 256;

/// One `[providers.NAME]`.
#[derive(Debug)]
pub(crate) struct ProviderEntry {
    pub(crate) name: Named,
    pub(crate) settings: Option<ProviderSettings>,
    /// Where its credential is named.
    pub(crate) credential_at: usize,
    pub(crate) takes_client_key: bool,
    pub(crate) approved_models: Option<Vec<Named>>,
    pub(crate) blocked_models: Vec<Named>,
    /// Requests at one time.
    pub(crate) max_concurrent: Option<u32>,
    pub(crate) asks_usage: bool,
    pub(crate) prices: Prices,
}

pub(crate) fn read_provider(
    document: &Document<'_>,
    name: Named,
    mut fields: Fields<'_, '_>,
) -> ProviderEntry {
    check_name(document, "provider", &name);
    let base_url = read_base_url(document, &mut fields, "base_url");
    let value = fields.required("credential");
    let credential_at = value.map_or(name.at, |value| value.span().start);
    let credential = value.and_then(|value| read_credential(document, value));
    let credential_headers = CredentialHeader::ALL.map(|header| (header.as_str(), header));
    let credential_header = fields.choice("credential_header", &credential_headers).unwrap_or_default();
    let connect_timeout = fields.millis("connect_timeout_ms", 1..=LONGEST_CONNECT_MS, CONNECT_MS);
    let max_concurrent = fields.position("max_concurrent_requests").and_then(|_| {
        u32::try_from(fields.integer("max_concurrent_requests", 1..=MOST_CONCURRENT, MOST_CONCURRENT)).ok()
    });
    let approved_models = read_models(document, &mut fields, "approved_models");
    let blocked_models = read_models(document, &mut fields, "blocked_models").unwrap_or_default();
    let connection = read_connection(document, &mut fields, base_url.as_ref());
    let paths = read_paths(document, &mut fields);
    let headers = read_headers(document, &mut fields);
    let forward_headers = read_forward_headers(document, &mut fields);
    let told = TraceParentTold::ALL.map(|told| (told.as_str(), told));
    let trace_parent = fields.choice("trace_parent", &told).unwrap_or_default();
    let allow_private_addresses = fields.flag("allow_private_addresses").unwrap_or(false);
    let asks_usage = fields.flag("ask_usage").unwrap_or(false);
    let prices = read_prices(document, &mut fields);
    fields.finish();
    let takes_client_key = credential == Some(CredentialSource::Client);
    let settings = base_url.zip(credential).map(|(base_url, credential)| ProviderSettings {
        name: name.text.clone(),
        base_url,
        credential,
        credential_header,
        connect_timeout,
        tls: connection.tls,
        http2: connection.http2,
        paths: paths.endpoints,
        models_path: paths.models,
        headers,
        forward_headers,
        trace_parent,
        allow_private_addresses,
        place: document.place(credential_at),
    });
    ProviderEntry {
        name,
        settings,
        credential_at,
        takes_client_key,
        approved_models,
        blocked_models,
        max_concurrent,
        asks_usage,
        prices,
    }
}

/// A URL of http or https, with nothing in it that could hide a secret.
pub(crate) fn read_base_url(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    name: &'static str,
) -> Option<BaseUrl> {
    fields.required_text(name).and_then(|text| {
        let parsed = text.text.parse::<BaseUrl>();
        let code = |error| match error {
            BaseUrlError::UserInfo => Code::SecretInFile,
            BaseUrlError::Scheme
            | BaseUrlError::Unreachable
            | BaseUrlError::QueryOrFragment
            | BaseUrlError::Host
            | BaseUrlError::Port
            | BaseUrlError::Path => Code::BadBaseUrl,
        };
        parsed.map_err(|error| document.problem(code(error), text.at, error.to_string())).ok()
    })
}

fn read_models(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    name: &'static str,
) -> Option<Vec<Named>> {
    let models = fields.texts(name)?;
    for model in models.iter().filter(|model| !is_exact_text(&model.text)) {
        let message = format!("{} is not a model ID: {EXACT_RULE}", quote(&model.text));
        document.problem(Code::NotExactText, model.at, message);
    }
    Some(models)
}

fn read_credential(document: &Document<'_>, value: &Value<'_>) -> Option<CredentialSource> {
    let at = value.span().start;
    let help =
        "write { env = \"VARIABLE\" }, { file = \"/path\" } or \"client\" (the caller's own key goes on)";
    let table = match value.get_ref() {
        DeValue::String(word) if word == "client" => return Some(CredentialSource::Client),
        DeValue::Table(table) => table,
        DeValue::String(_) => {
            document.problem_with_help(
                Code::SecretInFile,
                at,
                "a credential is named here, never written here",
                help,
            );
            return None;
        }
        _ => {
            document.problem_with_help(
                Code::WrongType,
                at,
                "`credential` must be a table or \"client\"",
                help,
            );
            return None;
        }
    };
    let fields = Fields::new(document, table, at, "`credential`");
    let source = read_secret_name(document, fields, ("`credential`", help))?;
    match source {
        SecretName::Env(name) => Some(CredentialSource::Env(name)),
        SecretName::File(path) if Path::new(&path.text).is_absolute() => {
            Some(CredentialSource::File(PathBuf::from(path.text)))
        }
        SecretName::File(path) => {
            document.problem(Code::BadCredential, path.at, "`file` must be an absolute path");
            None
        }
    }
}

/// Where a secret is kept, as it is written.
pub(crate) enum SecretName {
    Env(String),
    File(Named),
}

/// Reads `env` or `file` of a table that names a secret. `title` and `help` say which.
pub(crate) fn read_secret_name(
    document: &Document<'_>,
    mut fields: Fields<'_, '_>,
    (title, help): (&str, &str),
) -> Option<SecretName> {
    let at = fields.at();
    let env = fields.text("env");
    let file = fields.text("file");
    fields.finish();
    match (env, file) {
        (Some(env), None) if is_variable(&env.text) => Some(SecretName::Env(env.text)),
        (Some(env), None) => {
            // Most likely the key itself, so it is not repeated.
            let message = "`env` must name an environment variable: letters, digits and `_`, no digit first";
            document.problem(Code::BadCredential, env.at, message);
            None
        }
        (None, Some(file)) if !file.text.is_empty() && !file.text.contains('\0') => {
            Some(SecretName::File(file))
        }
        (None, Some(file)) => {
            document.problem(Code::BadCredential, file.at, "`file` must be a path");
            None
        }
        (Some(_), Some(_)) => {
            let message = format!("{title} has both `env` and `file`");
            document.problem_with_help(Code::BadCredential, at, message, help);
            None
        }
        (None, None) => {
            document.problem_with_help(Code::BadCredential, at, format!("{title} names no secret"), help);
            None
        }
    }
}

pub(crate) fn is_variable(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && name.len() <= VARIABLE_BYTES
        && name.bytes().all(allowed)
        && !name.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
}
