//! Frames as such, their lengths, flags and padding: RFC 9113 sections 4.1, 4.2, 5.5 and 6.

use crate::support::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME_SIZE_ERROR, HEADERS, PADDED, PRIORITY, PROTOCOL_ERROR,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, frame, settings, sized,
};
use crate::{Answers, BODY, Corpus, Ends, Serves, bare, body, chat, fields, get, head};

pub(crate) fn cases(corpus: &mut Corpus) {
    unknown(corpus);
    lengths(corpus);
    padding(corpus);
    priorities(corpus);
    continuations(corpus);
}

fn unknown(corpus: &mut Corpus) {
    let clause = "H 4.1, 5.5";
    for kind in [0x0a, 0x0c, 0x10, 0x7f, 0xff] {
        let name = format!("a frame of type {kind:#x}");
        corpus.add(
            clause,
            name,
            &[frame(kind, 0xff, 0, b"anything"), frame(kind, 0, 99, b""), chat(1)],
            Serves(1),
        );
    }
    corpus.add(
        clause,
        "an unknown frame within a request",
        &[head(1, &fields(&[])), frame(0x42, 0, 1, b"x"), body(1)],
        Serves(1),
    );
    corpus.add(
        clause,
        "an unknown frame within a field block",
        &[frame(HEADERS, END_STREAM, 1, &get()), frame(0x42, 0, 1, b"x")],
        Ends(PROTOCOL_ERROR),
    );
    corpus.add(
        clause,
        "an unknown frame that is too long",
        &[sized((1 << 14) + 1, 0x42, 0, 0, b"")],
        Ends(FRAME_SIZE_ERROR),
    );
    corpus.add(
        clause,
        "flags that mean nothing",
        &[frame(HEADERS, END_HEADERS | 0xd2, 1, &fields(&[])), frame(DATA, END_STREAM | 0xf6, 1, BODY)],
        Serves(1),
    );
    corpus.add(
        clause,
        "flags that mean nothing, on SETTINGS",
        &[frame(SETTINGS, 0xfe, 0, b""), chat(1)],
        Serves(1),
    );
    let reserved = 1 << 31;
    corpus.add(
        "H 4.1",
        "the reserved bit of stream ids",
        &[head(reserved | 1, &fields(&[])), body(reserved | 1)],
        Serves(1),
    );
}

fn lengths(corpus: &mut Corpus) {
    let clause = "H 4.2";
    for (name, kind, stream) in
        [("DATA", DATA, 1), ("HEADERS", HEADERS, 1), ("SETTINGS", SETTINGS, 0), ("PRIORITY", PRIORITY, 1)]
    {
        let name = format!("{name} longer than was allowed");
        corpus.add(clause, name, &[sized((1 << 14) + 1, kind, 0, stream, b"")], Ends(FRAME_SIZE_ERROR));
    }
    corpus.add(clause, "a frame of 16 MiB", &[sized((1 << 24) - 1, DATA, 0, 1, b"")], Ends(FRAME_SIZE_ERROR));
    let long = [&br#"{"model":"summary","x":""#[..], &vec![b'x'; (1 << 14) - 26], br#""}"#].concat();
    corpus.add(
        clause,
        "DATA as long as was allowed",
        &[head(1, &fields(&[])), frame(DATA, END_STREAM, 1, &long)],
        Serves(1),
    );
    for length in [0, 3, 5, 8] {
        let bytes = vec![1; length];
        corpus.add(
            "H 6.4",
            format!("RST_STREAM of {length} bytes"),
            &[head(1, &fields(&[])), frame(RST_STREAM, 0, 1, &bytes)],
            Ends(FRAME_SIZE_ERROR),
        );
        corpus.add(
            "H 6.9",
            format!("WINDOW_UPDATE of {length} bytes"),
            &[frame(WINDOW_UPDATE, 0, 0, &bytes)],
            Ends(FRAME_SIZE_ERROR),
        );
        if length != 5 {
            corpus.add(
                "H 6.3",
                format!("PRIORITY of {length} bytes"),
                &[frame(PRIORITY, 0, 1, &bytes)],
                Ends(FRAME_SIZE_ERROR),
            );
        }
    }
    corpus.add("H 6.2", "HEADERS too short for its priority", &[frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &[0; 4])], Ends(FRAME_SIZE_ERROR)).but(
        Ends(PROTOCOL_ERROR),
        "h2 tells another code; which fields are missing is known only once padding is read, and the connection ends",
    );
    corpus.add(
        "H 6.1",
        "DATA too short for its padding",
        &[head(1, &fields(&[])), frame(DATA, PADDED, 1, b"")],
        Ends(PROTOCOL_ERROR),
    );
    corpus.add(
        "H 6.2",
        "HEADERS too short for its padding",
        &[frame(HEADERS, END_HEADERS | PADDED, 1, b"")],
        Ends(PROTOCOL_ERROR),
    );
}

fn padding(corpus: &mut Corpus) {
    let padded = |length: u8, data: &[u8], pad: usize| [&[length], data, &vec![0; pad]].concat();
    for (name, length, pad) in
        [("no padding", 0, 0), ("one byte of padding", 1, 1), ("all padding there can be", 255, 255)]
    {
        corpus.add(
            "H 6.1",
            format!("DATA with {name}"),
            &[head(1, &fields(&[])), frame(DATA, END_STREAM | PADDED, 1, &padded(length, BODY, pad))],
            Serves(1),
        );
        corpus.add(
            "H 6.2",
            format!("HEADERS with {name}"),
            &[frame(HEADERS, END_HEADERS | PADDED, 1, &padded(length, &fields(&[]), pad)), body(1)],
            Serves(1),
        );
    }
    for (name, length) in
        [("as long as the frame", 5), ("longer than the frame", 6), ("much longer than the frame", 255)]
    {
        corpus.add(
            "H 6.1",
            format!("DATA with padding {name}"),
            &[head(1, &fields(&[])), frame(DATA, PADDED, 1, &padded(length, b"", 4))],
            Ends(PROTOCOL_ERROR),
        );
        corpus.add(
            "H 6.2",
            format!("HEADERS with padding {name}"),
            &[frame(HEADERS, END_HEADERS | PADDED, 1, &padded(length, b"", 4))],
            Ends(PROTOCOL_ERROR),
        );
    }
    // A request of padding alone is one without a body.
    corpus.add(
        "H 6.1",
        "a body of padding",
        &[head(1, &fields(&[])), frame(DATA, END_STREAM | PADDED, 1, &padded(9, b"", 9))],
        Answers(400),
    );
    let all = frame(
        HEADERS,
        END_HEADERS | PADDED | WITH_PRIORITY,
        1,
        &padded(3, &[&[0, 0, 0, 0, 16], &fields(&[])[..]].concat(), 3),
    );
    corpus.add("H 6.2", "HEADERS with priority and padding", &[all, body(1)], Serves(1));
}

fn priorities(corpus: &mut Corpus) {
    let priority =
        |stream, depends: u32| frame(PRIORITY, 0, stream, &[&depends.to_be_bytes()[..], &[255]].concat());
    let clause = "H 5.3.2, 6.3";
    corpus.add(clause, "PRIORITY on stream 0", &[priority(0, 1)], Ends(PROTOCOL_ERROR));
    for (name, stream, depends) in [
        ("an idle stream", 1, 0),
        ("a stream far away", 2_000_001, 0),
        ("a stream of the other side", 2, 0),
        ("one that depends on an idle stream", 1, 9),
        ("one that is exclusive", 1, 1 << 31),
    ] {
        corpus.add(clause, format!("PRIORITY on {name}"), &[priority(stream, depends), chat(1)], Serves(1));
    }
    corpus.add(
        clause,
        "PRIORITY within a request",
        &[head(1, &fields(&[])), priority(1, 0), body(1)],
        Serves(1),
    );
    corpus.add(clause, "PRIORITY after a request", &[chat(1), priority(1, 0), chat(3)], Serves(2));
    // RFC 9113 section 5.3.2 has done away with dependencies; RFC 7540 section 5.3.1 called this an error of the stream.
    corpus.add("H 5.3.2", "a stream that depends on itself", &[chat(1), priority(3, 3), chat(3)], Serves(2));
}

fn continuations(corpus: &mut Corpus) {
    let clause = "H 6.10, 4.3";
    let whole = fields(&[]);
    let (first, rest) = whole.split_at(40);
    let start = || frame(HEADERS, 0, 1, first);
    let more = |flags, stream, bytes: &[u8]| frame(CONTINUATION, flags, stream, bytes);
    corpus.add(
        clause,
        "a field block in two frames",
        &[start(), more(END_HEADERS, 1, rest), body(1)],
        Serves(1),
    );
    corpus.add(
        clause,
        "a field block with an empty end",
        &[frame(HEADERS, 0, 1, &whole), more(END_HEADERS, 1, b""), body(1)],
        Serves(1),
    );
    corpus.add(
        clause,
        "a field block with an empty beginning",
        &[frame(HEADERS, 0, 1, b""), more(END_HEADERS, 1, &whole), body(1)],
        Serves(1),
    );
    let pieces: Vec<Vec<u8>> = rest.chunks(rest.len().div_ceil(4)).map(|piece| more(0, 1, piece)).collect();
    corpus.add(
        clause,
        "a field block in six frames",
        &[start(), pieces.concat(), more(END_HEADERS, 1, b""), body(1)],
        Serves(1),
    );
    let ends = frame(HEADERS, END_STREAM, 1, &get());
    corpus.add(
        clause,
        "the end of the stream before that of its head",
        &[ends, more(END_HEADERS, 1, b"")],
        Serves(1),
    );
    interrupted(corpus, clause);
}

/// What must not come within a field block, and what must not follow one.
fn interrupted(corpus: &mut Corpus, clause: &'static str) {
    let whole = fields(&[]);
    let (first, rest) = whole.split_at(40);
    let start = || frame(HEADERS, 0, 1, first);
    let more = |flags, stream, bytes: &[u8]| frame(CONTINUATION, flags, stream, bytes);
    for (name, between) in [
        ("DATA", frame(DATA, 0, 1, b"x")),
        ("HEADERS of the same stream", frame(HEADERS, END_HEADERS, 1, rest)),
        ("HEADERS of another stream", chat(3)),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &[0; 4])),
        ("SETTINGS", settings(&[])),
        ("PING", frame(6, 0, 0, &[0; 8])),
        ("GOAWAY", frame(7, 0, 0, &[0; 8])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("CONTINUATION of another stream", more(END_HEADERS, 3, rest)),
        ("CONTINUATION of stream 0", more(END_HEADERS, 0, rest)),
    ] {
        corpus.add(clause, format!("{name} within a field block"), &[start(), between], Ends(PROTOCOL_ERROR));
    }
    corpus.add(clause, "CONTINUATION of nothing", &[more(END_HEADERS, 1, &whole)], Ends(PROTOCOL_ERROR));
    corpus.add(
        clause,
        "CONTINUATION after a whole head",
        &[head(1, &whole), more(END_HEADERS, 1, b"")],
        Ends(PROTOCOL_ERROR),
    );
    corpus.add(
        clause,
        "CONTINUATION after DATA",
        &[head(1, &whole), frame(DATA, 0, 1, b"x"), more(END_HEADERS, 1, b"")],
        Ends(PROTOCOL_ERROR),
    );
    corpus.add(
        clause,
        "CONTINUATION after the end of a field block",
        &[start(), more(END_HEADERS, 1, rest), more(END_HEADERS, 1, b"")],
        Ends(PROTOCOL_ERROR),
    );
    corpus
        .add(
            "H 6.6, 8.4",
            "PUSH_PROMISE of a caller",
            &[bare(1, &get()), frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], &get()[..]].concat())],
            Ends(PROTOCOL_ERROR),
        )
        .after_whole_requests(1);
    corpus.add(
        "H 6.6",
        "PUSH_PROMISE on stream 0",
        &[frame(PUSH_PROMISE, END_HEADERS, 0, &[0, 0, 0, 2])],
        Ends(PROTOCOL_ERROR),
    );
}
