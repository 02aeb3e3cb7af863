//! Configuration text to a checked plan.
//!
//! Pure: text goes in, a plan or every problem of it comes out, each problem with its line and column. Watching files,
//! reading them and looking up secrets is the caller's job; a secret's *value* never passes through here, and what an
//! operator pasted by mistake is never repeated in a message.
//!
//! Reading order: `load` (what comes out), `map_file` and `tenants_file` (text → values with their place), `resolve`
//! (names → ids), `check` (rules that span several entries), `warn` (what is legal and suspect). `settings` is the
//! small file of the process, [`edit`] changes a file without losing its comments, `starter` writes a first one,
//! `schema` says the same rules to editors. A problem is found through `document`, told by `problem` and its `code`,
//! shown by `snippet` and `render`; `syntax` guesses what a parser's complaint is about. What loaded maps say is asked
//! of [`mod@diff`] (what changes between two) and `who` (who is in a canary).

mod alias_entry;
mod attempts_entry;
mod base_url;
mod check;
mod check_gates;
mod check_models;
mod class_list;
mod code;
mod cohort_entry;
mod diagnostic_json;
pub mod diff;
mod document;
pub mod edit;
mod fields;
mod gates_entry;
mod literals;
mod load;
mod look_alikes;
mod make_gates;
mod map_file;
mod mirror_entry;
mod names;
mod problem;
mod provider_connection;
mod provider_entry;
mod provider_forward;
mod provider_prices;
mod provider_request;
mod render;
mod resolve;
mod route_entry;
mod schema;
mod settings;
mod share;
mod snippet;
mod starter;
mod steps_entry;
mod syntax;
mod tenant_list;
mod tenants_file;
mod version;
mod warn;
mod who;

pub use base_url::{BaseUrl, BaseUrlError, Scheme};
pub use code::{Code, Severity};
pub use diff::words::count as format_count;
pub use diff::{Changes, Diff, diff};
pub use document::Source;
pub use load::{CredentialSource, Loaded, ProviderSettings, RollbackOverride, TenantKey, load_map};
pub use look_alikes::skeleton;
pub use problem::{Beside, Place, Problem, Problems};
pub use provider_connection::{Http2Settings, ProviderTls, Roots};
pub use provider_forward::{ForwardHeader, TraceParentTold};
pub use schema::{SchemaFile, schema};
pub use settings::{
    CatalogSettings, CheckAges, ClientCertificates, Limits, OtlpProtocol, Settings, TelemetrySettings,
    TlsSettings, TraceSettings, Watch, load_settings,
};
pub use share::{ShareError, format_share, parse_share};
pub use snippet::Snippet;
pub use starter::{ModelIds, Starter, StarterError, StarterOptions, starter};
pub use tenant_list::{ListedKey, ListedTenant, list_tenants};
pub use version::next_version;
pub use who::{Drawn, InCanary, NoSuchRoute, Reach, Split, Who, who};
