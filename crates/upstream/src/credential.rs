//! What proves to a provider who pays. Attached last, by whoever sends, to this provider's request only.

use std::fmt;

use decisions::plan::CredentialHeader;
use http::{HeaderValue, header::InvalidHeaderValue};

/// It says what it is to whoever finds it in a log.
const INVALID_KEY: &str = "sk-cometgate-check-with-an-invalid-key";

/// The credential of one provider.
#[derive(Clone)]
pub enum Credential {
    /// The caller's own `Authorization` goes on.
    Client,
    /// The gateway's, as a finished header value marked sensitive.
    Ours(HeaderValue),
}

impl Credential {
    /// Makes the credential of a secret, as this header carries it.
    ///
    /// # Errors
    /// When the secret has bytes that a header cannot carry.
    pub fn of(secret: &str, carried_in: CredentialHeader) -> Result<Credential, InvalidHeaderValue> {
        match carried_in {
            CredentialHeader::Authorization => Credential::bearer(secret),
            CredentialHeader::XApiKey => {
                let mut value = HeaderValue::try_from(secret)?;
                value.set_sensitive(true);
                Ok(Credential::Ours(value))
            }
        }
    }

    /// One that is no key of anybody, for checks of what becomes of such a one.
    #[must_use]
    pub fn invalid(carried_in: CredentialHeader) -> Credential {
        Credential::of(INVALID_KEY, carried_in)
            .unwrap_or_else(|_| Credential::Ours(HeaderValue::from_static(INVALID_KEY)))
    }

    /// Makes a bearer credential of a secret.
    ///
    /// # Errors
    /// When the secret has bytes that a header cannot carry.
    pub fn bearer(secret: &str) -> Result<Credential, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {secret}"))?;
        value.set_sensitive(true);
        Ok(Credential::Ours(value))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credential::Client => "Client",
            Credential::Ours(_) => "Ours(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_in_the_debug_output() {
        let credential = Credential::bearer("sk-very-secret").unwrap();
        assert!(!format!("{credential:?}").contains("secret"));
        let Credential::Ours(value) = credential else { panic!("a bearer is ours") };
        assert!(!format!("{value:?}").contains("secret"));
    }
}
