//! The credentials of providers that are in use, to recognise them where they must not be: a provider may show what it
//! was sent, by mistake or by intent, and callers are to see none of it.
//!
//! Only header values and errors are searched. What is as long as a key is rare among them, so this costs next to
//! nothing; what a model writes is not searched.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use memchr::memmem::Finder;
use upstream::Credential;

use crate::auth::bearer;
use crate::leak::{Leak, leaks};
use crate::snapshot::Provider;

/// A shorter one would be found in what has nothing to do with it.
const SHORTEST: usize = 8;

/// All of a snapshot's.
pub(crate) struct Secrets(Vec<Finder<'static>>);

impl Secrets {
    pub(crate) fn of(providers: &[Provider]) -> Secrets {
        let secret = |credential: &Credential| match credential {
            Credential::Client => None,
            Credential::Ours(value) => Some(bearer(value).unwrap_or(value.as_bytes()).to_vec()),
        };
        let credentials = providers
            .iter()
            .flat_map(|provider| [Some(&provider.credential), provider.check_credential.as_ref()])
            .flatten();
        let secrets = credentials.filter_map(secret).filter(|secret| secret.len() >= SHORTEST);
        Secrets(secrets.map(|secret| Finder::new(&secret).into_owned()).collect())
    }

    /// Takes out each header that shows one, and says so without its value.
    pub(crate) fn take_out_of(&self, headers: &mut HeaderMap) {
        let shows = |value: &[u8]| {
            let fits = |secret: &&Finder<'_>| value.len() >= secret.needle().len();
            self.0.iter().filter(fits).any(|secret| secret.find(value).is_some())
        };
        if leaks(Leak::Headers) || !headers.values().any(|value| shows(value.as_bytes())) {
            return;
        }
        let shown = headers.iter().filter(|(_, value)| shows(value.as_bytes()));
        let shown: Vec<HeaderName> = shown.map(|(name, _)| name.clone()).collect();
        for name in shown {
            tracing::warn!(header = %name, "a provider's answer showed a credential of this gateway; the header was taken out");
            headers.remove(&name);
        }
    }

    /// An error in which they are covered by as many asterisks, so that its length stays what was announced.
    pub(crate) fn cover(&self, bytes: Bytes) -> Bytes {
        if leaks(Leak::Errors) || !self.0.iter().any(|secret| secret.find(&bytes).is_some()) {
            return bytes;
        }
        tracing::warn!("a provider's error showed a credential of this gateway; it was covered");
        let mut covered = BytesMut::from(&bytes[..]);
        for secret in &self.0 {
            let length = secret.needle().len();
            for at in secret.find_iter(&bytes) {
                if let Some(range) = covered.get_mut(at..at + length) {
                    range.fill(b'*');
                }
            }
        }
        covered.freeze()
    }

    /// A text of an error in which they are covered; also the beginning of one at its end, as long texts are cut.
    pub(crate) fn cover_text(&self, text: &str) -> String {
        if leaks(Leak::Events) {
            return text.to_owned();
        }
        let mut covered = Vec::from(self.cover(Bytes::copy_from_slice(text.as_bytes())));
        let ends_with = |secret: &Finder<'_>| {
            let lengths = SHORTEST..secret.needle().len();
            lengths.rev().find(|length| covered.ends_with(secret.needle().get(..*length).unwrap_or_default()))
        };
        if let Some(length) = self.0.iter().filter_map(ends_with).max() {
            let end = covered.len();
            covered.get_mut(end - length..).unwrap_or_default().fill(b'*');
        }
        String::from_utf8_lossy(&covered).into_owned()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn secrets() -> Secrets {
        Secrets(vec![Finder::new(b"sk-one-secret").into_owned(), Finder::new(b"sk-two-secret").into_owned()])
    }

    #[test]
    fn a_header_that_shows_a_credential_is_taken_out_and_no_other() {
        let mut headers = HeaderMap::new();
        headers.append("x-goog-api-key", HeaderValue::from_static("sk-one-secret"));
        headers.append("x-note", HeaderValue::from_static("fine"));
        headers.append("x-note", HeaderValue::from_static("you sent Bearer sk-two-secret!"));
        headers.append("x-other", HeaderValue::from_static("sk-one-secre"));
        secrets().take_out_of(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other"]);
    }

    #[test]
    fn an_error_keeps_its_length_and_loses_the_credential() {
        let body = Bytes::from_static(b"{\"a\":\"sk-one-secret, sk-two-secret, sk-one-secret\"}");
        let covered = secrets().cover(body.clone());
        assert_eq!(covered.len(), body.len());
        assert_eq!(covered, "{\"a\":\"*************, *************, *************\"}");
        assert_eq!(secrets().cover(Bytes::from_static(b"nothing")), "nothing");
    }

    #[test]
    fn a_text_that_was_cut_shows_no_beginning_of_a_credential() {
        let covered = |text: &str| secrets().cover_text(text);
        assert_eq!(covered("you sent sk-one-secret, sk-two-sec"), "you sent *************, **********");
        assert_eq!(covered("you sent sk-one-s"), "you sent ********");
        // As short as this it may be anything.
        assert_eq!(covered("you sent sk-one-"), "you sent sk-one-");
        assert_eq!(covered("sk-one-s it is"), "sk-one-s it is");
        assert_eq!(covered(""), "");
    }

    #[test]
    fn none_is_in_the_debug_output() {
        assert_eq!(format!("{:?}", secrets()), "Secrets(2)");
    }
}
