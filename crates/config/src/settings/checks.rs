//! `[checks]` of the settings: with which key the gateway's own checks call it, and for how long what they find counts.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use crate::code::Code;
use crate::document::Document;
use crate::fields::{Fields, Value};
use crate::load::CredentialSource;
use crate::provider_entry::{SecretName, read_secret_name};

const HELP: &str = "write { file = \"checks.key\" } or { env = \"VARIABLE\" }; any long random text is a key";

/// A year: what was found longer ago says nothing about today.
pub(crate) const AGE_S: RangeInclusive<u64> = 1..=31_536_000;

/// For how long what a check has found counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckAges {
    /// That a provider lists the models.
    pub models: Duration,
    /// What contract probes found.
    pub probe: Duration,
    /// That somebody has looked up an item of the contract.
    pub contract: Duration,
    /// That a request went through the application's path.
    pub smoke: Duration,
    /// That a rollforward was in order.
    pub rollforward: Duration,
    /// That the way back was drilled; an older drill proves nothing any more, and what went live on it goes home.
    pub drill: Duration,
}

impl Default for CheckAges {
    fn default() -> CheckAges {
        let days = |days: u64| Duration::from_secs(days * 24 * 3_600);
        CheckAges {
            models: days(1),
            probe: days(7),
            contract: days(90),
            smoke: days(1),
            rollforward: days(7),
            drill: days(30),
        }
    }
}

/// By their names in the file.
pub(crate) fn ages(ages: &mut CheckAges) -> [(&'static str, &mut Duration); 6] {
    [
        ("models", &mut ages.models),
        ("probe", &mut ages.probe),
        ("contract", &mut ages.contract),
        ("smoke", &mut ages.smoke),
        ("rollforward", &mut ages.rollforward),
        ("drill", &mut ages.drill),
    ]
}

fn read_ages(table: Option<Fields<'_, '_>>) -> CheckAges {
    let mut read = CheckAges::default();
    let Some(mut fields) = table else { return read };
    for (name, age) in ages(&mut read) {
        *age = Duration::from_secs(fields.integer(name, AGE_S, age.as_secs()));
    }
    fields.finish();
    read
}

/// What the table says.
#[derive(Debug, Default)]
pub(super) struct Checks {
    pub(super) key: Option<CredentialSource>,
    pub(super) client_key: Option<CredentialSource>,
    pub(super) ages: CheckAges,
}

/// What is wrong is reported; then there is nothing.
pub(super) fn read(document: &Document<'_>, mut fields: Fields<'_, '_>, directory: &Path) -> Checks {
    let ages = read_ages(fields.table("max_age_s"));
    let key = fields.required("key").and_then(|value| read_key(document, "key", value, directory));
    let client_key =
        fields.value("client_key").and_then(|value| read_key(document, "client_key", value, directory));
    fields.finish();
    Checks { key, client_key, ages }
}

fn read_key(
    document: &Document<'_>,
    name: &str,
    value: &Value<'_>,
    directory: &Path,
) -> Option<CredentialSource> {
    let (title, at) = (format!("`{name}` of `checks`"), value.span().start);
    let named = match value.get_ref() {
        DeValue::Table(table) => {
            let key = Fields::new(document, table, at, title.clone());
            read_secret_name(document, key, (&title, HELP))
        }
        DeValue::String(_) => {
            let message = "a key of checks is named here, never written here";
            document.problem_with_help(Code::SecretInFile, at, message, HELP);
            None
        }
        _ => {
            document.problem_with_help(Code::WrongType, at, format!("{title} must be a table"), HELP);
            None
        }
    };
    named.map(|named| match named {
        SecretName::Env(name) => CredentialSource::Env(name),
        SecretName::File(path) => CredentialSource::File(directory.join(path.text)),
    })
}
