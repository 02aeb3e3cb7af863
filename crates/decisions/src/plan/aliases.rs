//! Aliases: the explicit records from what applications send to what each provider is asked for.

use crate::ids::{FamilyId, ProviderId};
use crate::plan::EnabledFeatures;

/// A model name that applications send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The exact bytes of the name.
    pub name: String,
    /// The models that a route may name together.
    pub family: Option<FamilyId>,
    /// The provider's own model ID, exact bytes, by provider; `None` where the alias is not offered there.
    pub model_ids: Vec<Option<String>>,
    /// What has been checked to work away from a route's primary.
    pub enabled_features: EnabledFeatures,
    /// Fields without which an answer is malformed.
    pub required_fields: Vec<String>,
    /// Where it goes when its route is rolled back.
    pub rollback_target: Option<ProviderId>,
}

impl Alias {
    /// One with these model IDs, and the rest is as a map has it that does not say.
    #[must_use]
    pub fn of(name: String, model_ids: Vec<Option<String>>) -> Alias {
        Alias {
            name,
            family: None,
            model_ids,
            enabled_features: EnabledFeatures::default(),
            required_fields: Vec::new(),
            rollback_target: None,
        }
    }
}
