//! What stands for an ID. It cannot be turned back, and 128 bits are far more than chance needs.

use sha2::{Digest as _, Sha256};

/// The first 16 bytes of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IdHash(pub(crate) [u8; 16]);

impl IdHash {
    /// Of an ID.
    pub(crate) fn of(id: &str) -> IdHash {
        IdHash::digest(&[b"id\0", id.as_bytes()])
    }

    /// Of an ID that another tenant has too: short ones of different providers can be the same.
    pub(crate) fn of_second(id: &str, tenant: &str) -> IdHash {
        IdHash::digest(&[b"id and tenant\0", tenant.as_bytes(), b"\0", id.as_bytes()])
    }

    fn digest(parts: &[&[u8]]) -> IdHash {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        let whole: [u8; 32] = hasher.finalize().into();
        let mut hash = [0; 16];
        hash.copy_from_slice(whole.first_chunk::<16>().unwrap_or(&[0; 16]));
        IdHash(hash)
    }
}
