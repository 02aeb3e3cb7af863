//! A mark by which one key is told from another in records, and which says nothing of either: a hash with a random secret
//! of the state directory that never leaves it, cut to eight bytes.

use std::io;
use std::path::Path;

use http::HeaderValue;
use readiness::Provider;
use sha2::{Digest as _, Sha256};
use upstream::Credential;

use crate::files;
use crate::state::durable::write_private;

/// Its file, in the directory of the lists.
const SECRET: &str = "marks.key";

const SECRET_BYTES: usize = 32;
const MARK_BYTES: usize = 8;

/// The mark of what a provider is shown; `None` where there is no key, or where no secret can be kept.
pub(super) fn mark(directory: &Path, provider: &Provider) -> Option<String> {
    let Credential::Ours(value) = &provider.credential else { return None };
    secret(directory).ok().map(|secret| mark_of(&secret, value))
}

fn mark_of(secret: &str, value: &HeaderValue) -> String {
    let hash = Sha256::new().chain_update(secret).chain_update([0]).chain_update(value.as_bytes()).finalize();
    hex(hash.iter().take(MARK_BYTES))
}

fn secret(directory: &Path) -> io::Result<String> {
    let path = directory.join(SECRET);
    match files::read(&path) {
        Ok(secret) if secret.len() == 2 * SECRET_BYTES => return Ok(secret),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let secret = hex(random.iter());
    write_private(&path, secret.as_bytes())?;
    Ok(secret)
}

fn hex<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_the_same_for_one_key_in_one_directory_only() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let value = |key: &str| HeaderValue::try_from(format!("Bearer {key}")).unwrap();
        let of =
            |directory: &tempfile::TempDir, key| mark_of(&secret(directory.path()).unwrap(), &value(key));
        assert_eq!(of(&here, "sk-one"), of(&here, "sk-one"));
        assert_ne!(of(&here, "sk-one"), of(&here, "sk-two"));
        assert_ne!(of(&here, "sk-one"), of(&there, "sk-one"));
        assert_eq!(of(&here, "sk-one").len(), 2 * MARK_BYTES);
    }
}
