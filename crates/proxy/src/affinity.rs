//! What the request path asks of whoever remembers where things live and whose they are.
//!
//! It is asked for each ID that a request refers to, and told of each that an answer makes. How that is kept is not the
//! business of this crate.

use std::sync::Arc;
use std::time::Duration;

/// Remembers where things live. Called on the request path: neither call may block.
pub trait Affinity: Send + Sync + 'static {
    /// What is known of an ID that a tenant refers to.
    fn find(&self, tenant: &str, id: &str) -> Known;

    /// Something was made at a provider for a tenant. It is found from now on; what is returned says when it would be
    /// found after a crash too.
    fn learn(&self, tenant: &str, provider: &str, made: &[Made]) -> Kept;

    /// Whether what is learned survives the process.
    fn is_durable(&self) -> bool;
}

/// Ready once what was learned would survive a crash, or cannot.
pub type Kept = tokio::sync::oneshot::Receiver<bool>;

/// What is known of an ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Unknown,
    /// It is another tenant's.
    Anothers,
    /// It is this tenant's.
    Own {
        /// The name of the provider at which it lives.
        provider: Arc<str>,
        /// The provider does not keep it any more.
        is_expired: bool,
    },
}

/// Something that an answer made, or the beginning of something sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it is called.
    pub id: Box<str>,
    /// How long its provider keeps it; `None` has no limit.
    pub lifetime: Option<Duration>,
}

/// How long a stored response and a stored completion are kept, with what stands in them.
pub(crate) const RESPONSE_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// How much of something sealed stands for it: its beginning is random.
pub(crate) const SEALED: usize = 512;

/// The beginning of a text, at most so many bytes of it.
pub(crate) fn beginning(text: &str) -> &str {
    let end = (0..=SEALED.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}
