//! What a probe can ask, as one closed list.

use decisions::plan::Feature;

/// What one request of a probe is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// The provider's list of models, with the valid key.
    Models,
    /// One short turn.
    SingleTurn,
    /// A conversation of several turns.
    MultiTurn,
    /// A prompt near the normal token ceiling.
    NearCeiling,
    /// Every optional field that the alias declares, at once.
    EveryField,
    /// A request without its messages.
    InvalidRequest,
    /// The exact model ID of the map, and what the answer calls itself.
    ExactModel,
    /// A key that nobody has, on inference.
    InvalidKey,
    /// A limit of time that is too short.
    ShortTimeout,
    /// A stream that is left after its first bytes.
    Cancelled,
    /// One feature by itself.
    Feature(Feature),
    /// `temperature`
    Temperature,
    /// `max_tokens`, the older name of the limit of a chat completion.
    MaxTokens,
    /// Probe 1 of the contract: the list without a key.
    ModelsWithoutKey,
    /// Probe 1: the list with a key that nobody has.
    ModelsInvalidKey,
    /// Probe 2: a model that is not there, by its name.
    ModelsUnknown,
    /// Probe 3: inference with a model that is not there.
    UnknownModel,
    /// Probe 4: a stream that did not ask for usage.
    StreamWithoutUsage,
    /// Probe 8: a path that is not there.
    UnknownPath,
    /// Probe 9: fields that relays take out.
    StrippedFields,
    /// Probe 5: a response that is stored, to be followed.
    StateBegin,
    /// Probe 5: a follow-up by `previous_response_id`.
    StateFollow,
    /// Probe 5: the same with a constant `prompt_cache_key`.
    StateFollowKeyed,
    /// Probe 6: the stored response by its ID.
    StateRetrieve,
    /// Probe 7: a response that is not stored, with its reasoning sealed.
    SealedBegin,
    /// Probe 7: that reasoning sent back.
    SealedReplay,
}

impl Question {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Question::Models => "models_list",
            Question::SingleTurn => "single_turn",
            Question::MultiTurn => "multi_turn",
            Question::NearCeiling => "near_token_ceiling",
            Question::EveryField => "every_optional_field",
            Question::InvalidRequest => "invalid_request",
            Question::ExactModel => "exact_model",
            Question::InvalidKey => "invalid_credential",
            Question::ShortTimeout => "short_timeout",
            Question::Cancelled => "cancellation",
            Question::Feature(feature) => feature.as_str(),
            Question::Temperature => "temperature",
            Question::MaxTokens => "max_tokens",
            Question::ModelsWithoutKey => "models_without_credential",
            Question::ModelsInvalidKey => "models_invalid_credential",
            Question::ModelsUnknown => "models_unknown_id",
            Question::UnknownModel => "unknown_model",
            Question::StreamWithoutUsage => "stream_without_usage",
            Question::UnknownPath => "unknown_path",
            Question::StrippedFields => "stripped_fields",
            Question::StateBegin => "state_begin",
            Question::StateFollow => "state_follow",
            Question::StateFollowKeyed => "state_follow_with_cache_key",
            Question::StateRetrieve => "state_retrieve",
            Question::SealedBegin => "sealed_reasoning_begin",
            Question::SealedReplay => "sealed_reasoning_replay",
        }
    }

    /// Runbook 3, section 2: without a good answer to each of these nothing is validated.
    #[must_use]
    pub fn is_of_the_set(self) -> bool {
        matches!(
            self,
            Question::SingleTurn
                | Question::MultiTurn
                | Question::NearCeiling
                | Question::EveryField
                | Question::InvalidRequest
                | Question::ExactModel
        )
    }

    /// It is about the provider and no model of the map.
    #[must_use]
    pub fn is_about_no_model(self) -> bool {
        matches!(
            self,
            Question::Models
                | Question::ModelsWithoutKey
                | Question::ModelsInvalidKey
                | Question::ModelsUnknown
                | Question::UnknownPath
        )
    }

    /// It is asked of a provider once, whatever aliases it serves.
    #[must_use]
    pub fn is_once_for_a_provider(self) -> bool {
        self.is_about_no_model()
            || matches!(self, Question::InvalidKey | Question::ShortTimeout | Question::Cancelled)
    }

    /// It shows a key of nobody, or none.
    #[must_use]
    pub fn is_of_keys(self) -> bool {
        matches!(self, Question::InvalidKey | Question::ModelsInvalidKey | Question::ModelsWithoutKey)
    }

    /// A good answer to it would be wrong.
    #[must_use]
    pub fn is_to_be_refused(self) -> bool {
        matches!(
            self,
            Question::InvalidRequest
                | Question::InvalidKey
                | Question::ModelsWithoutKey
                | Question::ModelsInvalidKey
                | Question::ModelsUnknown
                | Question::UnknownModel
                | Question::UnknownPath
        )
    }
}
