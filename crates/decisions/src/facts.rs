//! What a decision may look at about one request, and nowhere more.

use crate::ids::{ProviderId, TenantId};
use crate::plan::{FeatureSet, StickyBy};

/// The facts of one request, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'r> {
    /// Who is calling, known from the key.
    pub tenant: TenantId,
    /// How sure the gateway is of the caller's key.
    pub caller: Caller,
    /// Which of the routed endpoints was called.
    pub endpoint: Endpoint,
    /// The `model` that was sent, with JSON escapes decoded.
    pub model: &'r str,
    /// What the request offers to be sticky by.
    pub keys: StickyKeys<'r>,
    /// The request creates or uses state that lives at one provider (a stored response, a conversation).
    pub stateful: bool,
    /// What it uses of the API; need not be known where [`asks_features`](crate::plan::Plan::asks_features) says no.
    pub features: FeatureSet,
    /// A uniform random number drawn for this request; it stands in for a key where a list ends in `request`.
    pub draw: u64,
}

/// How sure the gateway is of the caller's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The key is listed in the tenants file.
    Known,
    /// An unlisted key: it may spend a credential of ours only where the route's own primary has accepted that key a
    /// short while ago.
    Unlisted {
        /// The providers that have.
        accepted_by: ProviderSet,
    },
}

/// A set of the first 64 providers; a map has a handful. Any beyond are never members, which is the safe side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderSet(u64);

impl ProviderSet {
    /// Nobody.
    pub const EMPTY: ProviderSet = ProviderSet(0);
    /// Everybody.
    pub const ALL: ProviderSet = ProviderSet(u64::MAX);

    /// The set with one more.
    #[must_use]
    pub fn with(self, provider: ProviderId) -> ProviderSet {
        ProviderSet(self.0 | 1_u64.checked_shl(provider.0).unwrap_or(0))
    }

    /// Whether a provider is a member.
    #[must_use]
    pub fn contains(self, provider: ProviderId) -> bool {
        self.0 & 1_u64.checked_shl(provider.0).unwrap_or(0) != 0
    }
}

/// The endpoints whose requests are routed by their `model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/responses/compact`
    ResponsesCompact,
    /// `POST /v1/responses/input_tokens`
    ResponsesInputTokens,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/messages`, in Anthropic's shape.
    Messages,
    /// `POST /v1/messages/count_tokens`, in Anthropic's shape.
    MessagesCountTokens,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/images/generations`
    ImageGenerations,
    /// `POST /v1/audio/speech`
    Speech,
    /// `POST /v1/audio/transcriptions`
    Transcriptions,
    /// `POST /v1/audio/translations`
    Translations,
    /// `POST /v1/images/edits`
    ImageEdits,
    /// `POST /v1/images/variations`
    ImageVariations,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Endpoint; 15] = [
        Endpoint::Chat,
        Endpoint::Responses,
        Endpoint::ResponsesCompact,
        Endpoint::ResponsesInputTokens,
        Endpoint::Embeddings,
        Endpoint::Completions,
        Endpoint::Messages,
        Endpoint::MessagesCountTokens,
        Endpoint::Moderations,
        Endpoint::ImageGenerations,
        Endpoint::Speech,
        Endpoint::Transcriptions,
        Endpoint::Translations,
        Endpoint::ImageEdits,
        Endpoint::ImageVariations,
    ];

    /// The name used in the route map, logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::Chat => "chat",
            Endpoint::Responses => "responses",
            Endpoint::ResponsesCompact => "responses_compact",
            Endpoint::ResponsesInputTokens => "responses_input_tokens",
            Endpoint::Embeddings => "embeddings",
            Endpoint::Completions => "completions",
            Endpoint::Messages => "messages",
            Endpoint::MessagesCountTokens => "messages_count_tokens",
            Endpoint::Moderations => "moderations",
            Endpoint::ImageGenerations => "image_generations",
            Endpoint::Speech => "speech",
            Endpoint::Transcriptions => "transcriptions",
            Endpoint::Translations => "translations",
            Endpoint::ImageEdits => "image_edits",
            Endpoint::ImageVariations => "image_variations",
        }
    }

    /// The path under `/v1`.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Endpoint::Chat => "/chat/completions",
            Endpoint::Responses => "/responses",
            Endpoint::ResponsesCompact => "/responses/compact",
            Endpoint::ResponsesInputTokens => "/responses/input_tokens",
            Endpoint::Embeddings => "/embeddings",
            Endpoint::Completions => "/completions",
            Endpoint::Messages => "/messages",
            Endpoint::MessagesCountTokens => "/messages/count_tokens",
            Endpoint::Moderations => "/moderations",
            Endpoint::ImageGenerations => "/images/generations",
            Endpoint::Speech => "/audio/speech",
            Endpoint::Transcriptions => "/audio/transcriptions",
            Endpoint::Translations => "/audio/translations",
            Endpoint::ImageEdits => "/images/edits",
            Endpoint::ImageVariations => "/images/variations",
        }
    }

    /// Whether its answer only says how many tokens a request has.
    #[must_use]
    pub fn counts_tokens(self) -> bool {
        matches!(self, Endpoint::ResponsesInputTokens | Endpoint::MessagesCountTokens)
    }

    /// Whether it is of Anthropic's API.
    #[must_use]
    pub fn is_anthropics(self) -> bool {
        matches!(self, Endpoint::Messages | Endpoint::MessagesCountTokens)
    }

    /// Whether its answers are streamed as text where the request asks for that.
    #[must_use]
    pub fn streams_text(self) -> bool {
        matches!(self, Endpoint::Chat | Endpoint::Responses | Endpoint::Completions | Endpoint::Messages)
    }

    /// Whether its answer may be something else than JSON: sound, an image, a transcript as plain text.
    #[must_use]
    pub fn may_answer_media(self) -> bool {
        matches!(self, Endpoint::ImageGenerations | Endpoint::Speech) || self.takes_forms()
    }

    /// Whether `model` may be left out, because the provider has a model of its own choice, or a stored prompt that
    /// the request refers to names one.
    #[must_use]
    pub fn has_default_model(self) -> bool {
        matches!(
            self,
            Endpoint::Responses
                | Endpoint::ResponsesInputTokens
                | Endpoint::Moderations
                | Endpoint::ImageGenerations
                | Endpoint::ImageEdits
                | Endpoint::ImageVariations
        )
    }

    /// Whether its requests may be multipart forms, with a file in them.
    #[must_use]
    pub fn takes_forms(self) -> bool {
        matches!(
            self,
            Endpoint::Transcriptions
                | Endpoint::Translations
                | Endpoint::ImageEdits
                | Endpoint::ImageVariations
        )
    }
}

/// The fields of a request that keep a user on one side of a canary. An empty string counts as absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct StickyKeys<'r> {
    /// `safety_identifier`: a hash of the end user.
    pub safety_identifier: Option<&'r str>,
    /// `user`: its deprecated predecessor.
    pub user: Option<&'r str>,
    /// `prompt_cache_key`: the provider's own routing hint.
    pub prompt_cache_key: Option<&'r str>,
}

impl<'r> StickyKeys<'r> {
    /// The value of one field, if the request carries it.
    #[must_use]
    pub fn value(&self, by: StickyBy) -> Option<&'r str> {
        let value = match by {
            StickyBy::SafetyIdentifier => self.safety_identifier,
            StickyBy::User => self.user,
            StickyBy::PromptCacheKey => self.prompt_cache_key,
            StickyBy::Tenant | StickyBy::Request => None,
        };
        value.filter(|text| !text.is_empty())
    }
}
