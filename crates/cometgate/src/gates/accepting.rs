//! What an application says of an answer that it got: that it could use it, or not (runbook 3's application acceptance).

use decisions::gate::{Action as GateAction, Decision, Verdict};
use http::StatusCode;
use proxy::NotCounted;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::gates::acting::{Acting, Refusal};

/// Bytes in the longest request ID that is looked for.
const LONGEST_ID: usize = 1024;

/// What was said.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Judgement {
    /// What the answer's `x-cometgate-request-id` says.
    pub(crate) request_id: String,
    /// The application could use it.
    pub(crate) pass: bool,
}

impl Acting {
    /// Tells it to the gate of the target that has answered. The same twice counts once.
    pub(crate) fn accept(&self, said: &Judgement) -> Result<Value, Refusal> {
        let Judgement { request_id, pass } = said;
        if request_id.is_empty() || request_id.len() > LONGEST_ID {
            let why = format!("a request ID has 1 to {LONGEST_ID} bytes");
            return Err(Refusal { status: StatusCode::BAD_REQUEST, why });
        }
        let snapshot = self.handle.current();
        let judged = snapshot.gates().judge(request_id.as_bytes(), *pass, self.clock.now_ms());
        let (gate, verdict) = match judged {
            Ok(judged) => judged,
            Err(NotCounted::Before { pass: before }) => {
                let text = format!("it was said before that it {}; that stays", word(before));
                return Ok(json!({ "counted": false, "pass": before, "text": text }));
            }
            Err(why) => return Err(refusal(why)),
        };
        let id = gate.id();
        let text = format!(
            "the {} of {} {}; {}",
            id.watched.as_str(),
            id.route,
            if *pass {
                "has one more answer that could be used"
            } else {
                "has one more that could not be used"
            },
            verdict.as_ref().map_or("its gate decides nothing new", outcome),
        );
        Ok(json!({
            "counted": true,
            "pass": pass,
            "route": id.route,
            "target": id.watched.as_str(),
            "identity": id.identity.to_string(),
            "decision": verdict.map(|verdict| verdict.decision.as_str()),
            "text": text,
        }))
    }
}

fn word(pass: bool) -> &'static str {
    if pass { "could be used" } else { "could not be used" }
}

fn outcome(verdict: &Verdict) -> &'static str {
    match (verdict.action, verdict.decision) {
        _ if !verdict.acts => "its gate would have acted, and only observes",
        (GateAction::Latch, _) => "that is one too many: it is rolled back for good",
        (_, Decision::Escalate) => "its gate calls for a person to decide",
        _ => "it is held at its share",
    }
}

fn refusal(why: NotCounted) -> Refusal {
    let (status, why) = match why {
        NotCounted::Unknown => (
            StatusCode::NOT_FOUND,
            "no gated target of this gateway has answered such a request well within the last hour: judged are whole \
             answers whose `x-cometgate-role` is `canary`, or `fallback`, by their `x-cometgate-request-id`, as long as \
             not too many others came since",
        ),
        NotCounted::Ambiguous => (
            StatusCode::CONFLICT,
            "several requests came with this ID, so it does not say which of them is meant; leave \
             `x-cometgate-request-id` out of requests, or make it another for each",
        ),
        NotCounted::Gone => (StatusCode::CONFLICT, "the target that answered it is not in the map any more"),
        NotCounted::NotJudged => (
            StatusCode::CONFLICT,
            "the map does not have this target judged by what applications say (`rejected` and `mode` of its gates)",
        ),
        NotCounted::Out => (
            StatusCode::CONFLICT,
            "the target that answered it is out of traffic, where nothing that is said of its answers counts",
        ),
        NotCounted::Before { .. } => (StatusCode::CONFLICT, "it was judged before"),
    };
    Refusal { status, why: why.to_owned() }
}
