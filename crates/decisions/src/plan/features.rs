//! What a request may use of the API, and what of it an alias is known to bear away from its primary.
//!
//! The primary is where an application worked before there was a gateway, so it is never asked whether it can. Anything
//! else serves only what somebody has checked there, once somebody has said what that is.

use crate::ids::ProviderId;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FeatureSet(u16);

impl FeatureSet {
    /// None of them.
    pub const EMPTY: FeatureSet = FeatureSet(0);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, feature: Feature) -> FeatureSet {
        FeatureSet(self.0 | 1 << feature as u32)
    }

    /// Whether a feature is a member.
    #[must_use]
    pub fn contains(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u32 != 0
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: FeatureSet) -> FeatureSet {
        FeatureSet(self.0 | other.0)
    }

    /// What is not in the other.
    #[must_use]
    pub fn without(self, other: FeatureSet) -> FeatureSet {
        FeatureSet(self.0 & !other.0)
    }

    /// Whether it has no member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
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

/// What has been checked of an alias, by provider; nothing of it holds for a route's own primary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnabledFeatures(Vec<Option<FeatureSet>>);

impl EnabledFeatures {
    /// Of each provider in the plan's order; `None` where nothing is said, and everything may be sent.
    #[must_use]
    pub fn by_provider(sets: Vec<Option<FeatureSet>>) -> EnabledFeatures {
        if sets.iter().all(Option::is_none) { EnabledFeatures::default() } else { EnabledFeatures(sets) }
    }

    /// What is said of a provider.
    #[must_use]
    pub fn at(&self, provider: ProviderId) -> Option<FeatureSet> {
        self.0.get(provider.index()).copied().flatten()
    }

    /// Whether anything is said at all.
    #[must_use]
    pub fn is_said(&self) -> bool {
        !self.0.is_empty()
    }

    /// What of it a provider is not known to bear.
    #[must_use]
    pub fn lacking(&self, provider: ProviderId, used: FeatureSet) -> FeatureSet {
        self.at(provider).map_or(FeatureSet::EMPTY, |checked| used.without(checked))
    }
}
