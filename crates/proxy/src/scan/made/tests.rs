use crate::scan::{BodyScanner, BodyShape, Shape, StreamScanner};

use super::*;

fn ids(made: &[Made]) -> Vec<&str> {
    made.iter().map(|made| &*made.id).collect()
}

const RESPONSE: &str = r#"{"id":"resp_1","object":"response","conversation":{"id":"conv_1"},"output":[
    {"type":"reasoning","id":"rs_1","encrypted_content":"sealed"},
    {"type":"code_interpreter_call","id":"ci_1","container_id":"cntr_1"},
    {"type":"message","id":"msg_1","content":[{"type":"output_text","text":"{\"id\":\"no\"}","annotations":[
        {"type":"container_file_citation","container_id":"cntr_1","file_id":"cfile_1"}]}]}],
    "metadata":{"id":"no"},"usage":{"input_tokens":1,"output_tokens":2}}"#;

const ALL: [&str; 8] = ["resp_1", "conv_1", "rs_1", "sealed", "ci_1", "cntr_1", "msg_1", "cfile_1"];

#[test]
fn a_whole_response_names_what_it_made_however_it_is_cut() {
    let body = BodyScanner::new(BodyShape::Responses, &[]);
    for size in [1, 7, 4096] {
        let mut body = BodyScanner::new(BodyShape::Responses, &[]).wanting(Wanted::Stored);
        RESPONSE.as_bytes().chunks(size).for_each(|piece| body.feed(piece));
        assert_eq!(ids(&body.take_made()), ALL);
        assert_eq!(body.finish().usage.unwrap().output, Some(2));
    }
    drop(body);
    let mut body = BodyScanner::new(BodyShape::Responses, &[]).wanting(Wanted::Unstored);
    body.feed(RESPONSE.as_bytes());
    assert_eq!(ids(&body.take_made()), ["conv_1", "sealed", "cntr_1", "cfile_1"]);
    let mut body = BodyScanner::new(BodyShape::Responses, &[]);
    body.feed(RESPONSE.as_bytes());
    assert!(body.take_made().is_empty());
}

#[test]
fn a_stream_names_the_response_first_and_the_rest_by_its_end() {
    let response = RESPONSE.replace('\n', "");
    let created =
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n";
    let delta = "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"delta\":\"x\"}\n\n";
    let done = format!("data: {{\"type\":\"response.completed\",\"response\":{response}}}\n\n");
    let mut stream = StreamScanner::new(Shape::Responses).wanting(Wanted::Stored);
    assert!(stream.next(created.as_bytes(), 0).is_some());
    assert_eq!(ids(&stream.take_made()), ["resp_1"]);
    assert!(stream.next(delta.as_bytes(), 0).is_some());
    assert!(stream.take_made().is_empty());
    assert!(stream.next(done.as_bytes(), 0).is_some());
    // What was said last is not said again at once.
    assert_eq!(ids(&stream.take_made()), ALL[1..]);
}

#[test]
fn a_completion_names_itself_if_stored_and_its_audio_in_any_case() {
    let chat =
        r#"{"id":"chatcmpl-1","choices":[{"index":0,"message":{"content":"x","audio":{"id":"audio_1"}}}]}"#;
    for (wanted, expected) in
        [(Wanted::Stored, vec!["chatcmpl-1", "audio_1"]), (Wanted::Unstored, vec!["audio_1"])]
    {
        let mut body = BodyScanner::new(BodyShape::Chat, &[]).wanting(wanted);
        body.feed(chat.as_bytes());
        assert_eq!(ids(&body.take_made()), expected);
    }
    let chunk = "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
    let mut stream = StreamScanner::new(Shape::Chat).wanting(Wanted::Stored);
    for expected in [vec!["chatcmpl-1"], vec![], vec![]] {
        assert!(stream.next(chunk.as_bytes(), 0).is_some());
        assert_eq!(ids(&stream.take_made()), expected);
    }
    let chunk = "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"audio\":{\"id\":\"audio_1\"}}}]}\n\n";
    let mut stream = StreamScanner::new(Shape::Chat).wanting(Wanted::Unstored);
    assert_eq!(stream.next(chunk.as_bytes(), 0).unwrap().kind, crate::scan::EventKind::Content);
    assert_eq!(ids(&stream.take_made()), ["audio_1"]);
}

#[test]
fn other_operations_name_what_they_make_and_what_comes_out_of_it() {
    let read = |makes, body: &str| {
        let mut scanner = MadeScanner::new(makes);
        body.bytes().for_each(|byte| scanner.feed(&[byte]));
        scanner.take()
    };
    let batch = r#"{"id":"batch_1","input_file_id":"file-0","output_file_id":"file-1","error_file_id":null}"#;
    assert_eq!(ids(&read(true, batch)), ["batch_1", "file-1"]);
    assert_eq!(ids(&read(false, batch)), ["file-1"]);
    assert_eq!(ids(&read(true, r#"{"id":"upload_1","file":{"id":"file-2"}}"#)), ["upload_1", "file-2"]);
    assert_eq!(
        ids(&read(false, r#"{"fine_tuned_model":"ft:x","result_files":["file-3"]}"#)),
        ["ft:x", "file-3"]
    );
    assert!(read(true, "[\"id\"]").is_empty());
}

#[test]
fn the_events_of_a_run_name_its_thread_however_they_are_cut() {
    let stream = concat!(
        "event: thread.run.created\ndata: {\"id\":\"run_1\",\"object\":\"thread.run\",\n",
        "data: \"thread_id\":\"thread_1\"}\n\n: ping\n\n",
        "event: thread.message.delta\ndata: {\"id\":\"msg_1\",\"delta\":{\"thread_id\":\"no\"}}\n\n",
        "event: thread.run.completed\ndata: {\"id\":\"run_1\",\"thread_id\":\"thread_1\"}\n\nevent: done\ndata: [DONE]\n\n",
    );
    for size in [1, 3, 4096] {
        let mut events = MadeInEvents::new();
        let mut made = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            events.feed(piece);
            made.extend(events.take());
        }
        let mut ids = ids(&made);
        ids.dedup();
        assert_eq!(ids, ["thread_1"], "in pieces of {size}");
    }
}
