//! Edits of the tenants file.

use jiff::civil::Date;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use crate::code::Code;
use crate::document::{Document, Source};
use crate::edit::hex;
use crate::names::{NAME_RULE, is_name, quote};
use crate::problem::Problems;
use crate::tenants_file::TenantsFile;
use crate::version::next_version;

/// Adds a tenant with one key to the text of a tenants file.
///
/// # Errors
/// The file's own problems, a name that is taken or not allowed, a key that is listed already.
pub fn add_tenant(
    tenants: Source<'_>,
    name: &str,
    sha256: &[u8; 32],
    today: Date,
) -> Result<String, Problems> {
    let document = Document::new(tenants);
    let file = TenantsFile::read(&document);
    let edited = file.as_ref().and_then(|file| {
        let version = file.version.as_ref()?;
        if is_free(&document, file, name, sha256) {
            let next = next_version(&version.text, today);
            let edited = insert_tenant(tenants.text, name, sha256, &next);
            if edited.is_none() {
                document.problem(
                    Code::LayoutNotEditable,
                    version.at,
                    "the file's layout cannot be edited; add the tenant by hand",
                );
            }
            edited
        } else {
            None
        }
    });
    Problems::none(document.into_problems())?;
    let edited = edited.unwrap_or_default();

    let after = Document::new(Source { path: tenants.path, text: &edited });
    TenantsFile::read(&after);
    Problems::none(after.into_problems())?;
    Ok(edited)
}

fn is_free(document: &Document<'_>, file: &TenantsFile, name: &str, sha256: &[u8; 32]) -> bool {
    if !is_name(name) {
        document.problem(Code::BadName, 0, format!("{} cannot be a tenant's name: {NAME_RULE}", quote(name)));
        return false;
    }
    if let Some(tenant) = file.tenants.iter().find(|tenant| tenant.name.text == name) {
        document.problem(
            Code::TenantExists,
            tenant.name.at,
            format!("there is a tenant {} already", quote(name)),
        );
        return false;
    }
    for tenant in &file.tenants {
        if tenant.keys.iter().any(|key| key.sha256 == *sha256) {
            let message = format!("tenant {} has this key already", quote(&tenant.name.text));
            document.problem(Code::KeyTwice, tenant.name.at, message);
            return false;
        }
    }
    true
}

fn insert_tenant(text: &str, name: &str, sha256: &[u8; 32], version: &str) -> Option<String> {
    let mut file: DocumentMut = text.parse().ok()?;
    let mut tenant = Table::new();
    let mut keys = Array::new();
    keys.push(hex(sha256));
    tenant.insert("key_sha256", Item::Value(Value::Array(keys)));
    tenant.decor_mut().set_prefix("\n");
    let tenants = file.entry("tenants").or_insert_with(|| {
        let mut tenants = Table::new();
        tenants.set_implicit(true);
        Item::Table(tenants)
    });
    tenants.as_table_like_mut()?.insert(name, Item::Table(tenant));
    set_version(file, version)
}

/// The file's text with another version, in the field and in the end line.
pub(super) fn set_version(mut file: DocumentMut, version: &str) -> Option<String> {
    let old = file.get_mut("version")?.as_value_mut()?;
    let decor = old.decor().clone();
    *old = Value::from(version);
    *old.decor_mut() = decor;

    // What follows the last entry is the document's: comments first, the end line last.
    let trailing = file.trailing().as_str()?;
    let kept = trailing.get(..trailing.rfind("# end ")?)?;
    let trailing = format!("{kept}# end {version}\n");
    file.set_trailing(trailing);
    Some(file.to_string())
}
