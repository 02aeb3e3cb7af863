//! How a connection begins, and what is said of it as a whole: RFC 9113 sections 3.4, 6.5, 6.7 and 6.8.

use crate::support::h2::{
    ACK, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, NO_ERROR, PING, PREFACE, PROTOCOL_ERROR, SETTINGS,
    frame, opening, ping, settings, sized,
};
use crate::{Closes, Corpus, Ends, Serves, chat};

pub(crate) fn cases(corpus: &mut Corpus) {
    prefaces(corpus);
    settings_frames(corpus);
    pings_and_goaways(corpus);
}

fn prefaces(corpus: &mut Corpus) {
    let clause = "H 3.4";
    corpus.add(clause, "an ordinary beginning", &[chat(1)], Serves(1));
    corpus.raw(
        clause,
        "everything in one write",
        [PREFACE.to_vec(), settings(&[]), chat(1)].concat(),
        Serves(1),
    );
    corpus
        .raw(
            clause,
            "a frame before SETTINGS",
            [PREFACE.to_vec(), ping([0; 8])].concat(),
            Ends(PROTOCOL_ERROR),
        )
        .but(
            Serves(0),
            "h2 takes SETTINGS later or never; nothing depends on it, since each setting has a default",
        );
    corpus
        .raw(clause, "a request before SETTINGS", [PREFACE.to_vec(), chat(1)].concat(), Ends(PROTOCOL_ERROR))
        .after_whole_requests(1)
        .but(
            Serves(1),
            "h2 takes SETTINGS later or never; nothing depends on it, since each setting has a default",
        );
    for (name, preface) in [
        ("a preface with another end", &b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n"[..]),
        ("a preface of another version", b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"),
        ("a preface in small letters", b"pri * http/2.0\r\n\r\nsm\r\n\r\n"),
        ("a preface with bare LF", b"PRI * HTTP/2.0\n\nSM\n\n"),
        ("a preface that HTTP/1.1 could be", b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("frames without a preface", b""),
    ] {
        // Told in HTTP/1.1, since that is what it must be then.
        corpus.raw(clause, name, [preface, &settings(&[]), &chat(1)].concat(), Closes);
    }
    corpus.raw(clause, "the preface twice", [PREFACE, PREFACE].concat(), Closes);
}

fn settings_frames(corpus: &mut Corpus) {
    let clause = "H 6.5";
    for length in [1, 5, 7, 11] {
        let name = format!("SETTINGS of {length} bytes");
        corpus.add(clause, name, &[frame(SETTINGS, 0, 0, &vec![0; length])], Ends(FRAME_SIZE_ERROR));
    }
    corpus.add(clause, "SETTINGS on a stream", &[frame(SETTINGS, 0, 1, &[])], Ends(PROTOCOL_ERROR));
    corpus.add(
        clause,
        "an acknowledgement on a stream",
        &[frame(SETTINGS, ACK, 1, &[])],
        Ends(PROTOCOL_ERROR),
    );
    corpus.add(
        clause,
        "an acknowledgement with a payload",
        &[frame(SETTINGS, ACK, 0, &[0, 4, 0, 0, 0, 1])],
        Ends(FRAME_SIZE_ERROR),
    );
    let clause = "H 6.5.2";
    for (name, id, value, becomes) in [
        ("ENABLE_PUSH of 2", 2, 2, Ends(PROTOCOL_ERROR)),
        ("ENABLE_PUSH of the most", 2, u32::MAX, Ends(PROTOCOL_ERROR)),
        ("MAX_FRAME_SIZE below 2^14", 5, (1 << 14) - 1, Ends(PROTOCOL_ERROR)),
        ("MAX_FRAME_SIZE of 0", 5, 0, Ends(PROTOCOL_ERROR)),
        ("MAX_FRAME_SIZE above 2^24-1", 5, 1 << 24, Ends(PROTOCOL_ERROR)),
        ("ENABLE_CONNECT_PROTOCOL of 2 (RFC 8441 section 3)", 8, 2, Ends(PROTOCOL_ERROR)),
    ] {
        corpus.add(clause, name, &[settings(&[(id, value)])], becomes);
    }
    for (name, value) in [("above 2^31-1", 1 << 31), ("of the most", u32::MAX)] {
        let name = format!("INITIAL_WINDOW_SIZE {name}");
        corpus.add(clause, name, &[settings(&[(4, value)])], Ends(FLOW_CONTROL_ERROR)).but(
            Ends(PROTOCOL_ERROR),
            "h2 tells PROTOCOL_ERROR for every value that is out of bounds; the connection ends, as it must",
        );
    }
    for (name, id, value) in [
        ("HEADER_TABLE_SIZE of the most", 1, u32::MAX),
        ("ENABLE_PUSH of 0", 2, 0),
        ("ENABLE_PUSH of 1", 2, 1),
        ("MAX_CONCURRENT_STREAMS of 0", 3, 0),
        ("INITIAL_WINDOW_SIZE of 2^31-1", 4, (1 << 31) - 1),
        ("MAX_FRAME_SIZE of 2^24-1", 5, (1 << 24) - 1),
        ("MAX_HEADER_LIST_SIZE of the most", 6, u32::MAX),
        ("a setting that nobody knows", 0x7f, u32::MAX),
        ("setting 0", 0, 7),
        ("setting 65535", u16::MAX, 7),
    ] {
        corpus.add(clause, name, &[settings(&[(id, value)]), chat(1)], Serves(1));
    }
    let many: Vec<(u16, u32)> = (0..100).map(|at| (4, 65_535 + at)).collect();
    corpus.add("H 6.5.3", "one setting a hundred times", &[settings(&many), chat(1)], Serves(1));
    corpus.add(
        "H 6.5.3",
        "a bad value before a good one",
        &[settings(&[(2, 9), (2, 0)])],
        Ends(PROTOCOL_ERROR),
    );
    corpus.add(
        "H 6.5",
        "an acknowledgement that nobody waits for",
        &[frame(SETTINGS, ACK, 0, &[]).repeat(2), chat(1)],
        Ends(PROTOCOL_ERROR),
    );
}

fn pings_and_goaways(corpus: &mut Corpus) {
    let clause = "H 6.7";
    for length in [0, 7, 9, 16] {
        let name = format!("PING of {length} bytes");
        corpus.add(clause, name, &[frame(PING, 0, 0, &vec![0; length])], Ends(FRAME_SIZE_ERROR));
    }
    corpus.add(clause, "PING on a stream", &[frame(PING, 0, 1, &[0; 8])], Ends(PROTOCOL_ERROR));
    corpus.add(clause, "PING with every flag but ACK", &[frame(PING, 0xfe, 0, &[0; 8]), chat(1)], Serves(1));
    corpus.add(clause, "an answer to no PING", &[frame(PING, ACK, 0, &[7; 8]), chat(1)], Serves(1));
    let goaway = |stream, last: u32, code: u32, more: &[u8]| {
        frame(GOAWAY, 0, stream, &[&last.to_be_bytes()[..], &code.to_be_bytes(), more].concat())
    };
    let clause = "H 6.8";
    corpus.add(clause, "GOAWAY on a stream", &[goaway(1, 0, 0, b"")], Ends(PROTOCOL_ERROR));
    corpus.add(clause, "GOAWAY that is too short", &[frame(GOAWAY, 0, 0, &[0; 7])], Ends(FRAME_SIZE_ERROR));
    corpus.add(clause, "GOAWAY of a caller that is done", &[goaway(0, 0, 0, b"bye")], Ends(NO_ERROR));
    corpus.add("H 7", "GOAWAY with a code that nobody knows", &[goaway(0, 0, 0xff, b"")], Closes);
    let later = [goaway(0, 0, 0, b""), goaway(0, 2, 0, b"")];
    corpus.add(clause, "GOAWAY that takes back what it said", &later, Closes);
    let stated = [opening(), sized(1 << 14, GOAWAY, 0, 0, &vec![0; 1 << 14])].concat();
    corpus.raw(clause, "GOAWAY with as much as a frame holds", stated, Closes);
}
