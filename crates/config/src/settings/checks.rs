//! `[checks]` of the settings: with which key the gateway's own checks call it.

use std::path::Path;

use toml::de::DeValue;

use crate::code::Code;
use crate::document::Document;
use crate::fields::Fields;
use crate::load::CredentialSource;
use crate::provider_entry::{SecretName, read_secret_name};

const HELP: &str = "write { file = \"checks.key\" } or { env = \"VARIABLE\" }; any long random text is a key";

/// What is wrong is reported; then there is nothing.
pub(super) fn read(
    document: &Document<'_>,
    mut fields: Fields<'_, '_>,
    directory: &Path,
) -> Option<CredentialSource> {
    let value = fields.required("key");
    let named = match value.map(|value| (value.get_ref(), value.span().start)) {
        Some((DeValue::Table(table), at)) => {
            let key = Fields::new(document, table, at, "`key` of `checks`");
            read_secret_name(document, key, ("`key` of `checks`", HELP))
        }
        Some((DeValue::String(_), at)) => {
            let message = "the key of checks is named here, never written here";
            document.problem_with_help(Code::SecretInFile, at, message, HELP);
            None
        }
        Some((_, at)) => {
            document.problem_with_help(Code::WrongType, at, "`key` of `checks` must be a table", HELP);
            None
        }
        None => None,
    };
    fields.finish();
    named.map(|named| match named {
        SecretName::Env(name) => CredentialSource::Env(name),
        SecretName::File(path) => CredentialSource::File(directory.join(path.text)),
    })
}
