//! `tenants.toml`: who may call, known by the hashes of their keys.
//!
//! Hashes only, so the file can be read by whoever may read the map. A key itself pasted in place of its hash is
//! refused without being repeated.

use std::collections::HashMap;

use decisions::plan::Criticality;

use crate::code::Code;
use crate::document::{Document, Named};
use crate::fields::Fields;
use crate::names::{NAME_RULE, VERSION_RULE, is_name, is_version, quote};

/// The file's content.
#[derive(Debug)]
pub(crate) struct TenantsFile {
    pub(crate) version: Option<Named>,
    pub(crate) tenants: Vec<TenantEntry>,
}

/// One `[tenants.NAME]`.
#[derive(Debug)]
pub(crate) struct TenantEntry {
    pub(crate) name: Named,
    pub(crate) keys: Vec<KeyHash>,
    /// Of certificates that callers show in place of a key.
    pub(crate) certificates: Vec<KeyHash>,
    pub(crate) allowed_aliases: Option<Vec<Named>>,
    pub(crate) allowed_providers: Option<Vec<Named>>,
    pub(crate) criticality: Criticality,
}

/// One hash of a key, or of a certificate.
#[derive(Debug)]
pub(crate) struct KeyHash {
    pub(crate) sha256: [u8; 32],
    at: usize,
}

impl TenantsFile {
    /// Reads the file; nothing when its syntax is broken. What is wrong is reported to the document.
    pub(crate) fn read(document: &Document<'_>) -> Option<TenantsFile> {
        let Some(table) = document.parse() else {
            document.check_end_line(None);
            return None;
        };
        let mut fields = Fields::new(document, &table, 0, "the tenants file");
        fields.required("version");
        let version = fields.checked_text("version", is_version, (Code::BadVersion, VERSION_RULE));
        document.check_end_line(version.as_ref().map(|version| version.text.as_str()));
        let tenants = fields
            .entries("tenants", "tenant")
            .into_iter()
            .map(|(name, fields)| read_tenant(document, name, fields))
            .collect();
        fields.finish();
        let file = TenantsFile { version, tenants };
        file.check_distinct(document, "key", |tenant| &tenant.keys);
        file.check_distinct(document, "certificate", |tenant| &tenant.certificates);
        Some(file)
    }

    fn check_distinct(
        &self,
        document: &Document<'_>,
        what: &str,
        hashes: impl Fn(&TenantEntry) -> &[KeyHash],
    ) {
        let mut seen: HashMap<[u8; 32], (&str, usize)> = HashMap::new();
        for tenant in &self.tenants {
            for key in hashes(tenant) {
                let Some((holder, at)) = seen.insert(key.sha256, (&tenant.name.text, key.at)) else {
                    continue;
                };
                let line = document.line(at);
                let message = if holder == tenant.name.text {
                    format!("this {what} is listed twice; first on line {line}")
                } else {
                    format!(
                        "this {what} is also {}'s, on line {line}: a {what} belongs to one tenant",
                        quote(holder)
                    )
                };
                document.problem_beside(Code::KeyTwice, key.at, at, "first here", message);
            }
        }
    }
}

fn read_tenant(document: &Document<'_>, name: Named, mut fields: Fields<'_, '_>) -> TenantEntry {
    if !is_name(&name.text) {
        document.problem(
            Code::BadName,
            name.at,
            format!("{} cannot be a tenant's name: {NAME_RULE}", quote(&name.text)),
        );
    }
    fields.required("key_sha256");
    let hashes = fields.texts("key_sha256").unwrap_or_default();
    let keys = hashes.iter().filter_map(|hash| read_hash(document, hash, &OF_A_KEY)).collect();
    let hashes = fields.texts("client_certificate_sha256").unwrap_or_default();
    let certificates =
        hashes.iter().filter_map(|hash| read_hash(document, hash, &OF_A_CERTIFICATE)).collect();
    let allowed_aliases = fields.texts("allowed_aliases");
    let allowed_providers = fields.texts("allowed_providers");
    let priorities = Criticality::ALL.map(|priority| (priority.as_str(), priority));
    let criticality = fields.choice("priority", &priorities).unwrap_or_default();
    fields.finish();
    TenantEntry { name, keys, certificates, allowed_aliases, allowed_providers, criticality }
}

/// What to say of a hash that is none, and where one comes from.
const OF_A_KEY: [&str; 2] = [
    "a key hash is 64 lowercase hexadecimal digits",
    "`cometgate tenants add NAME` makes a key and writes its hash here; the key itself stays out",
];
const OF_A_CERTIFICATE: [&str; 2] = [
    "a certificate's hash is 64 lowercase hexadecimal digits",
    "`openssl x509 -in client.pem -outform der | sha256sum` prints it; the certificate itself stays out",
];

fn read_hash(document: &Document<'_>, hash: &Named, [message, help]: &[&'static str; 2]) -> Option<KeyHash> {
    let mut sha256 = [0_u8; 32];
    let digits = hash.text.as_bytes();
    let is_hash = digits.len() == 64
        && sha256.iter_mut().zip(digits.chunks_exact(2)).all(|(byte, pair)| {
            let value = pair.iter().try_fold(0, |value, digit| Some(value * 16 + hex_value(*digit)?));
            value.map(|value| *byte = value).is_some()
        });
    if !is_hash {
        document.problem_with_help(Code::BadKeyHash, hash.at, *message, *help);
        return None;
    }
    Some(KeyHash { sha256, at: hash.at })
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
