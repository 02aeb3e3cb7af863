//! Makes a gateway key: shown once, kept as its hash only.

use sha2::{Digest, Sha256};

/// A new key. It has no `Debug`, so that it lands in no log by accident.
pub(crate) struct GatewayKey {
    text: String,
}

impl GatewayKey {
    /// Of 192 random bits from the system.
    pub(crate) fn generate() -> Result<GatewayKey, getrandom::Error> {
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random)?;
        let mut text = proxy::KEY_PREFIX.to_owned();
        for byte in random {
            text.push_str(&format!("{byte:02x}"));
        }
        Ok(GatewayKey { text })
    }

    /// For the one time it is shown.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What is written down.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }
}
