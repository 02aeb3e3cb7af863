//! Configuration text to a checked plan.
//!
//! Pure: text goes in, a plan or every problem of it comes out, each problem with its line and column. Watching files,
//! reading them and looking up secrets is the caller's job; a secret's *value* never passes through here, and what an
//! operator pasted by mistake is never repeated in a message.
//!
//! Reading order: `load` (what comes out), `map_file` and `tenants_file` (text → values with their place),
//! `resolve` (names → ids), `check` (rules that span several entries). `settings` is the small file of the process,
//! [`edit`] changes a file without losing its comments, `starter` writes a first one.

mod base_url;
mod check;
mod document;
pub mod edit;
mod fields;
mod load;
mod map_file;
mod names;
mod problem;
mod provider_entry;
mod resolve;
mod settings;
mod share;
mod starter;
mod tenants_file;
mod version;

pub use base_url::{BaseUrl, BaseUrlError, Scheme};
pub use document::Source;
pub use load::{CredentialSource, Loaded, ProviderSettings, TenantKey, load_map};
pub use problem::{Place, Problem, Problems};
pub use settings::{Limits, Settings, load_settings};
pub use share::{ShareError, format_share, parse_share};
pub use starter::{ModelIds, Starter, StarterError, StarterOptions, starter};
pub use version::next_version;
