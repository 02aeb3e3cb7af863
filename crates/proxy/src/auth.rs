//! Who is calling: the tenant is known from the key, or from the certificate that a connection has proven to hold, and
//! from nothing else that a caller can choose.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::SystemTime;

use decisions::{Caller, TenantId};
use http::{HeaderMap, HeaderName, HeaderValue, header, request};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::caller_tls::CallerCertificate;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::live::Live;
use crate::snapshot::Snapshot;

/// Every gateway key begins with this, so that one is recognised before it is sent anywhere by mistake.
pub const KEY_PREFIX: &str = "cgk-";

/// Where Anthropic's clients show their key.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// SHA-256 of a key.
pub(crate) type KeyHash = [u8; 32];

/// The listed keys and certificates of all tenants.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: Hashes,
    certificates: Hashes,
}

/// Whose a listed key or certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The tenant.
    pub tenant: TenantId,
    /// From when on it is refused.
    pub expires_at: Option<SystemTime>,
}

impl Holder {
    /// Looked at with every request, so a key ends at its time, whatever was loaded when.
    fn has_expired(self) -> bool {
        self.expires_at.is_some_and(|end| end <= SystemTime::now())
    }
}

impl KeyRing {
    /// Of the hashes that the tenants file lists.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = (KeyHash, Holder)>) -> KeyRing {
        KeyRing { keys: Hashes::new(keys), certificates: Hashes::default() }
    }

    /// With the hash of the key of the gateway's own checks.
    #[must_use]
    pub fn with_checks(mut self, hash: KeyHash) -> KeyRing {
        let holder = Holder { tenant: TenantId::CHECKS, expires_at: None };
        self.keys.by_prefix.entry(prefix(&hash)).or_default().push((hash, holder));
        self
    }

    /// With the hashes of certificates that callers may show; a certificate has an end of its own.
    #[must_use]
    pub fn with_certificates(self, certificates: impl IntoIterator<Item = (KeyHash, TenantId)>) -> KeyRing {
        let holder = |(hash, tenant)| (hash, Holder { tenant, expires_at: None });
        KeyRing { certificates: Hashes::new(certificates.into_iter().map(holder)), ..self }
    }
}

/// Whose a hash is.
#[derive(Debug, Default)]
struct Hashes {
    /// By the first bytes of the hash; the whole is compared in constant time.
    by_prefix: HashMap<[u8; 8], Vec<(KeyHash, Holder)>>,
}

impl Hashes {
    fn new(hashes: impl IntoIterator<Item = (KeyHash, Holder)>) -> Hashes {
        let mut by_prefix: HashMap<_, Vec<_>> = HashMap::new();
        for (hash, holder) in hashes {
            by_prefix.entry(prefix(&hash)).or_default().push((hash, holder));
        }
        Hashes { by_prefix }
    }

    fn holder(&self, hash: &KeyHash) -> Option<Holder> {
        let candidates = self.by_prefix.get(&prefix(hash))?;
        candidates.iter().fold(
            None,
            |found, (listed, holder)| if listed.ct_eq(hash).into() { Some(*holder) } else { found },
        )
    }
}

fn prefix(hash: &KeyHash) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    [a, b, c, d, e, f, g, h]
}

/// A caller whose tenant is known.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) tenant: TenantId,
    pub(crate) caller: Caller,
    /// The caller's own key as an `Authorization`, for a provider that takes it. Sensitive. Missing where a certificate
    /// speaks for the caller.
    pub(crate) authorization: Option<HeaderValue>,
    /// Of an unlisted key, to remember that a provider has accepted it.
    pub(crate) unlisted_key: Option<KeyHash>,
    /// The key is one that this gateway made; no provider knows it.
    pub(crate) is_gateway_key: bool,
    pub(crate) from: CallerAddress,
}

impl Identity {
    /// Somebody of this tenant, of whom nothing more is known.
    pub(crate) fn of(tenant: TenantId) -> Identity {
        Identity {
            tenant,
            caller: Caller::Known,
            authorization: None,
            unlisted_key: None,
            is_gateway_key: false,
            from: CallerAddress::default(),
        }
    }
}

/// Where a caller is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallerAddress {
    /// The other end of the connection.
    pub(crate) address: Option<IpAddr>,
    /// That is a proxy of the operator's, and what it says of callers is true.
    pub(crate) is_trusted: bool,
}

/// Finds the tenant by the key, by the certificate, or by both where they agree. A certificate that nobody has listed
/// says nothing: it may be there for the sake of the connection alone.
pub(crate) fn identify(
    head: &request::Parts,
    dialect: Dialect,
    snapshot: &Snapshot,
    live: &Live,
) -> Result<Identity, Error> {
    let certificate = head.extensions.get::<CallerCertificate>();
    let certified = certificate
        .and_then(|shown| snapshot.keys().certificates.holder(&shown.0))
        .map(|holder| holder.tenant);
    match (certified, shown_key(&head.headers, dialect)?) {
        (None, None) => Err(Error::MissingKey),
        (Some(tenant), None) => Ok(Identity::of(tenant)),
        (certified, Some(authorization)) => {
            let identity = identify_by_key(authorization, snapshot, live)?;
            match certified {
                Some(tenant) if tenant != identity.tenant => Err(Error::KeyAndCertificateDiffer),
                _ => Ok(identity),
            }
        }
    }
}

/// The key of a request, as an `Authorization`. Whoever speaks Anthropic's dialect may show it as `x-api-key` instead.
fn shown_key(headers: &HeaderMap, dialect: Dialect) -> Result<Option<HeaderValue>, Error> {
    let shown = only(headers, &header::AUTHORIZATION)?;
    let own = match dialect {
        Dialect::OpenAi => None,
        Dialect::Anthropic => only(headers, &X_API_KEY)?,
    };
    match (shown, own) {
        (None, None) => Ok(None),
        (Some(shown), None) => Ok(Some(shown.clone())),
        (None, Some(own)) => as_bearer(own).ok_or(Error::MissingKey).map(Some),
        // Some clients show one key in both.
        (Some(shown), Some(own)) if bearer(shown) == Some(own.as_bytes()) => Ok(Some(shown.clone())),
        (Some(_), Some(_)) => Err(Error::TwoKeys),
    }
}

/// Finds the tenant of a key.
fn identify_by_key(
    mut authorization: HeaderValue,
    snapshot: &Snapshot,
    live: &Live,
) -> Result<Identity, Error> {
    authorization.set_sensitive(true);
    let key = bearer(&authorization).ok_or(Error::MissingKey)?;
    let hash: KeyHash = Sha256::digest(key).into();
    let is_gateway_key = key.starts_with(KEY_PREFIX.as_bytes());
    let authorization = Some(authorization);
    if let Some(holder) = snapshot.keys().keys.holder(&hash) {
        if holder.has_expired() {
            return Err(Error::ExpiredKey);
        }
        // However it begins, the key of checks is for the gateway alone.
        let is_gateway_key = is_gateway_key || holder.tenant == TenantId::CHECKS;
        return Ok(Identity { authorization, is_gateway_key, ..Identity::of(holder.tenant) });
    }
    // A gateway key that is not listed was revoked or mistyped: it is nobody's own key at a provider.
    let default_tenant = snapshot.plan().parts().default_tenant.filter(|_| !is_gateway_key);
    let tenant = default_tenant.ok_or(Error::UnknownKey)?;
    let accepted_by = live.accepted_by(&hash, snapshot, Instant::now());
    let caller = Caller::Unlisted { accepted_by };
    let unlisted_key = Some(hash);
    Ok(Identity { caller, authorization, unlisted_key, is_gateway_key, ..Identity::of(tenant) })
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
        let holder = Holder { tenant: TenantId(3), expires_at: None };
        let ring = Hashes::new([(hash, holder)]);
        assert_eq!(ring.holder(&hash), Some(holder));
        assert_eq!(ring.holder(&twin), None);
    }
}
