//! Chat Completions or Responses: never guessed in silence. What was chosen, and why, is in every record.

use decisions::Endpoint;
use evidence::EndpointFamily;
use serde_json::{Value, json};

/// Tokens of the longest answer: little, and enough for a model that reasons before it writes.
pub const TOKEN_LIMIT: u32 = 128;

/// What is asked; it says nothing of anybody.
const MESSAGE: &str = "Answer with the one word: ready";

/// A request shape, and why it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub family: EndpointFamily,
    /// Why, in a sentence.
    pub because: String,
}

/// Why none can be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFamily {
    /// The route serves another endpoint only.
    #[error("the route serves `{0}` only, and this check knows `chat` and `responses`")]
    OtherEndpoint(&'static str),
    /// What was asked for is not what the route serves.
    #[error("`--endpoint {0}` was asked for, and the route serves `{1}` only")]
    Contradiction(&'static str, &'static str),
}

/// Chooses the shape: what was said, else what the route serves, else Chat Completions. `only` is the route's `endpoint`.
///
/// # Errors
/// [`NoFamily`] where the route does not serve it.
pub fn choose(said: Option<EndpointFamily>, only: Option<Endpoint>) -> Result<Choice, NoFamily> {
    let served = match only {
        None => None,
        Some(Endpoint::Chat) => Some(EndpointFamily::ChatCompletions),
        Some(Endpoint::Responses) => Some(EndpointFamily::Responses),
        Some(other) => return Err(NoFamily::OtherEndpoint(other.as_str())),
    };
    let (family, because) = match (said, served) {
        (Some(said), Some(served)) if said != served => {
            return Err(NoFamily::Contradiction(endpoint(said).as_str(), endpoint(served).as_str()));
        }
        (Some(said), _) => (said, format!("`--endpoint {}` says so", endpoint(said).as_str())),
        (None, Some(served)) => {
            (served, format!("the route serves `endpoint = \"{}\"` only", endpoint(served).as_str()))
        }
        (None, None) => (
            EndpointFamily::ChatCompletions,
            "neither --endpoint nor the route's `endpoint` says otherwise; the documentation sends some families \
             (OpenAI's Pro, o-series and Codex models) to Responses: name --endpoint responses for those"
                .to_owned(),
        ),
    };
    Ok(Choice { family, because })
}

/// The endpoint of a shape.
#[must_use]
pub fn endpoint(family: EndpointFamily) -> Endpoint {
    match family {
        EndpointFamily::ChatCompletions => Endpoint::Chat,
        EndpointFamily::Responses => Endpoint::Responses,
    }
}

/// The page that documents a shape.
#[must_use]
pub fn documentation(family: EndpointFamily) -> &'static str {
    match family {
        EndpointFamily::ChatCompletions => "https://apidoc.cometapi.com/api/text/chat",
        EndpointFamily::Responses => "https://apidoc.cometapi.com/api/text/responses",
    }
}

/// The field that the invalid request lacks.
#[must_use]
pub fn left_out(family: EndpointFamily) -> &'static str {
    match family {
        EndpointFamily::ChatCompletions => "messages",
        EndpointFamily::Responses => "input",
    }
}

/// A minimal request that is in order.
#[must_use]
pub fn happy_body(family: EndpointFamily, alias: &str) -> Value {
    let mut body = invalid_body(family, alias);
    body[left_out(family)] = match family {
        EndpointFamily::ChatCompletions => json!([{ "role": "user", "content": MESSAGE }]),
        EndpointFamily::Responses => json!(MESSAGE),
    };
    body
}

/// The same without the field that every such request needs.
#[must_use]
pub fn invalid_body(family: EndpointFamily, alias: &str) -> Value {
    match family {
        EndpointFamily::ChatCompletions => json!({ "model": alias, "max_completion_tokens": TOKEN_LIMIT }),
        // Nothing is to stay at the provider.
        EndpointFamily::Responses => {
            json!({ "model": alias, "max_output_tokens": TOKEN_LIMIT, "store": false })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: EndpointFamily = EndpointFamily::ChatCompletions;
    const RESPONSES: EndpointFamily = EndpointFamily::Responses;

    #[test]
    fn what_was_said_comes_first_then_what_the_route_serves_then_chat() {
        for (said, only, expected) in [
            (Some(RESPONSES), None, RESPONSES),
            (Some(RESPONSES), Some(Endpoint::Responses), RESPONSES),
            (None, Some(Endpoint::Responses), RESPONSES),
            (None, Some(Endpoint::Chat), CHAT),
            (None, None, CHAT),
        ] {
            let choice = choose(said, only).unwrap();
            assert_eq!(choice.family, expected, "{said:?} {only:?}");
            assert!(!choice.because.is_empty());
        }
        assert!(matches!(choose(Some(CHAT), Some(Endpoint::Responses)), Err(NoFamily::Contradiction(..))));
        assert!(matches!(
            choose(None, Some(Endpoint::Embeddings)),
            Err(NoFamily::OtherEndpoint("embeddings"))
        ));
    }

    #[test]
    fn the_invalid_request_differs_in_the_missing_field_alone() {
        for family in [CHAT, RESPONSES] {
            let mut happy = happy_body(family, "a");
            assert!(happy.as_object_mut().unwrap().remove(left_out(family)).is_some());
            assert_eq!(happy, invalid_body(family, "a"));
        }
    }
}
