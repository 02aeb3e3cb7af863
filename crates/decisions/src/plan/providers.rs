//! Providers as decisions see them: who pays, and which of their models may be used. How one is reached lives elsewhere.

use crate::price::Prices;

/// A place that serves models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name in the map.
    pub name: String,
    /// Where and how it is reached, as one text: only ever compared, to tell whether a name still means the same place.
    pub reached_by: String,
    /// Who pays for a request sent there.
    pub credential: CredentialKind,
    /// Which of its models may be asked for.
    pub models: ModelRules,
    /// The most requests at once to one target here; `None` leaves it to what the provider pushes back.
    pub max_concurrent: Option<u32>,
    /// Streams are asked to say how many tokens they took, also where their caller does not ask.
    pub asks_usage: bool,
    /// What tokens of its models cost.
    pub prices: Prices,
}

impl Provider {
    /// One that a credential of ours pays for, and the rest is as a map has it that does not say.
    #[must_use]
    pub fn paid_by_us(name: &str) -> Provider {
        Provider {
            name: name.to_owned(),
            reached_by: String::new(),
            credential: CredentialKind::Ours,
            models: ModelRules::default(),
            max_concurrent: None,
            asks_usage: false,
            prices: Prices::default(),
        }
    }
}

/// Whose credential a provider sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// The gateway's: a secret named in the map.
    Ours,
    /// The caller's own key goes on to this provider alone.
    Client,
}

/// The header that carries a provider's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialHeader {
    /// `Authorization: Bearer KEY`
    #[default]
    Authorization,
    /// `x-api-key: KEY`, as Anthropic has it.
    XApiKey,
}

impl CredentialHeader {
    /// All of them.
    pub const ALL: [CredentialHeader; 2] = [CredentialHeader::Authorization, CredentialHeader::XApiKey];

    /// The header's name, in lower case; its name in the map as well.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CredentialHeader::Authorization => "authorization",
            CredentialHeader::XApiKey => "x-api-key",
        }
    }
}

/// `approved_models` and `blocked_models` of a provider: exact bytes, each list in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelRules {
    /// Only these, where the map lists any.
    pub approved: Option<Vec<String>>,
    /// Never these.
    pub blocked: Vec<String>,
}

impl ModelRules {
    /// Whether the provider may be asked for a model.
    #[must_use]
    pub fn allow(&self, model_id: &str) -> bool {
        let listed = |list: &Vec<String>| list.binary_search_by(|id| id.as_str().cmp(model_id)).is_ok();
        self.approved.as_ref().is_none_or(listed) && !listed(&self.blocked)
    }
}
