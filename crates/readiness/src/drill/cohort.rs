//! The requests of a cohort: which keys they carry, and on which side of the canary's share each key is by the published
//! function (docs/bucketing.md), whatever the gateway makes of it.

use bytes::Bytes;
use decisions::Endpoint;
use decisions::bucket::{Share, contains};
use decisions::plan::{Bucketing, StickyBy};
use serde_json::{Value, json};

/// Tokens of an answer at the most: whoever reads it looks at its shape.
const ANSWER_TOKENS: u32 = 64;

/// Says what it is to whoever finds it in a log, and holds nothing of anybody's.
const PROMPT: &str = "This is a rollback drill of Cometgate. Answer with the one word: ready.";

/// A key that a request is sticky by, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The field of the request; `None` where the route is sticky by nothing that a request carries.
    pub field: Option<&'static str>,
    /// Its value.
    pub value: String,
    /// Whether it is within the share; `None` where every request is drawn for itself.
    pub is_in: Option<bool>,
}

/// So many keys, as many of them within the share as its size says, and at least one on either side. They follow from
/// `seed` alone.
#[must_use]
pub fn keys(split: &Bucketing, share: Share, count: usize, seed: &str, tenant: &str) -> Vec<Key> {
    let key = |at: usize| format!("{seed}-{at}");
    match split.sticky_by.first() {
        Some(StickyBy::Tenant) => {
            let is_in = Some(contains(share, &split.salt, tenant.as_bytes()));
            (0..count).map(|at| Key { field: None, value: key(at), is_in }).collect()
        }
        None | Some(StickyBy::Request) => {
            (0..count).map(|at| Key { field: None, value: key(at), is_in: None }).collect()
        }
        Some(by @ (StickyBy::SafetyIdentifier | StickyBy::User | StickyBy::PromptCacheKey)) => {
            let [mut inside, mut outside] = places(share, count);
            let mut keys = Vec::with_capacity(count);
            for at in 0.. {
                let value = key(at);
                let is_in = contains(share, &split.salt, value.as_bytes());
                let left = if is_in { &mut inside } else { &mut outside };
                if *left > 0 {
                    *left -= 1;
                    keys.push(Key { field: Some(by.as_str()), value, is_in: Some(is_in) });
                }
                if inside + outside == 0 {
                    break;
                }
            }
            keys
        }
    }
}

/// How many are to be within the share and how many not.
fn places(share: Share, count: usize) -> [usize; 2] {
    let whole = u128::from(Share::ALL.ppm());
    let inside = (count as u128 * u128::from(share.ppm()) + whole / 2) / whole;
    let inside = usize::try_from(inside).unwrap_or(count).min(count);
    let inside = match share {
        Share::NONE => 0,
        Share::ALL => count,
        // One on either side shows more than all on one.
        _ => inside.clamp(1.min(count), count.saturating_sub(1).max(1.min(count))),
    };
    [inside, count - inside]
}

/// A valid request for an endpoint; `None` where a drill knows none.
#[must_use]
pub fn body(endpoint: Endpoint, model: &str, key: Option<&Key>) -> Option<Bytes> {
    let mut body = match endpoint {
        Endpoint::Chat => {
            json!({"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": ANSWER_TOKENS})
        }
        Endpoint::Responses => {
            json!({"model": model, "input": PROMPT, "store": false, "max_output_tokens": ANSWER_TOKENS})
        }
        Endpoint::Completions => json!({"model": model, "prompt": PROMPT, "max_tokens": ANSWER_TOKENS}),
        Endpoint::Messages => {
            json!({"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": ANSWER_TOKENS})
        }
        Endpoint::Embeddings | Endpoint::Moderations => json!({"model": model, "input": PROMPT}),
        _ => return None,
    };
    if let Some((field, value)) = key.and_then(|key| Some((key.field?, &key.value))) {
        body[field] = json!(value);
    }
    Some(Bytes::from(body.to_string()))
}

/// A request that is faulty in its form alone: what it asks is no list, no text.
#[must_use]
pub fn faulty_body(endpoint: Endpoint, model: &str) -> Option<Bytes> {
    let mut body: Value = serde_json::from_slice(&body(endpoint, model, None)?).ok()?;
    let asked = ["messages", "input", "prompt"].into_iter().find(|field| body.get(field).is_some())?;
    body[asked] = json!({"not": "what the endpoint takes"});
    Some(Bytes::from(body.to_string()))
}
