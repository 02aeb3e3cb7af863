//! Streams and what may come on them when: RFC 9113 sections 5.1, 5.4 and 6.4.

use crate::support::h2::{
    CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM,
    STREAM_CLOSED, frame, reset, window_update,
};
use crate::{BODY, Becomes, Corpus, Ends, Resets, Serves, bare, body, chat, fields, get, head};

pub(crate) fn cases(corpus: &mut Corpus) {
    ids(corpus);
    idle(corpus);
    half_closed(corpus);
    closed(corpus);
    at_once(corpus);
}

fn ids(corpus: &mut Corpus) {
    let clause = "H 5.1.1";
    corpus.add(clause, "an even stream", &[bare(2, &get())], Ends(PROTOCOL_ERROR));
    corpus.add(clause, "HEADERS on stream 0", &[bare(0, &get())], Ends(PROTOCOL_ERROR));
    corpus
        .add(clause, "a stream below the last", &[chat(5), bare(3, &get())], Ends(PROTOCOL_ERROR))
        .after_whole_requests(1);
    corpus.add(clause, "streams with gaps", &[chat(1), chat(7), chat(1_001)], Serves(3));
    corpus.add(clause, "the last stream there is", &[chat((1 << 31) - 1)], Serves(1));
    corpus
        .add(
            clause,
            "a stream after the last there is",
            &[chat((1 << 31) - 1), bare(1, &get())],
            Ends(PROTOCOL_ERROR),
        )
        .after_whole_requests(1);
    corpus.add("H 6.1", "DATA on stream 0", &[frame(DATA, 0, 0, b"x")], Ends(PROTOCOL_ERROR));
    corpus.add("H 6.4", "RST_STREAM on stream 0", &[reset(0, CANCEL)], Ends(PROTOCOL_ERROR));
}

fn idle(corpus: &mut Corpus) {
    let clause = "H 5.1";
    for stream in [1, 2, 9] {
        corpus.add(
            clause,
            format!("DATA on idle stream {stream}"),
            &[frame(DATA, 0, stream, b"x")],
            Ends(PROTOCOL_ERROR),
        );
        corpus.add(
            clause,
            format!("RST_STREAM on idle stream {stream}"),
            &[reset(stream, CANCEL)],
            Ends(PROTOCOL_ERROR),
        );
        corpus.add(
            clause,
            format!("WINDOW_UPDATE on idle stream {stream}"),
            &[window_update(stream, 1)],
            Ends(PROTOCOL_ERROR),
        );
    }
    corpus
        .add(
            clause,
            "DATA on an idle stream above one that was used",
            &[chat(1), frame(DATA, 0, 3, b"x")],
            Ends(PROTOCOL_ERROR),
        )
        .after_whole_requests(1);
}

/// How h2 treats what comes on a stream after its end.
pub(crate) const TOO_LATE: (Becomes, &str) = (
    Ends(PROTOCOL_ERROR),
    "h2 ends the connection where an error of the stream would do, as section 5.4.2 lets it, and tells another code",
);

fn half_closed(corpus: &mut Corpus) {
    let clause = "H 5.1";
    for (name, late) in [
        ("DATA after the end of a request", [bare(1, &get()), frame(DATA, 0, 1, b"x")]),
        ("empty DATA after the end of a request", [bare(1, &get()), frame(DATA, END_STREAM, 1, b"")]),
        ("DATA after DATA that ended it", [chat(1), body(1)]),
        ("HEADERS after the end of a request", [bare(1, &get()), bare(1, &get())]),
    ] {
        corpus
            .add(clause, name, &late, Resets(1, STREAM_CLOSED))
            .after_whole_requests(1)
            .but(TOO_LATE.0, TOO_LATE.1);
    }
    corpus.add(
        clause,
        "WINDOW_UPDATE after the end of a request",
        &[bare(1, &get()), window_update(1, 10)],
        Serves(1),
    );
    corpus.add(
        "H 8.1",
        "HEADERS again, and no end",
        &[head(1, &fields(&[])), head(1, &fields(&[])), body(1)],
        Resets(1, PROTOCOL_ERROR),
    );
}

fn closed(corpus: &mut Corpus) {
    let clause = "H 5.1, 5.4.2";
    let left = |stream| [head(stream, &fields(&[])), reset(stream, CANCEL)].concat();
    corpus.add(clause, "a request that is taken back", &[left(1), chat(3)], Serves(1));
    corpus.add(
        clause,
        "a request that is taken back twice",
        &[left(1), reset(1, CANCEL), chat(3)],
        Serves(1),
    );
    corpus.add(
        "H 7",
        "a request that is taken back for a reason nobody knows",
        &[head(1, &fields(&[])), reset(1, 0xff), chat(3)],
        Serves(1),
    );
    corpus.add(clause, "DATA after RST_STREAM", &[left(1), body(1)], Resets(1, STREAM_CLOSED));
    corpus
        .add(clause, "HEADERS after RST_STREAM", &[left(1), bare(1, &get())], Ends(STREAM_CLOSED))
        .but(TOO_LATE.0, TOO_LATE.1);
    corpus.add(clause, "WINDOW_UPDATE after RST_STREAM", &[left(1), window_update(1, 1), chat(3)], Serves(1));
    corpus
        .add(clause, "a whole request that is taken back", &[chat(1), reset(1, CANCEL), chat(3)], Serves(1))
        .after_whole_requests(2);
    corpus.add(
        "H 6.4",
        "RST_STREAM with NO_ERROR",
        &[head(1, &fields(&[])), frame(RST_STREAM, 0xff, 1, &[0; 4]), chat(3)],
        Serves(1),
    );
}

fn at_once(corpus: &mut Corpus) {
    let many = |count: u32| -> Vec<u8> { (0..count).flat_map(|at| head(at * 2 + 1, &fields(&[]))).collect() };
    let ends = |count: u32| -> Vec<u8> { (0..count).flat_map(|at| body(at * 2 + 1)).collect() };
    corpus.add(
        "H 5.1.2",
        "as many streams as were allowed",
        &[many(STREAMS), ends(STREAMS)],
        Serves(STREAMS as usize),
    );
    corpus.add(
        "H 5.1.2",
        "one stream too many",
        &[many(STREAMS + 1)],
        Resets(STREAMS * 2 + 1, REFUSED_STREAM),
    );
    corpus.add(
        "H 5.1",
        "requests whose frames are mixed",
        &[
            head(1, &fields(&[])),
            head(3, &fields(&[])),
            frame(DATA, 0, 3, &BODY[..5]),
            frame(DATA, 0, 1, &BODY[..9]),
            frame(DATA, END_STREAM, 3, &BODY[5..]),
            frame(DATA, END_STREAM, 1, &BODY[9..]),
        ],
        Serves(2),
    );
    corpus
        .add(
            "H 5.4.2",
            "a mistake on one stream of two",
            &[
                head(1, &fields(&[])),
                frame(HEADERS, END_HEADERS | END_STREAM, 3, &fields(&[("upgrade", "x")])),
                body(1),
            ],
            Resets(3, PROTOCOL_ERROR),
        )
        .after_whole_requests(1);
}

/// What the gateway announces; [`crate::sending`] looks that it does.
pub(crate) const STREAMS: u32 = 256;
