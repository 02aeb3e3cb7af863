//! Requests as messages: pseudo-fields, lengths, trailers, CONNECT. RFC 9113 sections 8.1, 8.3 and 8.5.

use crate::streams::TOO_LATE;
use crate::support::h2::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR, STREAM_CLOSED, block, frame,
};
use crate::{Answers, BODY, Corpus, Resets, Serves, bare, body, chat, fields, head, pseudo};

pub(crate) fn cases(corpus: &mut Corpus) {
    pseudo_fields(corpus);
    targets(corpus);
    lengths(corpus);
    trailers(corpus);
    connects(corpus);
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/v1/files");
const AUTHORITY: (&str, &str) = (":authority", "x");

fn pseudo_fields(corpus: &mut Corpus) {
    let clause = "H 8.3, 8.3.1";
    let malformed = Resets(1, PROTOCOL_ERROR);
    for (name, given) in [
        ("no method", &[SCHEME, PATH, AUTHORITY][..]),
        ("no scheme", &[METHOD, PATH, AUTHORITY]),
        ("no path", &[METHOD, SCHEME, AUTHORITY]),
        ("no pseudo-field", &[]),
        ("an empty path", &[METHOD, SCHEME, (":path", ""), AUTHORITY]),
        ("two methods", &[METHOD, METHOD, SCHEME, PATH, AUTHORITY]),
        ("two schemes", &[METHOD, SCHEME, SCHEME, PATH, AUTHORITY]),
        ("two paths", &[METHOD, SCHEME, PATH, (":path", "/v1/other"), AUTHORITY]),
        ("two authorities", &[METHOD, SCHEME, PATH, AUTHORITY, (":authority", "y")]),
        ("the status of an answer", &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")]),
        (
            "the protocol of an extended CONNECT",
            &[METHOD, SCHEME, PATH, AUTHORITY, (":protocol", "websocket")],
        ),
        ("a pseudo-field after another field", &[METHOD, SCHEME, ("x-a", "b"), PATH, AUTHORITY]),
        ("a pseudo-field at the end", &[METHOD, SCHEME, AUTHORITY, ("x-a", "b"), PATH]),
        ("a scheme that is none", &[METHOD, (":scheme", "ht tp"), PATH, AUTHORITY]),
        ("an authority with a space", &[METHOD, SCHEME, PATH, (":authority", "x y")]),
        ("an authority with a path", &[METHOD, SCHEME, PATH, (":authority", "x/y")]),
    ] {
        corpus.add(clause, name, &[bare(1, &pseudo(given))], malformed);
    }
    for (name, given) in [
        ("a pseudo-field that nobody knows", &[METHOD, SCHEME, PATH, AUTHORITY, (":unknown", "x")][..]),
        ("a pseudo-field without a name", &[METHOD, SCHEME, PATH, AUTHORITY, (":", "x")]),
        ("a pseudo-field in capitals", &[(":Method", "GET"), METHOD, SCHEME, PATH, AUTHORITY]),
        ("a method with a space", &[(":method", "GET /v1/x HTTP/1.1"), SCHEME, PATH, AUTHORITY]),
        ("a method with a line end", &[(":method", "GET\r\n"), SCHEME, PATH, AUTHORITY]),
        ("an empty method", &[(":method", ""), SCHEME, PATH, AUTHORITY]),
    ] {
        corpus
            .add(clause, name, &[bare(1, &pseudo(given))], malformed)
            .but(MALFORMED_AS_ERROR.0, MALFORMED_AS_ERROR.1);
    }
    corpus.add(
        "H 8.3.1",
        "an authority with a user",
        &[bare(1, &pseudo(&[METHOD, SCHEME, PATH, (":authority", "u@x")]))],
        Answers(400),
    );
    corpus.add(
        clause,
        "no authority, but a host",
        &[bare(1, &pseudo(&[METHOD, SCHEME, PATH, ("host", "x")]))],
        Serves(1),
    );
    corpus.add(
        clause,
        "an authority and the same host",
        &[bare(1, &pseudo(&[METHOD, SCHEME, PATH, AUTHORITY, ("host", "x")]))],
        Serves(1),
    );
    corpus.add(
        clause,
        "an authority and another host",
        &[bare(1, &pseudo(&[METHOD, SCHEME, PATH, AUTHORITY, ("host", "y")]))],
        Answers(400),
    );
    corpus.add(
        clause,
        "two hosts",
        &[bare(1, &pseudo(&[METHOD, SCHEME, PATH, AUTHORITY, ("host", "x"), ("host", "x")]))],
        Answers(400),
    );
}

/// How h2 treats what its decoder cannot make a field of.
pub(crate) const MALFORMED_AS_ERROR: (crate::Becomes, &str) = (
    crate::Ends(PROTOCOL_ERROR),
    "h2 treats the malformed message as an error of the connection, as section 5.4.2 lets it",
);

fn targets(corpus: &mut Corpus) {
    let clause = "H 8.3.1, S 9";
    for (name, method, path, becomes) in [
        ("OPTIONS of everything", "OPTIONS", "*", Answers(405)),
        ("TRACE", "TRACE", "/v1/files", Answers(405)),
        ("a path without its slash", "GET", "v1/files", Resets(1, PROTOCOL_ERROR)),
        ("a whole URL as path", "GET", "http://elsewhere.example/v1/files", Resets(1, PROTOCOL_ERROR)),
        ("dots", "GET", "/v1/../secret", Answers(400)),
        ("dots in percent", "GET", "/v1/%2e%2e/secret", Answers(400)),
        ("two slashes", "GET", "/v1//files", Answers(400)),
        ("a slash in percent", "GET", "/v1/files/..%2f", Answers(400)),
        ("no API", "GET", "/", Answers(404)),
        ("a space in the path", "GET", "/v1/files HTTP/1.1", Resets(1, PROTOCOL_ERROR)),
        ("a line end in the path", "GET", "/v1/files\r\nx: y", Resets(1, PROTOCOL_ERROR)),
        ("a NUL in the path", "GET", "/v1/files\0", Resets(1, PROTOCOL_ERROR)),
        ("a query", "GET", "/v1/files?a=%20&b=c/d?e", Serves(1)),
        ("a method of its own", "PURGE", "/v1/files/a", Serves(1)),
        ("a method in small letters", "get", "/v1/files", Serves(1)),
    ] {
        corpus.add(
            clause,
            name,
            &[bare(1, &pseudo(&[(":method", method), SCHEME, (":path", path), AUTHORITY]))],
            becomes,
        );
    }
    for scheme in ["https", "HTTP", "ftp"] {
        let given = [METHOD, (":scheme", scheme), PATH, AUTHORITY];
        corpus.add("H 8.3.1", format!("scheme {scheme}"), &[bare(1, &pseudo(&given))], Serves(1));
    }
}

fn lengths(corpus: &mut Corpus) {
    let clause = "H 8.1.1, S 8.6";
    let with = |length: &str| head(1, &fields(&[("content-length", length)]));
    let malformed = Resets(1, PROTOCOL_ERROR);
    corpus.add(clause, "the length there is", &[with("19"), body(1)], Serves(1));
    corpus.add(clause, "no length", &[chat(1)], Serves(1));
    corpus.add(
        clause,
        "the length in many frames",
        &[
            with("19"),
            BODY.iter().flat_map(|byte| frame(DATA, 0, 1, &[*byte])).collect(),
            frame(DATA, END_STREAM, 1, b""),
        ],
        Serves(1),
    );
    for length in ["0", "1", "18", "20", "1000000"] {
        corpus.add(
            clause,
            format!("a length of {length} where there are 19"),
            &[with(length), body(1)],
            malformed,
        );
    }
    corpus.add(
        clause,
        "more in a second frame",
        &[with("19"), frame(DATA, 0, 1, BODY), frame(DATA, 0, 1, b"x")],
        malformed,
    );
    for length in
        ["+19", "-19", "0x13", "19.0", "1 9", "nineteen", "", "19, 19", "19,20", "99999999999999999999999"]
    {
        corpus.add(clause, format!("length {length:?}"), &[with(length), body(1)], malformed);
    }
    corpus.add(
        clause,
        "two lengths",
        &[head(1, &fields(&[("content-length", "19"), ("content-length", "20")])), body(1)],
        malformed,
    );
    // RFC 9110 section 8.6 leaves a choice, and frames leave no doubt of the end.
    corpus.add(
        clause,
        "one length twice",
        &[head(1, &fields(&[("content-length", "19"), ("content-length", "19")])), body(1)],
        Serves(1),
    );
    corpus.add(clause, "a length and no body", &[bare(1, &fields(&[("content-length", "19")]))], malformed);
    corpus.add(
        clause,
        "a length of 0 and no body",
        &[bare(1, &fields(&[("content-length", "0")]))],
        Answers(400),
    );
    corpus.add(
        clause,
        "a length and trailers too early",
        &[with("19"), frame(DATA, 0, 1, b"{"), bare(1, &block(&[("x-a", "b")]))],
        malformed,
    );
    corpus.add(
        "H 8.1",
        "a request in single bytes and empty frames",
        &[
            head(1, &fields(&[])),
            BODY.iter()
                .flat_map(|byte| [frame(DATA, 0, 1, &[*byte]), frame(DATA, 0, 1, b"")].concat())
                .collect(),
            frame(DATA, END_STREAM, 1, b""),
        ],
        Serves(1),
    );
}

fn trailers(corpus: &mut Corpus) {
    let clause = "H 8.1";
    let ended_by = |flags, fields: &[(&str, &str)]| {
        [
            head(1, &crate::fields(&[])),
            frame(DATA, 0, 1, BODY),
            frame(HEADERS, END_HEADERS | flags, 1, &block(fields)),
        ]
    };
    corpus.add(clause, "trailers", &ended_by(END_STREAM, &[("x-own", "leak")]), Serves(1));
    corpus.add(clause, "trailers without a field", &ended_by(END_STREAM, &[]), Serves(1));
    corpus.add(
        "S 6.5.1",
        "framing in trailers",
        &ended_by(END_STREAM, &[("content-length", "3"), ("authorization", "leak")]),
        Serves(1),
    );
    corpus.add(
        clause,
        "trailers that do not end",
        &ended_by(0, &[("x-own", "leak")]),
        Resets(1, PROTOCOL_ERROR),
    );
    corpus.add("H 8.3", "a pseudo-field in trailers", &ended_by(END_STREAM, &[(":path", "/v1/leak")]), Resets(1, PROTOCOL_ERROR)).but(
        Serves(1),
        "h2 drops the pseudo-field without a word; no trailer ever goes on, so nobody can be misled by it",
    );
    corpus.add(
        "H 8.2.2",
        "a field of the connection in trailers",
        &ended_by(END_STREAM, &[("connection", "leak")]),
        Resets(1, PROTOCOL_ERROR),
    );
    corpus.add(
        "H 8.2.2",
        "a coding in trailers",
        &ended_by(END_STREAM, &[("transfer-encoding", "chunked")]),
        Resets(1, PROTOCOL_ERROR),
    );
    let mut more = ended_by(END_STREAM, &[("x-a", "b")]).to_vec();
    more.push(body(1));
    corpus
        .add("H 5.1", "DATA after trailers", &more, Resets(1, STREAM_CLOSED))
        .after_whole_requests(1)
        .but(TOO_LATE.0, TOO_LATE.1);
}

fn connects(corpus: &mut Corpus) {
    let clause = "H 8.5";
    let connect = (":method", "CONNECT");
    let malformed = Resets(1, PROTOCOL_ERROR);
    corpus.add(clause, "CONNECT", &[bare(1, &pseudo(&[connect, (":authority", "x:443")]))], Answers(405));
    corpus.add(
        clause,
        "CONNECT that stays open",
        &[
            head(1, &pseudo(&[connect, (":authority", "x:443")])),
            frame(DATA, 0, 1, b"GET / HTTP/1.1\r\n\r\n"),
        ],
        Answers(405),
    );
    corpus.add(
        clause,
        "CONNECT with a scheme",
        &[bare(1, &pseudo(&[connect, SCHEME, (":authority", "x:443")]))],
        malformed,
    );
    corpus.add(
        clause,
        "CONNECT with a path",
        &[bare(1, &pseudo(&[connect, PATH, (":authority", "x:443")]))],
        malformed,
    );
    corpus.add(
        clause,
        "CONNECT with everything",
        &[bare(1, &pseudo(&[connect, SCHEME, PATH, AUTHORITY]))],
        malformed,
    );
    // Refused as every CONNECT is, and not only for what is missing.
    corpus.add(clause, "CONNECT to nobody", &[bare(1, &pseudo(&[connect]))], Answers(405));
    corpus.add(
        "RFC 8441 3",
        "an extended CONNECT that nobody allowed",
        &[bare(1, &pseudo(&[connect, SCHEME, PATH, AUTHORITY, (":protocol", "websocket")]))],
        malformed,
    );
}
