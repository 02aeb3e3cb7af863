//! Fields: names, values, what belongs to one connection, how much there may be. RFC 9113 section 8.2.

use crate::messages::MALFORMED_AS_ERROR;
use crate::support::h2::{ENHANCE_YOUR_CALM, PROTOCOL_ERROR, literal};
use crate::{Answers, Corpus, Ends, Resets, Serves, body, fields, head};

pub(crate) fn cases(corpus: &mut Corpus) {
    names_and_values(corpus);
    of_one_connection(corpus);
    sizes(corpus);
}

/// A chat with one more field.
fn with(name: &[u8], value: &[u8]) -> [Vec<u8>; 2] {
    [head(1, &[fields(&[]), literal(name, value)].concat()), body(1)]
}

fn names_and_values(corpus: &mut Corpus) {
    let malformed = Resets(1, PROTOCOL_ERROR);
    for name in [
        &b"X-A"[..],
        b"x-A",
        b"x a",
        b" x-a",
        b"x-a ",
        b"x\0a",
        b"x\x1fa",
        b"x\x7fa",
        b"x\xe9",
        b"x:a",
        b"x\r\na",
        b"x[a]",
        b"",
    ] {
        let case = format!("name {:?}", String::from_utf8_lossy(name));
        corpus
            .add("H 8.2, 8.2.1", case, &with(name, b"b"), malformed)
            .but(MALFORMED_AS_ERROR.0, MALFORMED_AS_ERROR.1);
    }
    for value in [&b"b\0c"[..], b"b\rc", b"b\nc", b"b\r\nx-c: d", b"\0", b"b\x7fc", b"b\x01c"] {
        let case = format!("value {:?}", String::from_utf8_lossy(value));
        corpus
            .add("H 8.2.1", case, &with(b"x-a", value), malformed)
            .but(MALFORMED_AS_ERROR.0, MALFORMED_AS_ERROR.1);
    }
    for value in [&b" b"[..], b"b ", b"\tb", b"b\t", b" ", b" chunked "] {
        let case = format!("value {:?}", String::from_utf8_lossy(value));
        corpus.add("H 8.2.1", case, &with(b"x-a", value), Answers(400));
    }
    corpus.add("H 8.2.1", "a length with a space before", &with(b"content-length", b" 19"), malformed);
    for (case, name, value) in [
        ("an empty value", &b"x-a"[..], &b""[..]),
        ("bytes beyond ASCII in a value", b"x-a", b"b\xe9c"),
        ("a tab within a value", b"x-a", b"b\tc"),
        ("every mark in a name", b"!#$%&'*+-.^_`|~", b"b"),
        // No token of RFC 9110; section 8.2.1 does not ask for one, and the field does not go on.
        ("quotes in a name", b"\"x\"", b"b"),
        ("underscores are another field", b"content_length", b"3"),
        ("underscores are another coding", b"transfer_encoding", b"chunked"),
    ] {
        corpus.add("H 8.2.1", case, &with(name, value), Serves(1));
    }
    let crumbs = [head(1, &fields(&[("cookie", "leak=1"), ("cookie", "leak=2")])), body(1)];
    corpus.add("H 8.2.3", "a cookie in crumbs", &crumbs, Serves(1));
    corpus.add("S 7.2", "a host that is none", &with(b"host", b"x/y"), Answers(400));
    corpus.add("S 10.1.1", "an unknown expectation", &with(b"expect", b"200-ok"), Answers(417));
    corpus.add("S 10.1.1", "an expectation", &with(b"expect", b"100-continue"), Serves(1));
}

fn of_one_connection(corpus: &mut Corpus) {
    let clause = "H 8.2.2";
    for (name, value) in [
        ("connection", "close"),
        ("connection", "authorization"),
        ("connection", ""),
        ("proxy-connection", "keep-alive"),
        ("keep-alive", "timeout=9"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
        ("upgrade", "h2c"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", "trailers;q=1"),
        ("te", ""),
    ] {
        let case = format!("{name}: {value}");
        corpus.add(clause, case, &with(name.as_bytes(), value.as_bytes()), Resets(1, PROTOCOL_ERROR));
    }
    corpus.add(clause, "te: trailers", &with(b"te", b"trailers"), Serves(1));
    let both = [head(1, &fields(&[("transfer-encoding", "chunked"), ("content-length", "4")])), body(1)];
    corpus.add(clause, "a coding and a length", &both, Resets(1, PROTOCOL_ERROR));
    for (name, value) in [
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("proxy-authorization", "leak"),
        ("forwarded", "for=leak"),
        ("via", "2 leak"),
        ("max-forwards", "0"),
        ("trailer", "x-a"),
        ("cookie", "leak"),
        ("x-forwarded-host", "leak"),
    ] {
        corpus.add(
            "S 7.6",
            format!("{name} stays behind"),
            &with(name.as_bytes(), value.as_bytes()),
            Serves(1),
        );
    }
}

fn sizes(corpus: &mut Corpus) {
    let clause = "H 10.5.1";
    corpus.add(clause, "a list as large as was allowed", &with(b"x-a", &[b'a'; 15 << 10]), Serves(1));
    let long = |length: usize| {
        let block = [fields(&[]), literal(b"x-a", &vec![b'a'; length])].concat();
        let (first, rest) = block.split_at(16 << 10);
        let more =
            rest.chunks(16 << 10).map(|piece| crate::support::h2::frame(9, 0, 1, piece)).collect::<Vec<_>>();
        vec![
            crate::support::h2::frame(1, 1, 1, first),
            more.concat(),
            crate::support::h2::frame(9, 4, 1, b""),
        ]
    };
    corpus.add(clause, "a list larger than was allowed", &long(17 << 10), Answers(431));
    let many: Vec<u8> = (0..600).flat_map(|at| literal(format!("x-{at}").as_bytes(), b"b")).collect();
    corpus.add(
        clause,
        "six hundred fields",
        &[head(1, &[fields(&[]), many].concat()), body(1)],
        Answers(431),
    );
    corpus.add(clause, "a field of 300 KB", &long(300 << 10), Ends(ENHANCE_YOUR_CALM));
}
