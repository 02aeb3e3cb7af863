//! Keys of a tenant come and go: rotated (a new one, and an end for the old ones) or revoked.
//!
//! Comments stay with the key that they stand by. A hash that gets an end moves from `key_sha256` to a
//! `[[tenants.NAME.keys]]` of its own, with its comments.

use jiff::Timestamp;
use jiff::civil::Date;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::document::{Document, Source};
use crate::edit::hash_list::HashList;
use crate::edit::hex;
use crate::edit::tenants::set_version;
use crate::names::{NAME_RULE, closest, is_name, quote};
use crate::problem::Problems;
use crate::tenant_list::{ListedKey, ListedTenant, list_tenants};
use crate::tenants_file::TenantsFile;
use crate::version::next_version;

/// A change of one tenant's keys.
#[derive(Clone, Debug)]
pub enum KeyEdit {
    /// A new key; those there are end.
    Rotate {
        /// SHA-256 of the new one.
        sha256: [u8; 32],
        /// What it is called; the day, where nothing is said.
        name: Option<String>,
        /// When the others end, unless they end earlier.
        others_end: Timestamp,
    },
    /// A key is removed, or all of them.
    Revoke {
        /// Its name, or 8 digits or more of the beginning of its hash; without it all.
        key: Option<String>,
    },
}

/// An edited tenants file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditedKeys {
    /// The whole text.
    pub text: String,
    /// Its version.
    pub version: String,
    /// The keys that were given an end, or were removed.
    pub touched: Vec<ListedKey>,
    /// The tenant as it is now.
    pub tenant: ListedTenant,
}

/// Why a tenants file was not edited.
#[derive(Debug, thiserror::Error)]
pub enum KeyEditError {
    /// The file is refused as it is, or as it would be.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// No tenant has this name.
    #[error("there is no tenant {}{help}", quote(.tenant))]
    NoTenant {
        /// The name.
        tenant: String,
        /// What was probably meant.
        help: String,
    },
    /// No key of the tenant has this name, nor a hash that begins so.
    #[error(
        "tenant {} has no key {}\n  help: name it as `cometgate tenants list` does: by its name, or by at least 8 digits of \
         its hash", quote(.tenant), quote(.key)
    )]
    NoKey {
        /// The tenant.
        tenant: String,
        /// What was asked for.
        key: String,
    },
    /// Several hashes begin so.
    #[error("more than one key of tenant {} has a hash that begins with {}", quote(.tenant), quote(.key))]
    Ambiguous {
        /// The tenant.
        tenant: String,
        /// What was asked for.
        key: String,
    },
    /// A key of the tenant has this name.
    #[error("tenant {} has a key {} already", quote(.tenant), quote(.name))]
    NameTaken {
        /// The tenant.
        tenant: String,
        /// The name.
        name: String,
    },
    /// The name cannot be one.
    #[error("{} cannot be a key's name: {NAME_RULE}", quote(.0))]
    BadName(String),
    /// Nothing would change.
    #[error("nothing to do: tenant {} has no keys", quote(.0))]
    NothingToDo(String),
    /// The text cannot be edited by a program.
    #[error("the file's layout cannot be edited; make the change by hand")]
    Layout,
}

/// Edits the keys of a tenant in the text of a tenants file.
///
/// # Errors
/// The file's own problems, or why the edit makes no sense.
pub fn edit_keys(
    tenants: Source<'_>,
    name: &str,
    edit: &KeyEdit,
    today: Date,
) -> Result<EditedKeys, KeyEditError> {
    let before = list_tenants(tenants)?;
    let Some(tenant) = before.iter().find(|tenant| tenant.name == name) else {
        let names = before.iter().map(|tenant| tenant.name.as_str());
        let help = closest(name, names)
            .map_or_else(String::new, |close| format!("\n  help: did you mean {}?", quote(close)));
        return Err(KeyEditError::NoTenant { tenant: name.to_owned(), help });
    };
    let current = TenantsFile::read(&Document::new(tenants)).and_then(|file| file.version);
    let version = next_version(&current.ok_or(KeyEditError::Layout)?.text, today);
    let (touched, wanted) = match edit {
        KeyEdit::Rotate { sha256, name, others_end } => {
            let name = new_name(tenant, name.as_deref(), today)?;
            let ends = |key: &ListedKey| key.expires_at.is_none_or(|end| end > *others_end);
            let ended = |key: &ListedKey| ListedKey { expires_at: Some(*others_end), ..key.clone() };
            let touched: Vec<ListedKey> = tenant.keys.iter().filter(|key| ends(key)).map(ended).collect();
            let each = tenant.keys.iter().map(|key| if ends(key) { ended(key) } else { key.clone() });
            let new = ListedKey { name: Some(name), sha256: *sha256, expires_at: None };
            (touched, each.chain([new]).collect())
        }
        KeyEdit::Revoke { key } => {
            let removed = chosen(tenant, key.as_deref())?;
            let kept: Vec<ListedKey> =
                tenant.keys.iter().filter(|key| !removed.contains(key)).cloned().collect();
            (removed, kept)
        }
    };
    let text = write(tenants.text, name, &wanted, &version).ok_or(KeyEditError::Layout)?;
    let after = list_tenants(Source { path: tenants.path, text: &text })?;
    let expected = ListedTenant { keys: wanted, ..tenant.clone() };
    if !is_as_wanted(&before, &after, &expected) {
        return Err(KeyEditError::Layout);
    }
    Ok(EditedKeys { text, version, touched, tenant: expected })
}

/// What stands in the file now is what was asked for, and no other tenant has changed. The order of keys may.
fn is_as_wanted(before: &[ListedTenant], after: &[ListedTenant], expected: &ListedTenant) -> bool {
    let sorted = |tenant: &ListedTenant| {
        let mut tenant = tenant.clone();
        tenant.keys.sort_by_key(|key| key.sha256);
        tenant
    };
    let others = before.iter().map(|old| if old.name == expected.name { expected } else { old });
    before.len() == after.len() && others.zip(after).all(|(old, new)| sorted(old) == sorted(new))
}

/// The name asked for, or the day with a number where the tenant has a key of that day.
fn new_name(tenant: &ListedTenant, asked: Option<&str>, today: Date) -> Result<String, KeyEditError> {
    let is_taken = |name: &str| tenant.keys.iter().any(|key| key.name.as_deref() == Some(name));
    match asked {
        Some(name) if !is_name(name) => Err(KeyEditError::BadName(name.to_owned())),
        Some(name) if is_taken(name) => {
            Err(KeyEditError::NameTaken { tenant: tenant.name.clone(), name: name.to_owned() })
        }
        Some(name) => Ok(name.to_owned()),
        None => {
            let mut names =
                std::iter::once(today.to_string()).chain((2_u32..).map(|at| format!("{today}.{at}")));
            names.find(|name| !is_taken(name)).ok_or(KeyEditError::Layout)
        }
    }
}

/// The keys that are meant.
fn chosen(tenant: &ListedTenant, key: Option<&str>) -> Result<Vec<ListedKey>, KeyEditError> {
    let Some(asked) = key else {
        let all = tenant.keys.clone();
        return if all.is_empty() { Err(KeyEditError::NothingToDo(tenant.name.clone())) } else { Ok(all) };
    };
    if let Some(named) = tenant.keys.iter().find(|key| key.name.as_deref() == Some(asked)) {
        return Ok(vec![named.clone()]);
    }
    let (tenant_name, asked) = (tenant.name.clone(), asked.to_owned());
    let digits = asked.to_ascii_lowercase();
    let begins = |key: &&ListedKey| digits.len() >= 8 && hex(&key.sha256).starts_with(&digits);
    let mut found = tenant.keys.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(vec![key.clone()]),
        (Some(_), Some(_)) => Err(KeyEditError::Ambiguous { tenant: tenant_name, key: asked }),
        (None, _) => Err(KeyEditError::NoKey { tenant: tenant_name, key: asked }),
    }
}

/// Brings a tenant's keys to what is wanted; `None` where the layout is one that this does not know.
fn write(text: &str, name: &str, wanted: &[ListedKey], version: &str) -> Option<String> {
    let mut file: DocumentMut = text.parse().ok()?;
    let item = file.get_mut("tenants")?.as_table_like_mut()?.get_mut(name)?;
    let has_heading = item.as_table().is_some_and(|table| !table.is_dotted());
    let tenant = item.as_table_like_mut()?;
    let mut left: Vec<&ListedKey> = wanted.iter().collect();

    // What stays a plain hash stays where it is; what gets an end moves, with its comments.
    let mut moved: Vec<(String, Vec<String>)> = Vec::new();
    if let Some(array) = tenant.get_mut("key_sha256").and_then(Item::as_array_mut) {
        let is_plain = |hash: &str| {
            wanted
                .iter()
                .any(|key| hex(&key.sha256) == hash && key.name.is_none() && key.expires_at.is_none())
        };
        let mut list = HashList::read(array)?;
        for (hash, comments) in list.take_all_but(is_plain) {
            if wanted.iter().any(|key| hex(&key.sha256) == hash) {
                moved.push((hash, comments));
            }
        }
        left.retain(|key| !list.has(&hex(&key.sha256)));
        list.write(array);
    }

    let mut tables = Tables::of(tenant, has_heading)?;
    tables.keep(&mut left)?;
    for key in left {
        let hash = hex(&key.sha256);
        let comments = moved.iter().find(|(moved, _)| *moved == hash).map_or(&[][..], |(_, lines)| lines);
        tables.push(key, comments);
    }
    tables.put_into(tenant);
    if tenant.get("keys").is_none() && tenant.get("key_sha256").is_none() {
        tenant.insert("key_sha256", Item::Value(Value::Array(Array::new())));
    }
    set_version(file, version)
}

/// The `keys` of a tenant, in either of their forms.
enum Tables {
    Headed(ArrayOfTables),
    Inline(Array),
}

impl Tables {
    fn of(tenant: &mut dyn TableLike, has_heading: bool) -> Option<Tables> {
        match tenant.get("keys") {
            Some(Item::ArrayOfTables(tables)) => Some(Tables::Headed(tables.clone())),
            Some(Item::Value(Value::Array(array))) => Some(Tables::Inline(array.clone())),
            Some(_) => None,
            None if has_heading => Some(Tables::Headed(ArrayOfTables::new())),
            None => Some(Tables::Inline(Array::new())),
        }
    }

    /// Keeps those that are wanted, with the end that is wanted, and takes them out of the list.
    fn keep(&mut self, wanted: &mut Vec<&ListedKey>) -> Option<()> {
        let mut take = |table: &dyn TableLike| -> Option<Option<ListedKey>> {
            let hash = table.get("sha256")?.as_str()?;
            let at = wanted.iter().position(|key| hex(&key.sha256) == hash);
            Some(at.map(|at| wanted.remove(at).clone()))
        };
        match self {
            Tables::Headed(tables) => {
                let mut at = 0;
                while let Some(table) = tables.get_mut(at) {
                    match take(table)? {
                        Some(key) => {
                            set_end(table, &key)?;
                            at += 1;
                        }
                        None => {
                            tables.remove(at);
                        }
                    }
                }
            }
            Tables::Inline(array) => {
                let mut at = 0;
                while let Some(value) = array.get_mut(at) {
                    let table = value.as_inline_table_mut()?;
                    match take(table)? {
                        Some(key) => {
                            set_end(table, &key)?;
                            at += 1;
                        }
                        None => {
                            array.remove(at);
                        }
                    }
                }
            }
        }
        Some(())
    }

    fn push(&mut self, key: &ListedKey, comments: &[String]) {
        let mut fields = InlineTable::new();
        fields.insert("sha256", Value::from(hex(&key.sha256)));
        if let Some(name) = &key.name {
            fields.insert("name", Value::from(name.as_str()));
        }
        if let Some(end) = key.expires_at.and_then(datetime) {
            fields.insert("expires_at", end);
        }
        match self {
            Tables::Headed(tables) => {
                let mut table: Table = fields.into_table();
                let lines: String = comments.iter().map(|line| format!("{line}\n")).collect();
                table.decor_mut().set_prefix(format!("\n{lines}"));
                tables.push(table);
            }
            Tables::Inline(array) => array.push(fields),
        }
    }

    fn put_into(self, tenant: &mut dyn TableLike) {
        let is_empty = match &self {
            Tables::Headed(tables) => tables.is_empty(),
            Tables::Inline(array) => array.is_empty(),
        };
        if is_empty {
            tenant.remove("keys");
            return;
        }
        let item = match self {
            Tables::Headed(tables) => Item::ArrayOfTables(tables),
            Tables::Inline(array) => Item::Value(Value::Array(array)),
        };
        match tenant.get_mut("keys") {
            Some(old) => *old = item,
            None => {
                tenant.insert("keys", item);
            }
        }
    }
}

/// Gives a key the end that is wanted, and leaves it alone where that is the one it has.
fn set_end(table: &mut dyn TableLike, key: &ListedKey) -> Option<()> {
    let Some(end) = key.expires_at else { return Some(()) };
    let written = |item: &Item| item.as_datetime()?.to_string().parse::<Timestamp>().ok();
    match table.get_mut("expires_at") {
        Some(item) if written(item) == Some(end) => {}
        Some(item) => {
            let value = item.as_value_mut()?;
            let decor = value.decor().clone();
            *value = datetime(end)?;
            *value.decor_mut() = decor;
        }
        None => {
            table.insert("expires_at", Item::Value(datetime(end)?));
        }
    }
    Some(())
}

fn datetime(time: Timestamp) -> Option<Value> {
    let time: toml_edit::Datetime = time.to_string().parse().ok()?;
    Some(Value::from(time))
}
