//! `tenants.toml`: who may call, known by the hashes of their keys.
//!
//! Hashes only, so the file can be read by whoever may read the map. A key itself pasted in place of its hash is
//! refused without being repeated.

use std::collections::HashMap;

use decisions::plan::{CHECKS_TENANT, Criticality};
use decisions::tenant_limits::TenantLimits;

use crate::code::Code;
use crate::document::{Document, Named};
use crate::fields::Fields;
use crate::map_file::Date;
use crate::names::{NAME_RULE, VERSION_RULE, is_name, is_version, quote};

/// The most requests or tokens in a minute that can be a limit.
pub(crate) const MOST_PER_MINUTE: u64 = 1_000_000_000;
/// The most requests at one time that can be a limit.
pub(crate) const MOST_AT_ONE_TIME: u64 = 100_000;

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
    /// In the order of the file within each of the two forms, the plain hashes first.
    pub(crate) keys: Vec<KeyEntry>,
    /// Of certificates that callers show in place of a key.
    pub(crate) certificates: Vec<KeyEntry>,
    pub(crate) limits: TenantLimits,
    pub(crate) allowed_aliases: Option<Vec<Named>>,
    pub(crate) allowed_providers: Option<Vec<Named>>,
    pub(crate) criticality: Criticality,
    pub(crate) allow_mirror: bool,
}

/// One key or certificate, by its hash: of a list of hashes, or a `[[tenants.NAME.keys]]`.
#[derive(Debug)]
pub(crate) struct KeyEntry {
    pub(crate) sha256: [u8; 32],
    pub(crate) name: Option<Named>,
    pub(crate) expires_at: Option<Date>,
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
        file.tenants.iter().for_each(|tenant| tenant.check_distinct_names(document));
        Some(file)
    }

    fn check_distinct(
        &self,
        document: &Document<'_>,
        what: &str,
        hashes: impl Fn(&TenantEntry) -> &[KeyEntry],
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

impl TenantEntry {
    /// A name has to tell which key is revoked.
    fn check_distinct_names(&self, document: &Document<'_>) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for name in self.keys.iter().filter_map(|key| key.name.as_ref()) {
            if let Some(at) = seen.insert(&name.text, name.at) {
                let line = document.line(at);
                let message =
                    format!("there is a key {} of this tenant already, on line {line}", quote(&name.text));
                document.problem_beside(Code::KeyNameTwice, name.at, at, "first here", message);
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
    if name.text == CHECKS_TENANT {
        let message = format!("{} is the gateway's own: its checks call as this tenant", quote(&name.text));
        let help = "its key stands in cometgate.toml, as `key` of `[checks]`";
        document.problem_with_help(Code::ReservedName, name.at, message, help);
    }
    let keys = read_keys(document, &name, &mut fields);
    let hashes = fields.texts("client_certificate_sha256").unwrap_or_default();
    let certificates = hashes.iter().filter_map(|hash| plain(document, hash, &OF_A_CERTIFICATE)).collect();
    let limits = read_limits(&mut fields);
    let allowed_aliases = fields.texts("allowed_aliases");
    let allowed_providers = fields.texts("allowed_providers");
    let priorities = Criticality::ALL.map(|priority| (priority.as_str(), priority));
    let criticality = fields.choice("priority", &priorities).unwrap_or_default();
    let allow_mirror = fields.flag("allow_mirror").unwrap_or(false);
    fields.finish();
    TenantEntry {
        name,
        keys,
        certificates,
        limits,
        allowed_aliases,
        allowed_providers,
        criticality,
        allow_mirror,
    }
}

/// Both forms of keys; one of them must be there.
fn read_keys(document: &Document<'_>, tenant: &Named, fields: &mut Fields<'_, '_>) -> Vec<KeyEntry> {
    let tables = fields.items("keys", "key", "[[tenants.NAME.keys]]");
    if fields.position("keys").is_none() {
        fields.required("key_sha256");
    }
    let hashes = fields.texts("key_sha256").unwrap_or_default();
    let mut keys: Vec<KeyEntry> = hashes.iter().filter_map(|hash| plain(document, hash, &OF_A_KEY)).collect();
    keys.extend(tables.into_iter().filter_map(|fields| read_key(document, tenant, fields)));
    keys
}

fn read_key(document: &Document<'_>, tenant: &Named, mut fields: Fields<'_, '_>) -> Option<KeyEntry> {
    fields.set_title(format!("a key of tenant {}", quote(&tenant.text)));
    let hash = fields.required_text("sha256");
    let name = fields.checked_text("name", is_name, (Code::BadName, NAME_RULE));
    let expires_at = fields.date("expires_at");
    fields.finish();
    let hash = hash?;
    let sha256 = read_hash(document, &hash, &OF_A_KEY)?;
    Some(KeyEntry { sha256, name, expires_at, at: hash.at })
}

fn read_limits(fields: &mut Fields<'_, '_>) -> TenantLimits {
    let mut limit = |name, most| fields.position(name).map(|_| fields.integer(name, 1..=most, most));
    TenantLimits {
        requests_per_minute: limit("requests_per_minute", MOST_PER_MINUTE),
        tokens_per_minute: limit("tokens_per_minute", MOST_PER_MINUTE),
        max_concurrent_requests: limit("max_concurrent_requests", MOST_AT_ONE_TIME)
            .and_then(|most| u32::try_from(most).ok()),
    }
}

/// A hash in a list of them.
fn plain(document: &Document<'_>, hash: &Named, of: &[&'static str; 2]) -> Option<KeyEntry> {
    let sha256 = read_hash(document, hash, of)?;
    Some(KeyEntry { sha256, name: None, expires_at: None, at: hash.at })
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

fn read_hash(document: &Document<'_>, hash: &Named, [message, help]: &[&'static str; 2]) -> Option<[u8; 32]> {
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
    Some(sha256)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
