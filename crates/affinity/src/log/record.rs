//! One record: its length, what it says, a checksum over both.
//!
//! Bytes that a crash left as zeros are no record, since none is that short.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::hash::IdHash;
use crate::memory::Record;

/// Hash, expiry and the lengths of two names.
const FIXED: usize = 16 + 4 + 1 + 1;

/// Appends a record. One with a name that no map can hold is left out.
pub(crate) fn encode(record: &Record, bytes: &mut Vec<u8>) {
    let (Ok(tenant), Ok(provider)) = (u8::try_from(record.tenant.len()), u8::try_from(record.provider.len()))
    else {
        return;
    };
    let Ok(length) = u16::try_from(FIXED + usize::from(tenant) + usize::from(provider)) else { return };
    let start = bytes.len();
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&record.hash.0);
    bytes.extend_from_slice(&record.expires.to_le_bytes());
    bytes.push(tenant);
    bytes.extend_from_slice(record.tenant.as_bytes());
    bytes.push(provider);
    bytes.extend_from_slice(record.provider.as_bytes());
    let sum = checksum(bytes.get(start..).unwrap_or_default());
    bytes.extend_from_slice(&sum);
}

/// The first record, and what follows it; `None` where there is none that is whole.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let length = usize::from(u16::from_le_bytes(*bytes.first_chunk()?));
    let (whole, rest) = bytes.split_at_checked(2 + length)?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    if length < FIXED || checksum(whole) != *sum {
        return None;
    }
    let (hash, body) = whole.get(2..)?.split_first_chunk::<16>()?;
    let (expires, body) = body.split_first_chunk::<4>()?;
    let (tenant, body) = name(body)?;
    let (provider, body) = name(body)?;
    let record = Record { hash: IdHash(*hash), tenant, provider, expires: u32::from_le_bytes(*expires) };
    body.is_empty().then_some((record, rest))
}

fn name(bytes: &[u8]) -> Option<(Arc<str>, &[u8])> {
    let (length, bytes) = bytes.split_first()?;
    let (name, rest) = bytes.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(name).ok()?.into(), rest))
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            hash: [u8; 16], expires: u32, tenant in "\\PC{0,40}", provider in "[a-z-]{0,64}", rest: Vec<u8>,
        ) {
            let record =
                Record { hash: IdHash(hash), tenant: tenant.into(), provider: provider.into(), expires };
            let mut bytes = Vec::new();
            encode(&record, &mut bytes);
            let end = bytes.len();
            bytes.extend_from_slice(&rest);
            prop_assert_eq!(decode(&bytes), Some((record, &bytes[end..])));
            prop_assert_eq!(decode(&bytes[..end - 1]), None);
        }

        #[test]
        fn a_changed_byte_is_seen(hash: [u8; 16], at in 0_usize..40, change in 1_u8..) {
            let record =
                Record { hash: IdHash(hash), tenant: "acme".into(), provider: "cometapi".into(), expires: 7 };
            let mut bytes = Vec::new();
            encode(&record, &mut bytes);
            prop_assert_eq!(bytes.len(), 40);
            bytes[at] ^= change;
            prop_assert_eq!(decode(&bytes), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            drop(decode(&bytes));
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(decode(&[0; 64]), None);
    }
}
