//! Aliases: the explicit records from what applications send to what each provider is asked for.

use crate::ids::{FamilyId, ProviderId};

/// A model name that applications send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The exact bytes of the name.
    pub name: String,
    /// The models that a route may name together.
    pub family: Option<FamilyId>,
    /// The provider's own model ID, exact bytes, by provider; `None` where the alias is not offered there.
    pub model_ids: Vec<Option<String>>,
    /// What its users rely on; `None` where the map does not say.
    pub enabled_features: Option<FeatureSet>,
    /// Fields without which an answer is malformed.
    pub required_fields: Vec<String>,
    /// Where it goes when its route is rolled back.
    pub rollback_target: Option<ProviderId>,
}

/// Something about the API that a model or a provider may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// `stream: true`
    Streaming,
    /// `tools`, `functions`
    Tools,
    /// `response_format`, `text.format`
    ResponseFormat,
    /// Images in a message.
    Vision,
    /// Audio in or out.
    Audio,
    /// Files in a message.
    Files,
    /// `logprobs`
    Logprobs,
    /// `reasoning_effort`, `reasoning`
    Reasoning,
    /// The provider's own web search.
    WebSearch,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 9] = [
        Feature::Streaming,
        Feature::Tools,
        Feature::ResponseFormat,
        Feature::Vision,
        Feature::Audio,
        Feature::Files,
        Feature::Logprobs,
        Feature::Reasoning,
        Feature::WebSearch,
    ];

    /// The name used in the map.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Feature::Streaming => "streaming",
            Feature::Tools => "tools",
            Feature::ResponseFormat => "response_format",
            Feature::Vision => "vision",
            Feature::Audio => "audio",
            Feature::Files => "files",
            Feature::Logprobs => "logprobs",
            Feature::Reasoning => "reasoning",
            Feature::WebSearch => "web_search",
        }
    }
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureSet(u16);

impl FeatureSet {
    /// The set with one more.
    #[must_use]
    pub fn with(self, feature: Feature) -> FeatureSet {
        FeatureSet(self.0 | 1 << feature as u32)
    }

    /// Whether a feature is a member.
    #[must_use]
    pub fn contains(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u32 != 0
    }

    /// All that is in either.
    #[must_use]
    pub fn union(self, other: FeatureSet) -> FeatureSet {
        FeatureSet(self.0 | other.0)
    }

    /// One bit for each, by its place in [`Feature::ALL`]: what a rollout counts by.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |feature| self.contains(*feature))
    }
}
