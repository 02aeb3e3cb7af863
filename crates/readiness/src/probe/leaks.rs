//! Whether something is said that must not be: prompts, completions and keys, looked for in all that a run says.

use upstream::Credential;

use crate::Provider;
use crate::probe::seen::Seen;

/// A shorter answer may be a word of ours by chance.
const SHORTEST: usize = 16;

/// What is looked for.
#[derive(Default)]
pub struct Needles(Vec<Vec<u8>>);

impl Needles {
    /// The word that stands in every prompt, and the keys of these providers.
    #[must_use]
    pub fn new<'p>(marker: &str, providers: impl IntoIterator<Item = &'p Provider>) -> Needles {
        let keys = providers.into_iter().filter_map(|provider| match &provider.credential {
            Credential::Ours(value) => {
                let value = value.as_bytes();
                Some(value.strip_prefix(b"Bearer ").unwrap_or(value).to_vec())
            }
            Credential::Client => None,
        });
        Needles(std::iter::once(marker.as_bytes().to_vec()).chain(keys).collect())
    }

    /// And what a provider wrote.
    pub fn add(&mut self, seen: &Seen) {
        let text = seen.text.trim();
        if text.len() >= SHORTEST {
            self.0.push(text.as_bytes().to_vec());
        }
    }

    /// Whether any of it stands in a text.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        let is_in =
            |needle: &Vec<u8>| text.as_bytes().windows(needle.len().max(1)).any(|part| part == needle);
        self.0.iter().any(is_in)
    }
}

impl std::fmt::Debug for Needles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Needles({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planted_is_found() {
        let needles = Needles::new("marker-77", []);
        assert!(needles.are_in("…marker-77…") && !needles.are_in("marker-7") && !needles.are_in(""));
        assert_eq!(format!("{needles:?}"), "Needles(1)");
    }
}
