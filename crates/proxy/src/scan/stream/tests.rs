use proptest::prelude::*;

use super::EventKind::{Content, Done, Error, Finish, Lifecycle, Malformed, Silence, Terminal};
use super::*;
use crate::scan::Usage;

/// All that can be seen of a scan, with the ends counted from the start of the stream.
#[derive(Debug, PartialEq)]
struct Seen {
    events: Vec<(usize, EventKind)>,
    partial: bool,
    complete: bool,
    done: bool,
    content_events: u64,
    usage: Option<Usage>,
    sequence_number: Option<u64>,
    error: Option<[Option<String>; 3]>,
}

impl Seen {
    fn kinds(&self) -> Vec<EventKind> {
        self.events.iter().map(|(_, kind)| *kind).collect()
    }

    fn error_message(&self) -> Option<&str> {
        self.error.as_ref()?[2].as_deref()
    }
}

fn scan<'a>(shape: Shape, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut scanner = StreamScanner::new(shape);
    let mut events = Vec::new();
    let mut before = 0;
    for bytes in pieces {
        let mut at = 0;
        while let Some(event) = scanner.next(bytes, at) {
            assert!(at < event.end && event.end <= bytes.len());
            at = event.end;
            events.push((before + at, event.kind));
        }
        before += bytes.len();
    }
    let partial = scanner.end();
    let progress = scanner.progress();
    Seen {
        events,
        partial,
        complete: progress.is_complete(),
        done: progress.saw_done(),
        content_events: progress.content_events(),
        usage: progress.usage(),
        sequence_number: progress.sequence_number(),
        error: progress
            .error()
            .map(|error| [error.code(), error.kind(), error.message()].map(|text| text.map(str::to_owned))),
    }
}

fn chat(stream: &str) -> Seen {
    scan(Shape::Chat, [stream.as_bytes()])
}

fn messages(stream: &str) -> Seen {
    scan(Shape::Messages, [stream.as_bytes()])
}

fn responses(stream: &str) -> Seen {
    scan(Shape::Responses, [stream.as_bytes()])
}

/// A chat event with these choices.
fn chunk(choices: &str) -> String {
    format!("data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{choices}]}}\n\n")
}

fn finished(index: u32) -> String {
    chunk(&format!(r#"{{"index":{index},"delta":{{}},"finish_reason":"stop"}}"#))
}

const CHAT: &str = include_str!("tests/chat.sse");
const CHAT_TOOLS: &str = include_str!("tests/chat-tools.sse");
const RESPONSES: &str = include_str!("tests/responses.sse");
const MESSAGES: &str = include_str!("tests/messages.sse");
const RESPONSES_FAILED: &str = include_str!("tests/responses-failed.sse");

/// Every stream that is split in every way, among them the ones that go wrong.
fn corpus() -> Vec<(Shape, String)> {
    let bare = "{\n  \"error\": {\"message\": \"upstream \\u00e9\", \"code\": 502}\n}\n";
    vec![
        (Shape::Chat, CHAT.to_owned()),
        (Shape::Chat, CHAT.replace('\n', "\r\n")),
        (Shape::Chat, format!("\u{feff}{}", CHAT.replace('\n', "\r").replace(": ", ":"))),
        (Shape::Chat, CHAT_TOOLS.to_owned()),
        (Shape::Chat, format!("{}{}\n\n", CHAT.split_inclusive("\n\n").take(4).collect::<String>(), bare)),
        (Shape::Chat, format!("data: {{\"choices\":\ndata: []}}\n{bare}data: [DONE]\n\n{{\"error\":\"x\"}}")),
        (Shape::Chat, "data: {\"a\":1}}\n\nevent: error\ndata: x\n\ndata:[DONE]\n\nevent: er".to_owned()),
        (Shape::Responses, RESPONSES.to_owned()),
        (Shape::Messages, MESSAGES.replace('\n', "\r\n")),
        (Shape::Responses, RESPONSES_FAILED.replace('\n', "\r\n")),
    ]
}

#[test]
fn a_chat_stream_is_read_to_its_end() {
    let seen = chat(CHAT);
    assert_eq!(
        seen.kinds(),
        [Silence, Lifecycle, Content, Content, Content, Silence, Finish, EventKind::Usage, Done],
        "{seen:?}"
    );
    assert_eq!(seen.events.last().unwrap().0, CHAT.len());
    assert!(seen.complete && seen.done && !seen.partial && seen.error.is_none());
    assert_eq!(seen.content_events, 3);
    let usage = Usage { input: Some(14), output: Some(3), cached: Some(8), reasoning: Some(0) };
    assert_eq!(seen.usage, Some(usage));
}

#[test]
fn tool_calls_and_reasoning_are_content() {
    let seen = chat(CHAT_TOOLS);
    assert_eq!(seen.kinds(), [Lifecycle, Content, Content, Content, Content, Done]);
    assert!(seen.complete, "content and a finish reason in one event");
}

#[test]
fn a_responses_stream_is_read_to_its_end() {
    let seen = responses(RESPONSES);
    assert_eq!(
        seen.kinds(),
        [Lifecycle, Lifecycle, Lifecycle, Lifecycle, Content, Content, Content, Content, Content, Terminal]
    );
    assert!(seen.complete && !seen.done && !seen.partial);
    assert_eq!(seen.sequence_number, Some(9));
    let usage = Usage { input: Some(37), output: Some(11), cached: Some(0), reasoning: Some(7) };
    assert_eq!((seen.usage, seen.content_events), (Some(usage), 5));
}

#[test]
fn a_failed_response_is_an_error() {
    let seen = responses(RESPONSES_FAILED);
    assert_eq!(seen.kinds(), [Lifecycle, Error]);
    assert!(!seen.complete);
    assert_eq!(
        seen.error,
        Some([Some("server_error".to_owned()), None, Some("The model failed to generate.".to_owned())])
    );
}

#[test]
fn every_two_way_split_and_every_byte_by_itself_give_the_same() {
    for (shape, stream) in corpus() {
        let bytes = stream.as_bytes();
        let whole = scan(shape, [bytes]);
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(ends_after_line_ends(bytes, scan(shape, [head, tail])), whole, "split at {at}");
        }
        assert_eq!(ends_after_line_ends(bytes, scan(shape, bytes.chunks(1))), whole);
    }
}

/// An event whose blank line was split after its `\r` ends one byte early.
fn ends_after_line_ends(bytes: &[u8], mut seen: Seen) -> Seen {
    for (end, _) in &mut seen.events {
        *end += usize::from(bytes[*end - 1..].starts_with(b"\r\n"));
    }
    seen
}

#[test]
fn every_choice_must_finish() {
    let two = chunk(r#"{"index":0,"delta":{"content":"a"}},{"delta":{"content":"b"},"index":1}"#);
    assert!(!chat(&two).complete);
    assert!(!chat(&format!("{two}{}", finished(1))).complete);
    assert!(chat(&format!("{two}{}{}", finished(1), finished(0))).complete);
    let both = chunk(r#"{"finish_reason":"stop","index":0},{"finish_reason":"length","index":1}"#);
    assert_eq!(chat(&both).kinds(), [Finish]);
    assert!(chat(&format!("{two}{both}")).complete);
    assert!(!chat("data: [DONE]\n\n").complete, "no choice was seen");
    let null = chunk(r#"{"index":0,"delta":{},"finish_reason":null}"#);
    assert_eq!((chat(&null).kinds(), chat(&null).complete), (vec![Lifecycle], false));
    let many: String = (0..130).map(|index| chunk(&format!(r#"{{"index":{index},"delta":{{}}}}"#))).collect();
    let all_but_one: String = (0..129).map(finished).collect();
    assert!(!chat(&format!("{many}{all_but_one}")).complete);
    assert!(chat(&format!("{many}{all_but_one}{}", finished(129))).complete);
}

#[test]
fn errors_are_known_in_every_shape() {
    for stream in [
        "data: {\"error\":{\"message\":\"m\"}}\n\n",
        "data: {\"error\":\"m\"}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"error\":{\"message\":\"m\"}}\n\n",
        "event: error\ndata: {\"message\":\"m\"}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"m\"}}\n\n",
        "data: {\"type\":\"error\",\"message\":\"m\",\"code\":null,\"param\":null,\"sequence_number\":3}\n\n",
        "{\"error\":{\"message\":\"m\"}}\n\n",
        "{\"error\":{\"message\":\"m\"}}\ndata: [DONE]\n\n",
        "data: {}\n{\"error\":{\"message\":\"m\"}}\n\n",
        "{\n\"error\": {\n\"message\":\"m\"\n}\n}\n\n",
        "event: response.failed\ndata: {\"response\":{\"error\":{\"message\":\"m\"}}}\n\n",
    ] {
        for shape in [Shape::Chat, Shape::Responses, Shape::Messages] {
            let seen = scan(shape, [stream.as_bytes()]);
            assert_eq!((seen.kinds(), seen.error_message()), (vec![Error], Some("m")), "{stream}");
        }
    }
    assert_eq!(chat("event: error\n\n").kinds(), [Error]);
    assert_eq!(chat("data: {\"error\":null,\"choices\":[]}\n\n").kinds(), [Lifecycle]);
    assert_eq!(chat("{\"note\":1}\n\n").kinds(), [Silence]);
    let twice = chat("data: {\"error\":\"first\"}\n\ndata: {\"error\":\"second\"}\n\n");
    assert_eq!(twice.error_message(), Some("first"));
    // What one event says is no part of another's error.
    let flat =
        responses("data: {\"type\":\"x\",\"code\":\"y\"}\n\ndata: {\"error\":{\"message\":\"m\"}}\n\n");
    assert_eq!(flat.error, Some([None, None, Some("m".to_owned())]));
}

#[test]
fn content_in_a_bare_line_does_not_count() {
    let seen =
        chat("{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\ndata: {}\n\n");
    assert_eq!((seen.kinds(), seen.complete), (vec![Lifecycle], false));
}

#[test]
fn an_event_without_its_blank_line_counts_only_as_an_error() {
    let seen = chat(finished(0).trim_end());
    assert!(seen.partial && !seen.complete && seen.events.is_empty());
    let seen = chat("data: [DONE]\n");
    assert!(seen.partial && !seen.done);
    for stream in
        ["{\"error\":{\"message\":\"m\"}}", "data: {\"error\":{\"message\":\"m\"}}\n", "{\"error\":\"m\","]
    {
        let seen = chat(stream);
        assert!(seen.partial);
        assert_eq!(seen.error_message(), Some("m"), "{stream}");
    }
    assert!(chat("data: {\"error\":{\"message\":\"m").error.is_none());
    assert!(!chat(": ping\n").partial);
    assert!(!chat("data: {}\n\n: ping").partial);
}

#[test]
fn data_of_several_lines_is_one_value() {
    assert_eq!(chat("data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"x\"}}]}\n\n").kinds(), [Content]);
    assert_eq!(
        chat("data: {\"choices\":[{\"delta\":{\"content\":\"x\ndata: y\"}}]}\n\n").kinds(),
        [Malformed]
    );
    assert_eq!(chat("data: 1\ndata: 2\n\n").kinds(), [Malformed]);
    assert_eq!(chat("data: [DO\ndata: NE]\n\n").kinds(), [Malformed]);
}

#[test]
fn silence_and_the_end_marker_are_known_however_they_are_written() {
    for stream in
        ["\n", ": ping\n\n", "id: 1\n\n", "event: ping\n\n", "data:\n\n", "data: \n\n", "retry: 5\n\n"]
    {
        assert_eq!(chat(stream).kinds(), [Silence], "{stream:?}");
    }
    for stream in ["data:[DONE]\n\n", "data: [DONE]\r\n\r\n", "id: 1\ndata: [DONE]\n\n", "data: [DONE] \n\n"]
    {
        let seen = chat(stream);
        assert_eq!((seen.kinds(), seen.done), (vec![Done], true), "{stream:?}");
    }
    for stream in ["data: [DONE\n\n", "data:  [DONE]\n\n", "data: {\n\n", "data: hello\n\n", "data: {}]\n\n"]
    {
        let seen = chat(stream);
        assert_eq!((seen.kinds(), seen.done), (vec![Malformed], false), "{stream:?}");
    }
    assert_eq!(chat("data: 1\n\ndata: []\n\n").kinds(), [Lifecycle, Lifecycle]);
}

#[test]
fn a_malformed_event_adds_nothing() {
    let cut = finished(0).replace("]}", "]");
    let seen = chat(&format!("{cut}data: {{\"usage\":{{\"prompt_tokens\":1}}\n\n"));
    assert_eq!(seen.kinds(), [Malformed, Malformed]);
    assert!(!seen.complete && seen.usage.is_none());
}

#[test]
fn the_last_usage_that_is_one_counts() {
    let stream = "data: {\"usage\":{\"prompt_tokens\":1}}\n\ndata: {\"usage\":{\"prompt_tokens\":2}}\n\ndata: {\"usage\":null}\n\n";
    assert_eq!(chat(stream).usage, Some(Usage { input: Some(2), ..Usage::default() }));
    assert_eq!(chat("data: {\"choices\":[],\"usage\":null}\n\n").usage, None);
}

#[test]
fn the_types_of_responses_are_told_apart() {
    for (name, kind) in [
        ("response.queued", Lifecycle),
        ("response.output_item.added", Lifecycle),
        ("response.some_new.thing", Lifecycle),
        ("response.function_call_arguments.delta", Content),
        ("response.some_new.delta", Content),
        ("response.output_item.done", Content),
        ("response.incomplete", Terminal),
        ("response.failed", Error),
        ("error", Error),
    ] {
        assert_eq!(responses(&format!("data: {{\"type\":\"{name}\"}}\n\n")).kinds(), [kind], "{name}");
        assert_eq!(
            responses(&format!("event: {name}\ndata: {{}}\n\n")).kinds(),
            [kind],
            "{name} by its event line"
        );
    }
    assert_eq!(responses("event: response.completed\ndata: {\"type\":\"x.delta\"}\n\n").kinds(), [Content]);
}

#[test]
fn bad_utf8_and_a_megabyte_in_one_line_are_read_in_little_memory() {
    assert!(size_of::<StreamScanner>() < 1_100, "{}", size_of::<StreamScanner>());
    let mut stream = b"data: {\"error\":{\"message\":\"".to_vec();
    stream.extend(std::iter::repeat_n(b'\xff', 1 << 20));
    stream.extend_from_slice(b"ok\"}}\n\n");
    assert_eq!(scan(Shape::Chat, stream.chunks(1)).kinds(), [Error]);
    let long = chunk(&format!(r#"{{"delta":{{"content":"{}"}}}}"#, "x\\n".repeat(1 << 19)));
    assert_eq!(scan(Shape::Chat, long.as_bytes().chunks(1_000)).kinds(), [Content]);
    for unit in
        ["\n", "\r", "x", ":", "data:", "data:[", "data\n", "{", "event:", "{\n", "data:{\n{\n", "\u{feff}"]
    {
        let text = unit.repeat((1 << 20) / unit.len());
        let whole = scan(Shape::Chat, [text.as_bytes()]);
        assert_eq!(
            ends_after_line_ends(text.as_bytes(), scan(Shape::Chat, text.as_bytes().chunks(1))),
            whole
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_splits_give_the_same(which in any::<prop::sample::Index>(), lengths in prop::collection::vec(1_usize..60, 1..200)) {
        let corpus = corpus();
        let (shape, stream) = &corpus[which.index(corpus.len())];
        let mut rest = stream.as_bytes();
        let mut pieces = Vec::new();
        for length in lengths.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, after) = rest.split_at(rest.len().min(*length));
            pieces.push(piece);
            rest = after;
        }
        let seen = ends_after_line_ends(stream.as_bytes(), scan(*shape, pieces));
        prop_assert_eq!(seen, scan(*shape, [stream.as_bytes()]));
    }

    #[test]
    fn random_lines_are_read_the_same_however_they_are_split(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "data:", " ", "event:", "error", "id:1", ":", "\n", "\r", "\r\n", "\n\n", "{", "}", "\"error\":", "\"x\"", "[DONE]",
            "{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}", "\u{feff}", ",", "[", "]", "d", "null",
        ]), 0..40),
        size in 1_usize..9,
    ) {
        let stream = tokens.concat();
        for shape in [Shape::Chat, Shape::Responses, Shape::Messages] {
            let seen = ends_after_line_ends(stream.as_bytes(), scan(shape, stream.as_bytes().chunks(size)));
            prop_assert_eq!(seen, scan(shape, [stream.as_bytes()]));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000), size in 1_usize..50) {
        for shape in [Shape::Chat, Shape::Responses, Shape::Messages] {
            let seen = ends_after_line_ends(&bytes, scan(shape, bytes.chunks(size)));
            prop_assert_eq!(seen, scan(shape, [&bytes[..]]));
        }
    }
}

#[test]
fn messages_end_with_their_own_event_and_count_what_was_cached_as_input() {
    let whole = messages(MESSAGES);
    assert_eq!(
        whole.kinds(),
        [Lifecycle, Lifecycle, Silence, Content, Lifecycle, Content, Lifecycle, Lifecycle, Terminal]
    );
    assert!(whole.complete);
    let usage = Usage { input: Some(135), output: Some(15), cached: Some(100), reasoning: None };
    assert_eq!((whole.content_events, whole.usage), (2, Some(usage)));
    let cut = MESSAGES.split("event: message_stop").next().unwrap();
    assert!(!messages(cut).complete);
}

#[test]
fn an_error_event_of_messages_is_told_with_its_type() {
    let stream = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let seen = messages(stream);
    assert_eq!(seen.kinds(), [Error]);
    assert_eq!(seen.error.unwrap()[1].as_deref(), Some("overloaded_error"));
}

#[test]
fn completions_without_a_chat_have_their_text_in_the_choice() {
    let text = |text: &str, finish: &str| {
        format!(
            "data: {{\"object\":\"text_completion\",\"choices\":[{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let seen =
        chat(&format!("{}{}{}data: [DONE]\n\n", text("", "null"), text("Hi", "null"), text("", "\"stop\"")));
    assert_eq!(seen.kinds(), [Lifecycle, Content, Finish, Done]);
    assert!(seen.complete);
}
