use std::time::Duration;

use decisions::plan::Feature;
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::probe::plan::tests::{options, target};
use crate::probe::plan::{Planned, plan};
use crate::probe::question::Question;

/// A planned probe of a family.
fn planned(endpoint: Endpoint, question: Question) -> Planned {
    let plan = plan(&[target(0, None)], &options());
    let mut of_it = plan.probes.into_iter();
    of_it.find(|probe| probe.endpoint == Some(endpoint) && probe.question == question).unwrap()
}

fn read(planned: &Planned, status: u16, kind: &str, body: &str) -> Seen {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(kind).unwrap());
    Seen::read(planned, &[], (status, &headers), body.as_bytes(), (Ending::Whole, Duration::ZERO))
}

const JSON: &str = "application/json";
const STREAM: &str = "text/event-stream";

#[test]
fn anthropics_answers_are_read_whole_and_streamed() {
    let whole = planned(Endpoint::Messages, Question::SingleTurn);
    let body = json!({
        "id": "msg_1", "type": "message", "model": "gpt-canary", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "late"}],
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 20, "output_tokens": 4},
    });
    let seen = read(&whole, 200, JSON, &body.to_string());
    assert_eq!((seen.class, seen.object, seen.finish), (None, Some("message"), Some("end_turn")));
    assert_eq!(seen.usage, Some(Usage { input: 23, output: 4, total: 27 }));

    let streamed = planned(Endpoint::Messages, Question::Feature(Feature::Streaming));
    let events = [
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "gpt-canary-2", "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "late"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ];
    let text = |events: &[Value]| {
        events.iter().map(|event| format!("event: x\ndata: {event}\n\n")).collect::<String>()
    };
    let seen = read(&streamed, 200, STREAM, &text(&events));
    assert_eq!((seen.class, seen.echo, seen.is_complete), (None, Echo::Snapshot, true));
    assert_eq!(seen.usage, Some(Usage { input: 3, output: 9, total: 12 }));
    assert_eq!(read(&streamed, 200, STREAM, &text(&events[..3])).class, Some(ErrorClass::Truncated));
}

#[test]
fn a_responses_stream_ends_with_exactly_one_terminal_event() {
    let streamed = planned(Endpoint::Responses, Question::Feature(Feature::Streaming));
    let completed = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\"}}\n\n";
    assert_eq!(read(&streamed, 200, STREAM, completed).class, None);
    let twice = [completed, completed].concat();
    assert_eq!(read(&streamed, 200, STREAM, &twice).class, Some(ErrorClass::Truncated));
    assert_eq!(read(&streamed, 200, STREAM, "data: [DONE]\n\n").class, Some(ErrorClass::Truncated));
    for failed in [
        "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\"}}}\n\n",
        "data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}\n\n",
    ] {
        assert_eq!(read(&streamed, 200, STREAM, failed).class, Some(ErrorClass::RateLimit), "{failed}");
    }
}

#[test]
fn a_failed_response_is_no_answer_although_http_is_fine() {
    let whole = planned(Endpoint::Responses, Question::SingleTurn);
    let body = json!({"id": "r", "object": "response", "status": "failed", "output": [], "error": {"code": "server_error", "message": "m"}});
    assert_eq!(read(&whole, 200, JSON, &body.to_string()).class, Some(ErrorClass::Server));
    let silent = json!({"id": "r", "status": "failed", "output": [], "error": null});
    assert_eq!(read(&whole, 200, JSON, &silent.to_string()).class, Some(ErrorClass::Malformed));
}

#[test]
fn what_a_provider_writes_is_no_fact() {
    let whole = planned(Endpoint::Chat, Question::SingleTurn);
    let marked = "sk-MARKER";
    let body = json!({
        "id": marked, "object": marked, "model": marked, "error": null,
        "choices": [{"finish_reason": marked, "message": {"content": marked}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    });
    let seen = read(&whole, 200, JSON, &body.to_string());
    assert_eq!((seen.object, seen.finish, seen.echo), (Some("other"), Some("other"), Echo::Other));
    assert!(!format!("{seen:?}").contains(marked));
}

proptest! {
    /// Whatever a provider sends has a reading, and an answer that is not of the kind that was asked for is never good.
    #[test]
    fn every_answer_is_read(
        endpoint in prop::sample::select(&[Endpoint::Chat, Endpoint::Responses, Endpoint::Messages][..]),
        streams: bool,
        status in 100..600_u16,
        kind in prop::sample::select(&[JSON, STREAM, "text/html", ""][..]),
        body in prop_oneof![".{0,60}", "(data: |: |\\{\"error\":|\\{\"choices\":\\[\\]\\}|\\[DONE\\]|\n\n|\\{\\}|\\[|null){0,12}"],
    ) {
        let question = if streams { Question::Feature(Feature::Streaming) } else { Question::SingleTurn };
        let planned = planned(endpoint, question);
        let seen = read(&planned, status, kind, &body);
        prop_assert_eq!(seen.status, Some(status));
        if seen.class.is_none() {
            prop_assert!((200..300).contains(&status) && (kind == STREAM) == streams, "{:?}", seen);
            prop_assert!(seen.missing.is_empty());
        }
    }
}
