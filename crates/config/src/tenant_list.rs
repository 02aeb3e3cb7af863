//! What a tenants file says of each tenant, for whoever lists or edits it.

use decisions::tenant_limits::TenantLimits;
use jiff::Timestamp;

use crate::document::{Document, Source};
use crate::problem::Problems;
use crate::tenants_file::{KeyEntry, TenantEntry, TenantsFile};

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTenant {
    /// Its name.
    pub name: String,
    /// Its keys, in the order of the file.
    pub keys: Vec<ListedKey>,
    /// How much it may ask for.
    pub limits: TenantLimits,
    /// The only aliases that it may use; all where there is no such list.
    pub allowed_aliases: Option<Vec<String>>,
    /// The only providers that may get its requests; all where there is no such list.
    pub allowed_providers: Option<Vec<String>>,
    /// How it fares when a target is full.
    pub priority: &'static str,
}

/// One key, of which only the hash is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// What tells it from the tenant's others.
    pub name: Option<String>,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl ListedKey {
    /// The first 8 digits of the hash: enough to tell keys apart, and of no use to anybody else.
    #[must_use]
    pub fn hash_beginning(&self) -> String {
        hash_beginning(&self.sha256)
    }

    pub(crate) fn of(entry: &KeyEntry) -> ListedKey {
        ListedKey {
            name: entry.name.as_ref().map(|name| name.text.clone()),
            sha256: entry.sha256,
            expires_at: entry.expires_at.map(|date| date.time),
        }
    }
}

/// The first 8 digits of a hash.
pub(crate) fn hash_beginning(sha256: &[u8; 32]) -> String {
    sha256.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

impl ListedTenant {
    pub(crate) fn of(entry: &TenantEntry) -> ListedTenant {
        let texts = |list: &Option<Vec<crate::document::Named>>| {
            list.as_ref().map(|list| list.iter().map(|named| named.text.clone()).collect())
        };
        ListedTenant {
            name: entry.name.text.clone(),
            keys: entry.keys.iter().map(ListedKey::of).collect(),
            limits: entry.limits,
            allowed_aliases: texts(&entry.allowed_aliases),
            allowed_providers: texts(&entry.allowed_providers),
            priority: entry.criticality.as_str(),
        }
    }
}

/// The tenants of a file, in its order.
///
/// # Errors
/// The file's problems, but for those that only the route map shows.
pub fn list_tenants(tenants: Source<'_>) -> Result<Vec<ListedTenant>, Problems> {
    let document = Document::new(tenants);
    let file = TenantsFile::read(&document);
    Problems::none(document.into_problems())?;
    Ok(file.iter().flat_map(|file| &file.tenants).map(ListedTenant::of).collect())
}
