//! Providers as decisions see them: who pays, and which of their models may be used. How one is reached lives elsewhere.

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
}

/// Whose credential a provider sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// The gateway's: a secret named in the map.
    Ours,
    /// The caller's own key goes on to this provider alone.
    Client,
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
