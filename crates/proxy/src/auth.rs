//! Who is calling: the tenant is known from the key and from nothing else that a caller can choose.

use std::collections::HashMap;

use decisions::{Caller, TenantId};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::error::Error;
use crate::live::Live;
use crate::snapshot::Snapshot;

/// Every gateway key begins with this, so that one is recognised before it is sent anywhere by mistake.
pub const KEY_PREFIX: &str = "cgk-";

/// Where Anthropic's clients show their key.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// SHA-256 of a key.
pub(crate) type KeyHash = [u8; 32];

/// The listed keys of all tenants.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// By the first bytes of the hash; the whole is compared in constant time.
    by_prefix: HashMap<[u8; 8], Vec<(KeyHash, TenantId)>>,
}

impl KeyRing {
    /// Of the hashes that the tenants file lists.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = (KeyHash, TenantId)>) -> KeyRing {
        let mut ring = KeyRing::default();
        for (hash, tenant) in keys {
            ring.by_prefix.entry(prefix(&hash)).or_default().push((hash, tenant));
        }
        ring
    }

    fn tenant(&self, hash: &KeyHash) -> Option<TenantId> {
        let candidates = self.by_prefix.get(&prefix(hash))?;
        candidates.iter().fold(
            None,
            |found, (listed, tenant)| if listed.ct_eq(hash).into() { Some(*tenant) } else { found },
        )
    }
}

fn prefix(hash: &KeyHash) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    [a, b, c, d, e, f, g, h]
}

/// A caller whose tenant is known.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) tenant: TenantId,
    pub(crate) caller: Caller,
    /// The caller's own key as an `Authorization`, for a provider that takes it. Sensitive.
    pub(crate) authorization: HeaderValue,
    /// Of an unlisted key, to remember that a provider has accepted it.
    pub(crate) unlisted_key: Option<KeyHash>,
    /// The key is one that this gateway made; no provider knows it.
    pub(crate) is_gateway_key: bool,
}

/// Reads the key and finds its tenant. Whoever speaks Anthropic's dialect may show it as `x-api-key` instead.
pub(crate) fn identify(
    headers: &HeaderMap,
    dialect: Dialect,
    snapshot: &Snapshot,
    live: &Live,
) -> Result<Identity, Error> {
    let shown = only(headers, &header::AUTHORIZATION)?;
    let own = match dialect {
        Dialect::OpenAi => None,
        Dialect::Anthropic => only(headers, &X_API_KEY)?,
    };
    let mut authorization = match (shown, own) {
        (Some(shown), None) => shown.clone(),
        (None, Some(own)) => as_bearer(own).ok_or(Error::MissingKey)?,
        // Some clients show one key in both.
        (Some(shown), Some(own)) if bearer(shown) == Some(own.as_bytes()) => shown.clone(),
        (Some(_), Some(_)) => return Err(Error::TwoKeys),
        (None, None) => return Err(Error::MissingKey),
    };
    authorization.set_sensitive(true);
    let key = bearer(&authorization).ok_or(Error::MissingKey)?;
    let hash: KeyHash = Sha256::digest(key).into();
    let is_gateway_key = key.starts_with(KEY_PREFIX.as_bytes());
    if let Some(tenant) = snapshot.keys().tenant(&hash) {
        let caller = Caller::Known;
        return Ok(Identity { tenant, caller, authorization, unlisted_key: None, is_gateway_key });
    }
    // A gateway key that is not listed was revoked or mistyped: it is nobody's own key at a provider.
    let default_tenant = snapshot.plan().parts().default_tenant.filter(|_| !is_gateway_key);
    let tenant = default_tenant.ok_or(Error::UnknownKey)?;
    let accepted_by = live.accepted_by(&hash, snapshot, Instant::now());
    let caller = Caller::Unlisted { accepted_by };
    Ok(Identity { tenant, caller, authorization, unlisted_key: Some(hash), is_gateway_key })
}

/// The one value of a header that carries a key.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Error> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(Error::TwoKeys) } else { Ok(value) }
}

fn as_bearer(key: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&[b"Bearer ", key.as_bytes()].concat()).ok()
}

/// The token of a bearer credential (RFC 6750 section 2.1; the scheme's name is case-insensitive).
pub(crate) fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_case_insensitive_and_the_token_is_not_empty() {
        let token = |text: &str| bearer(&HeaderValue::from_str(text).unwrap()).map(<[u8]>::to_vec);
        assert_eq!(token("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(token("bEARER  abc "), Some(b"abc".to_vec()));
        assert_eq!(token("Bearer "), None);
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token("abc"), None);
    }

    #[test]
    fn only_the_exact_hash_finds_a_tenant() {
        let hash: KeyHash = Sha256::digest(b"key").into();
        let mut twin = hash;
        twin[31] ^= 1;
        let ring = KeyRing::new([(hash, TenantId(3))]);
        assert_eq!(ring.tenant(&hash), Some(TenantId(3)));
        assert_eq!(ring.tenant(&twin), None);
    }
}
