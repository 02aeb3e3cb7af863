//! Changes a file as an operator would: every comment and every blank line stays, the version and the end line move
//! on together.
//!
//! What comes out is loaded again before it is returned, so an edit never leaves a file that the gateway refuses.

mod hash_list;
mod routes;
mod tenant_keys;
mod tenants;

pub use routes::{Edited, RouteEdit, RouteEditError, Vouch, edit_routes};
pub use tenant_keys::{EditedKeys, KeyEdit, KeyEditError, edit_keys};
pub use tenants::add_tenant;

/// A key's hash as it stands in the file: lowercase hexadecimal digits.
#[must_use]
pub fn hex(sha256: &[u8; 32]) -> String {
    sha256.iter().map(|byte| format!("{byte:02x}")).collect()
}
