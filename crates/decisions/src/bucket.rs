//! Who is in a canary: a fixed hash and integers only, so that anyone can compute the answer.
//!
//! A key is in ⇔ `(xxh3_64(salt ‖ 0x1F ‖ key) as u128 · 10⁶ >> 64) < parts per million`. Raising a share only ever
//! adds keys, because a key's position does not depend on the share. Golden vectors stand in `docs/bucketing.md`.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::facts::{Facts, StickyKeys};
use crate::plan::{Bucketing, StickyBy};

/// Parts per million in a whole.
pub const WHOLE: u32 = 1_000_000;

/// Separates salt and key, so that (`a`, `bc`) and (`ab`, `c`) differ. ASCII "unit separator".
const SEPARATOR: u8 = 0x1F;

/// Salt and key together fit here almost always; longer ones take the streaming hash. Both give the same output.
const ON_STACK: usize = 256;

/// A share of traffic in parts per million, at most [`WHOLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Share(u32);

impl Share {
    /// Nobody.
    pub const NONE: Share = Share(0);
    /// Everybody.
    pub const ALL: Share = Share(WHOLE);

    /// `None` above a whole.
    #[must_use]
    pub fn from_ppm(ppm: u32) -> Option<Share> {
        (ppm <= WHOLE).then_some(Share(ppm))
    }

    /// Parts per million.
    #[must_use]
    pub fn ppm(self) -> u32 {
        self.0
    }
}

/// The position of a key, 0 to 999,999.
#[must_use]
pub fn position(salt: &str, key: &[u8]) -> u32 {
    let length = salt.len() + 1 + key.len();
    let hash = if length <= ON_STACK {
        let mut joined = [0_u8; ON_STACK];
        let (head, rest) = joined.split_at_mut(salt.len());
        head.copy_from_slice(salt.as_bytes());
        if let Some((separator, rest)) = rest.split_first_mut() {
            *separator = SEPARATOR;
            if let Some(tail) = rest.get_mut(..key.len()) {
                tail.copy_from_slice(key);
            }
        }
        xxh3_64(joined.get(..length).unwrap_or_default())
    } else {
        let mut hasher = Xxh3::new();
        hasher.update(salt.as_bytes());
        hasher.update(&[SEPARATOR]);
        hasher.update(key);
        hasher.digest()
    };
    scale(hash)
}

/// Whether a key is within a share.
#[must_use]
pub fn contains(share: Share, salt: &str, key: &[u8]) -> bool {
    position(salt, key) < share.ppm()
}

/// Whether a draw of any number is within a share.
#[must_use]
pub fn is_drawn(share: Share, draw: u64) -> bool {
    scale(draw) < share.ppm()
}

/// Whether this request is in, and by which of its fields; `None` when it carries no field of the list.
#[must_use]
pub fn draw(bucketing: &Bucketing, tenant_name: &str, facts: &Facts<'_>) -> Option<(bool, StickyBy)> {
    draw_within(bucketing, bucketing.share, tenant_name, facts)
}

/// The same at another share than the one that is planned.
#[must_use]
pub fn draw_within(
    bucketing: &Bucketing,
    share: Share,
    tenant_name: &str,
    facts: &Facts<'_>,
) -> Option<(bool, StickyBy)> {
    let (by, position) = locate(bucketing, tenant_name, facts)?;
    Some((position < share.ppm(), by))
}

/// The position of this request, and the field that gives it; `None` when it carries no field of the list.
#[must_use]
pub fn locate(bucketing: &Bucketing, tenant_name: &str, facts: &Facts<'_>) -> Option<(StickyBy, u32)> {
    bucketing.sticky_by.iter().find_map(|by| {
        let request = facts.draw.to_le_bytes();
        let key = key_bytes(*by, tenant_name, &facts.keys, &request)?;
        Some((*by, position(&bucketing.salt, key)))
    })
}

fn key_bytes<'a>(
    by: StickyBy,
    tenant_name: &'a str,
    keys: &StickyKeys<'a>,
    request: &'a [u8; 8],
) -> Option<&'a [u8]> {
    match by {
        StickyBy::Tenant => Some(tenant_name.as_bytes()),
        StickyBy::Request => Some(request),
        StickyBy::SafetyIdentifier | StickyBy::User | StickyBy::PromptCacheKey => {
            keys.value(by).map(str::as_bytes)
        }
    }
}

/// Scales a 64-bit hash to 0..10⁶ without division or floats.
#[allow(clippy::cast_possible_truncation, reason = "the product shifted right by 64 is below 10⁶")]
fn scale(hash: u64) -> u32 {
    ((u128::from(hash) * u128::from(WHOLE)) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of `docs/bucketing.md`: whoever changes the function moves every user of every canary.
    #[test]
    fn golden_vectors_hold() {
        let vectors = include_str!("../../../docs/bucketing.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|row| {
                let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
                (cells[0].to_owned(), cells[1].to_owned(), cells[2].parse::<u32>().unwrap())
            })
            .collect::<Vec<_>>();
        assert!(vectors.len() >= 10, "the documentation lists {} vectors", vectors.len());
        for (salt, key, expected) in vectors {
            assert_eq!(position(&salt, key.as_bytes()), expected, "salt {salt:?}, key {key:?}");
        }
    }

    #[test]
    fn long_keys_take_the_streaming_hash_with_the_same_output() {
        for length in 240..300 {
            let key = vec![b'k'; length];
            let mut joined = b"salt\x1F".to_vec();
            joined.extend_from_slice(&key);
            assert_eq!(position("salt", &key), scale(xxh3_64(&joined)), "length {length}");
        }
    }

    #[test]
    fn a_share_above_a_whole_is_refused() {
        assert_eq!(Share::from_ppm(1_000_000), Some(Share::ALL));
        assert_eq!(Share::from_ppm(1_000_001), None);
    }

    #[test]
    fn the_whole_takes_every_hash_and_nothing_takes_none() {
        assert!(scale(u64::MAX) < WHOLE);
        assert!(contains(Share::ALL, "s", b"any"));
        assert!(!contains(Share::NONE, "s", b"any"));
    }
}
