//! What a request uses of the API, read off its body in the pass that routes it.
//!
//! Most of it stands at the top: whether a field says anything but the default. What a message holds is told by the
//! types of its parts, and what a tool is by its own. Where a key occurs twice both values count, and a value that
//! nobody understands counts as use: a request is rather kept home than sent where it does not work.

use decisions::Endpoint;
use decisions::plan::{Feature, FeatureSet};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::request::peek::text_of;

/// What has been seen so far; nothing, where nobody asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uses {
    is_asked: bool,
    seen: FeatureSet,
}

/// A field of the body's top that says whether something is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    Functions,
    ResponseFormat,
    Text,
    Logprobs,
    TopLogprobs,
    Include,
    Reasoning,
    Thinking,
    OutputConfig,
    Modalities,
    WebSearchOptions,
    StreamFormat,
}

impl Tells {
    /// Of the top-level key.
    pub(crate) fn of(key: &str) -> Option<Tells> {
        Some(match key {
            "functions" => Tells::Functions,
            "response_format" | "output_format" => Tells::ResponseFormat,
            "text" => Tells::Text,
            "logprobs" => Tells::Logprobs,
            "top_logprobs" => Tells::TopLogprobs,
            "include" => Tells::Include,
            "reasoning" | "reasoning_effort" => Tells::Reasoning,
            "thinking" => Tells::Thinking,
            "output_config" => Tells::OutputConfig,
            "modalities" => Tells::Modalities,
            "web_search_options" => Tells::WebSearchOptions,
            "stream_format" => Tells::StreamFormat,
            _ => return None,
        })
    }
}

impl Uses {
    /// For requests to this endpoint of which somebody wants to know. Elsewhere the same words mean other things:
    /// `response_format` of a transcript is no schema.
    pub(crate) fn asked_of(endpoint: Endpoint) -> Uses {
        let is_asked = match endpoint {
            Endpoint::Chat
            | Endpoint::Responses
            | Endpoint::ResponsesCompact
            | Endpoint::ResponsesInputTokens
            | Endpoint::Completions
            | Endpoint::Messages
            | Endpoint::MessagesCountTokens => true,
            // Its stream is all that is asked about.
            Endpoint::Speech => true,
            Endpoint::Embeddings
            | Endpoint::Moderations
            | Endpoint::ImageGenerations
            | Endpoint::Transcriptions
            | Endpoint::Translations
            | Endpoint::ImageEdits
            | Endpoint::ImageVariations => false,
        };
        Uses { is_asked, seen: FeatureSet::EMPTY }
    }

    /// For a request of which nobody wants to know.
    pub(crate) fn not_asked() -> Uses {
        Uses::default()
    }

    pub(crate) fn is_asked(self) -> bool {
        self.is_asked
    }

    /// What was seen.
    pub(crate) fn seen(self) -> FeatureSet {
        self.seen
    }

    pub(crate) fn add(&mut self, feature: Feature) {
        if self.is_asked {
            self.seen = self.seen.with(feature);
        }
    }

    /// A part of a message, by its type: OpenAI's words and Anthropic's.
    pub(crate) fn part(&mut self, kind: &str) {
        match kind {
            "image_url" | "input_image" | "image" | "image_file" | "computer_screenshot" => {
                self.add(Feature::Vision);
            }
            "input_audio" | "audio" => self.add(Feature::Audio),
            "file" | "input_file" | "document" | "container_upload" => self.add(Feature::Files),
            _ => {}
        }
    }

    /// A tool, by its type. One that searches the web is the provider's own; any other is a tool.
    pub(crate) fn tool(&mut self, kind: Option<&str>) {
        let searches = kind.is_some_and(|kind| kind.starts_with("web_search"));
        self.add(if searches { Feature::WebSearch } else { Feature::Tools });
    }

    /// A field of the top.
    pub(crate) fn field(&mut self, field: Tells, endpoint: Endpoint, value: &RawValue) {
        let text = value.get();
        if text == "null" {
            return;
        }
        let is_speech = endpoint == Endpoint::Speech;
        let used = match field {
            Tells::StreamFormat if is_speech => {
                (text_of(value).is_none_or(|format| format == "sse")).then_some(Feature::Streaming)
            }
            Tells::StreamFormat => None,
            _ if is_speech => None,
            Tells::Functions => (!is_empty(text)).then_some(Feature::Tools),
            Tells::ResponseFormat => is_format(value).then_some(Feature::ResponseFormat),
            Tells::Text => Text::read(text).format.is_some_and(is_format).then_some(Feature::ResponseFormat),
            Tells::Logprobs => (text != "false").then_some(Feature::Logprobs),
            Tells::TopLogprobs => (text != "0").then_some(Feature::Logprobs),
            Tells::Include => text.contains("logprobs").then_some(Feature::Logprobs),
            Tells::Reasoning => (!is_empty(text)).then_some(Feature::Reasoning),
            Tells::Thinking => (kind_of(text).as_deref() != Some("disabled")).then_some(Feature::Reasoning),
            Tells::OutputConfig => return self.output_config(text),
            Tells::Modalities => text.contains("audio").then_some(Feature::Audio),
            Tells::WebSearchOptions => Some(Feature::WebSearch),
        };
        used.into_iter().for_each(|feature| self.add(feature));
    }

    /// Anthropic's: how the answer is to look, and how much is to be thought before.
    fn output_config(&mut self, text: &str) {
        #[derive(Deserialize)]
        struct Config<'v> {
            #[serde(borrow)]
            format: Option<&'v RawValue>,
            #[serde(borrow)]
            effort: Option<&'v RawValue>,
        }
        let Ok(config) = serde_json::from_str::<Config<'_>>(text) else {
            self.add(Feature::ResponseFormat);
            return self.add(Feature::Reasoning);
        };
        if config.format.is_some_and(is_format) {
            self.add(Feature::ResponseFormat);
        }
        if config.effort.is_some() {
            self.add(Feature::Reasoning);
        }
    }
}

/// `text` of a Responses call.
#[derive(Deserialize)]
struct Text<'v> {
    #[serde(borrow)]
    format: Option<&'v RawValue>,
}

impl<'v> Text<'v> {
    /// What cannot be read stands for a format itself.
    fn read(text: &'v str) -> Text<'v> {
        serde_json::from_str(text).unwrap_or_else(|_| Text { format: serde_json::from_str(text).ok() })
    }
}

/// Anything but plain text.
fn is_format(value: &RawValue) -> bool {
    kind_of(value.get()).as_deref() != Some("text")
}

/// The `type` of an object; `None` for anything else.
fn kind_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed<'v> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'v RawValue>,
    }
    let typed = serde_json::from_str::<Typed<'_>>(text).ok()?;
    typed.kind.and_then(text_of).map(std::borrow::Cow::into_owned)
}

/// An object or list with nothing in it.
fn is_empty(text: &str) -> bool {
    let inner = text.strip_prefix(['{', '[']).and_then(|text| text.strip_suffix(['}', ']']));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests;
