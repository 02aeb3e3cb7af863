//! What a provider answers where no script speaks: the dispatch over OpenAI's endpoints, keys and errors.
//!
//! Everything is a function of the provider's name, the request and its number, so that a run can be repeated.

use std::time::Duration;

use serde_json::{Value, json};

use crate::reply::{Answer, Reply, Scripted, Step};
use crate::{RecordedRequest, chat, embeddings, responses};

/// When everything here claims to have been made: a fixed time, 2025-11-21 in Unix seconds.
pub(crate) const CREATED: u64 = 1_763_683_200;

/// What an answer goes on with.
const SENTENCE: [&str; 5] = [" this", " is", " a", " scripted", " answer."];

/// What distinguishes one provider's standard answers from another's.
#[derive(Debug)]
pub(crate) struct Persona {
    pub(crate) name: String,
    pub(crate) keys: Keys,
    pub(crate) chunks: usize,
    pub(crate) pace: Option<Duration>,
    pub(crate) models: Vec<String>,
}

/// Whose requests get standard answers.
#[derive(Debug)]
pub(crate) enum Keys {
    Any,
    Only(String),
    Optional,
}

impl Persona {
    pub(crate) fn named(name: &str) -> Persona {
        Persona {
            name: name.to_owned(),
            keys: Keys::Any,
            chunks: 8,
            pace: None,
            models: ["gpt-5.4", "gpt-5.4-mini", "text-embedding-3-small"].map(str::to_owned).into(),
        }
    }

    /// The answer in pieces: "Hello", " from", " NAME:", then the words of a sentence over and over.
    pub(crate) fn pieces(&self) -> Vec<String> {
        match self.chunks {
            0 | 1 => vec![format!("Hello from {}", self.name)],
            2 => vec!["Hello".to_owned(), format!(" from {}", self.name)],
            chunks => ["Hello".to_owned(), " from".to_owned(), format!(" {}:", self.name)]
                .into_iter()
                .chain(SENTENCE.iter().cycle().map(|word| (*word).to_owned()))
                .take(chunks)
                .collect(),
        }
    }

    /// Adds one content event, after the pause that the pace asks for.
    pub(crate) fn push_paced(&self, steps: &mut Vec<Step>, event: Step) {
        steps.extend(self.pace.map(Step::Pause));
        steps.push(event);
    }
}

/// The request's JSON, the model it names and the number of this answer.
pub(crate) struct Asked<'a> {
    pub(crate) body: &'a Value,
    pub(crate) model: &'a str,
    pub(crate) number: u64,
    pub(crate) input_tokens: u64,
}

impl Asked<'_> {
    pub(crate) fn streams(&self) -> bool {
        self.body.get("stream").and_then(Value::as_bool).unwrap_or(false)
    }
}

pub(crate) fn standard(persona: &Persona, request: &RecordedRequest, number: u64) -> Scripted {
    let reply = refused(&persona.keys, request).unwrap_or_else(|| answer(persona, request, number));
    match reply.answer {
        Answer::Scripted(scripted) => scripted,
        // Not reachable from the functions here, and an empty 200 harms nobody.
        Answer::Standard => Scripted { status: 200, headers: Vec::new(), body: Vec::new(), length: Some(0) },
    }
}

fn refused(keys: &Keys, request: &RecordedRequest) -> Option<Reply> {
    let given = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    match (keys, given) {
        (Keys::Optional, _) | (Keys::Any, Some(_)) => None,
        (Keys::Only(key), Some(given)) if key == given => None,
        (Keys::Only(_), Some(_)) => Some(Reply::error(
            401,
            "invalid_request_error",
            Some("invalid_api_key"),
            "Incorrect API key provided.",
        )),
        (Keys::Any | Keys::Only(_), None) => Some(Reply::error(
            401,
            "invalid_request_error",
            None,
            "You didn't provide an API key in an Authorization header.",
        )),
    }
}

fn answer(persona: &Persona, request: &RecordedRequest, number: u64) -> Reply {
    match (request.method.as_str(), request.path()) {
        ("POST", "/v1/chat/completions") => asked(request, number, |asked| chat::reply(persona, asked)),
        ("POST", "/v1/responses") => asked(request, number, |asked| responses::reply(persona, asked)),
        ("POST", "/v1/embeddings") => asked(request, number, embeddings::reply),
        ("GET", "/v1/models") => {
            let models: Vec<Value> = persona.models.iter().map(|id| model(persona, id)).collect();
            Reply::json(200, &json!({"object": "list", "data": models}))
        }
        (method, path) => match path.strip_prefix("/v1/models/") {
            Some(id) if method == "GET" => one_model(persona, id),
            _ => echo(persona, request),
        },
    }
}

fn asked(request: &RecordedRequest, number: u64, answer: impl FnOnce(&Asked<'_>) -> Reply) -> Reply {
    let Some(body) = request.json() else {
        return Reply::error(
            400,
            "invalid_request_error",
            None,
            "We could not parse the JSON body of your request.",
        );
    };
    let Some(model) = body.get("model").and_then(Value::as_str) else {
        return Reply::error(400, "invalid_request_error", None, "you must provide a model parameter");
    };
    // No tokenizer here: a quarter of the bytes is near enough to look right, and the same every time.
    let input_tokens = (request.body.len() as u64).div_ceil(4);
    answer(&Asked { body: &body, model, number, input_tokens })
}

fn model(persona: &Persona, id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": persona.name})
}

fn one_model(persona: &Persona, id: &str) -> Reply {
    if persona.models.iter().any(|model| model == id) {
        return Reply::json(200, &model(persona, id));
    }
    let message = format!("The model '{id}' does not exist");
    Reply::error(404, "invalid_request_error", Some("model_not_found"), &message)
}

/// Any other path shows where it arrived.
fn echo(persona: &Persona, request: &RecordedRequest) -> Reply {
    if !request.path().starts_with("/v1/") {
        let message = format!("Invalid URL ({} {})", request.method, request.path());
        return Reply::error(404, "invalid_request_error", None, &message);
    }
    Reply::json(
        200,
        &json!({
            "object": "echo",
            "provider": persona.name,
            "method": request.method.as_str(),
            "path": request.path_and_query,
            "model": request.json().and_then(|body| body.get("model").cloned()),
        }),
    )
}
