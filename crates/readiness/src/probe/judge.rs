//! What came of one probe: a word of a closed list, and a sentence that says what it settles.
//!
//! Total and pure: whatever was seen has a result, and what settles nothing is `not_tried`, never a pass.

use decisions::{Endpoint, ErrorClass};
use evidence::ProbeResult;

use crate::probe::features;
use crate::probe::plan::Planned;
use crate::probe::question::Question;
use crate::probe::requests::CODE_WORD;
use crate::probe::seen::{Echo, Ending, Seen, Shape};

/// Judges what was seen of a probe.
#[must_use]
pub fn judge(planned: &Planned, seen: &Seen) -> (ProbeResult, String) {
    if seen.ending == Ending::Unsent {
        let why = "no key for it: the map has callers bring their own";
        return (ProbeResult::NotTried, why.to_owned());
    }
    match planned.question {
        Question::ShortTimeout => short_timeout(planned, seen),
        Question::Cancelled => cancelled(seen),
        question if question.is_to_be_refused() => refusal(question, seen),
        question => match seen.class {
            None => effect(planned, seen),
            Some(class) => unwanted(question, seen, class),
        },
    }
}

/// What status and shape were, for a sentence.
fn how(seen: &Seen) -> String {
    match (seen.status, seen.shape) {
        (None, _) => "no answer".to_owned(),
        (Some(status), Shape::Json) => status.to_string(),
        (Some(status), shape) => format!("{status} with a body of kind {}", shape.as_str()),
    }
}

fn short_timeout(planned: &Planned, seen: &Seen) -> (ProbeResult, String) {
    let ms = planned.timeout.as_millis();
    match (seen.ending, seen.connection_closed) {
        (Ending::NoHead | Ending::NoEnd, Some(true)) => {
            let after = seen.latency.as_millis();
            (ProbeResult::Works, format!("given up after {after} ms, and its connection closed"))
        }
        (Ending::NoHead | Ending::NoEnd, None) => (
            ProbeResult::Works,
            "given up in time; what became of its stream on a shared connection cannot be seen".to_owned(),
        ),
        (Ending::NoHead | Ending::NoEnd, Some(false)) => {
            (ProbeResult::Failed, "given up in time, and its connection stayed open".to_owned())
        }
        (Ending::Whole, _) => {
            let why = format!("answered within {ms} ms: --short-timeout-ms has to be shorter to settle it");
            (ProbeResult::NotTried, why)
        }
        _ => (ProbeResult::Failed, format!("it failed before the time ran out: {}", how(seen))),
    }
}

fn cancelled(seen: &Seen) -> (ProbeResult, String) {
    match (seen.ending, seen.connection_closed) {
        (Ending::Left, Some(false)) => {
            (ProbeResult::Failed, "left, and its connection stayed open".to_owned())
        }
        (Ending::Left, _) if seen.class.is_some() => {
            (ProbeResult::Failed, format!("left, but what had come was no stream: {}", how(seen)))
        }
        (Ending::Left, Some(true)) => {
            (ProbeResult::Works, "left after its first bytes, and its connection closed".to_owned())
        }
        (Ending::Left, None) => (
            ProbeResult::Works,
            "left after its first bytes; what became of its stream on a shared connection cannot be seen"
                .to_owned(),
        ),
        (Ending::Whole, _) => (ProbeResult::NotTried, "the answer ended before it could be left".to_owned()),
        _ => (ProbeResult::Failed, format!("it failed before it could be left: {}", how(seen))),
    }
}

/// A probe that has to be refused, and in a way that is told apart.
fn refusal(question: Question, seen: &Seen) -> (ProbeResult, String) {
    let how = how(seen);
    let Some(class) = seen.class else {
        return (ProbeResult::Failed, format!("accepted ({how}), and had to be refused"));
    };
    let is_right = match question {
        Question::InvalidRequest => class == ErrorClass::Validation,
        question if question.is_of_keys() => class == ErrorClass::Auth,
        Question::UnknownModel => matches!(class, ErrorClass::NotFound | ErrorClass::Validation),
        Question::UnknownPath => matches!(class, ErrorClass::NotFound | ErrorClass::Malformed),
        // A relay says 200 with an error inside (contract, 2.4); what counts is that it is no answer.
        _ => seen.status.is_some() && class != ErrorClass::Auth,
    };
    if is_right {
        (ProbeResult::Works, format!("refused with {how}, classified as {}", class.as_str()))
    } else {
        let class = class.as_str();
        (
            ProbeResult::Failed,
            format!("answered with {how}, which is classified as {class} and not as what it is"),
        )
    }
}

/// A probe that had to be answered, and was not.
fn unwanted(question: Question, seen: &Seen, class: ErrorClass) -> (ProbeResult, String) {
    let (how, word) = (how(seen), class.as_str());
    if question == Question::Feature(decisions::plan::Feature::Streaming)
        && seen.shape == Shape::Json
        && seen.ending == Ending::Whole
        && seen.missing.is_empty()
        && seen.error_shape.is_none()
    {
        return (ProbeResult::Ignored, "it answered whole where a stream was asked for".to_owned());
    }
    match class {
        ErrorClass::Validation
        | ErrorClass::NotFound
        | ErrorClass::ContentPolicy
        | ErrorClass::ContextLength
        | ErrorClass::Auth => (ProbeResult::Refused, format!("refused with {how} ({word})")),
        _ if seen.missing.is_empty() => (ProbeResult::Failed, format!("{how}: {word}")),
        _ => (ProbeResult::Failed, format!("{how}: {word}, lacks {}", seen.missing.join(", "))),
    }
}

/// A good answer: whether it shows what was asked for.
fn effect(planned: &Planned, seen: &Seen) -> (ProbeResult, String) {
    let shown = match planned.question {
        Question::Feature(feature) => features::shows(feature, seen),
        Question::StateFollow | Question::StateFollowKeyed => {
            (seen.says(CODE_WORD) || !seen.is_cut_short()).then_some(seen.says(CODE_WORD))
        }
        Question::SealedBegin => Some(seen.sealed.is_some()),
        Question::StrippedFields => return stripped(seen),
        Question::Models => return models(seen),
        _ => Some(true),
    };
    match shown {
        Some(true) => (ProbeResult::Works, good(planned, seen)),
        Some(false) => (ProbeResult::Ignored, "answered well, and nothing in the answer shows it".to_owned()),
        None => (
            ProbeResult::NotTried,
            "the answer ended at the limit of tokens: give --max-tokens more".to_owned(),
        ),
    }
}

fn good(planned: &Planned, seen: &Seen) -> String {
    let mut said = match (seen.is_stream(), planned.endpoint) {
        (true, Some(Endpoint::Chat)) if seen.usage.is_none() => "a whole stream, without a chunk of usage",
        (true, _) => "a whole stream",
        _ if seen.is_cut_short() => "a whole answer, ended at the limit of tokens",
        _ => "a whole answer",
    }
    .to_owned();
    if planned.body.is_some() && seen.echo == Echo::Other {
        said.push_str("; it names another model than was asked for");
    }
    said
}

fn models(seen: &Seen) -> (ProbeResult, String) {
    match seen.models {
        Some(count) => (ProbeResult::Works, format!("a list of {count} models")),
        None => (ProbeResult::Failed, "the answer is no list of models".to_owned()),
    }
}

fn stripped(seen: &Seen) -> (ProbeResult, String) {
    match seen.echoes_fields {
        [true, true] => (ProbeResult::Works, "`service_tier` and `safety_identifier` come back".to_owned()),
        [true, false] => {
            (ProbeResult::Ignored, "`service_tier` comes back, `safety_identifier` does not".to_owned())
        }
        [false, true] => {
            (ProbeResult::Ignored, "`safety_identifier` comes back, `service_tier` does not".to_owned())
        }
        [false, false] => (ProbeResult::Ignored, "accepted; neither comes back".to_owned()),
    }
}
