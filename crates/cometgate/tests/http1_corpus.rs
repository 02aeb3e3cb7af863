//! HTTP/1.1 as bytes: each case is a request as somebody might send it, the clause that says what is to become of it, and
//! what the gateway answers. Whatever reaches the provider is read again, strictly, and must be one request.
//!
//! RFC 9110 is called S (semantics), RFC 9112 is called M (messaging). Where a clause leaves a choice, the stricter side
//! is taken, because somebody before or after the gateway may have taken the other one.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fmt::Write as _;

use support::lanes::in_lanes;
use support::outbound::check_outbound;
use support::wire::{WireProvider, exchange, ok};
use support::{ACME, Files, Map, Program, tenants};

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    /// Answered with this status; nothing reaches the provider, and the connection is closed or in order.
    Refused(u16),
    /// As above, and the connection must be closed.
    RefusedAndClosed(u16),
    /// So many requests reach the provider and are answered with 200.
    Served(usize),
    /// Served, and the connection is closed after it.
    ServedAndClosed,
}
use Becomes::{Refused, RefusedAndClosed, Served, ServedAndClosed};

struct Case {
    clause: &'static str,
    name: String,
    bytes: Vec<u8>,
    becomes: Becomes,
}

const BODY: &str = r#"{"model":"summary"}"#;

fn auth() -> String {
    format!("authorization: Bearer {ACME}\r\n")
}

/// A chat with these header lines and this body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}{lines}\r\n{body}", auth()).into()
}

/// A chat with its length and more header lines.
fn sized(lines: &str) -> Vec<u8> {
    post(&format!("content-length: {}\r\n{lines}", BODY.len()), BODY)
}

/// A chat in chunks, with these bytes as its body.
fn chunked(body: &str) -> Vec<u8> {
    post("transfer-encoding: chunked\r\n", body)
}

/// A request without a body, by its first line and its header lines.
fn bare(line: &str, lines: &str) -> Vec<u8> {
    format!("{line}\r\n{lines}{}\r\n", auth()).into()
}

struct Corpus(Vec<Case>);

impl Corpus {
    fn add(
        &mut self,
        clause: &'static str,
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        becomes: Becomes,
    ) {
        self.0.push(Case { clause, name: name.into(), bytes: bytes.into(), becomes });
    }

    fn lengths(&mut self) {
        let clause = "M 6.2, 6.3";
        for value in [
            "19, 19",
            "19,19",
            "+19",
            "-19",
            "0x13",
            "19.0",
            "1 9",
            "",
            "19;",
            "\"19\"",
            "19 19",
            "nineteen",
            "99999999999999999999999",
        ] {
            self.add(
                clause,
                format!("length {value:?}"),
                post(&format!("content-length: {value}\r\n"), BODY),
                RefusedAndClosed(400),
            );
        }
        self.add(clause, "one length twice", sized("content-length: 19\r\n"), RefusedAndClosed(400));
        self.add(clause, "two lengths", sized("content-length: 20\r\n"), RefusedAndClosed(400));
        self.add(
            clause,
            "two lengths, apart",
            sized("x-a: b\r\nContent-Length: 5\r\n"),
            RefusedAndClosed(400),
        );
        self.add(clause, "leading zeros", post("content-length: 0019\r\n", BODY), Served(1));
        self.add(clause, "white space around", post("content-length: \t 19 \t\r\n", BODY), Served(1));
        self.add(clause, "name in capitals", post("CONTENT-LENGTH: 19\r\n", BODY), Served(1));
        self.add(clause, "no length, so no body", post("", ""), Refused(400));
        self.add(clause, "zero length", post("content-length: 0\r\n", ""), Refused(400));
        self.add(clause, "underscores are another header", sized("content_length: 3\r\n"), Served(1));
    }

    fn codings(&mut self) {
        let clause = "M 6.1, 6.3";
        let chunks = format!("13\r\n{BODY}\r\n0\r\n\r\n");
        for value in [
            "xchunked",
            "chunked, identity",
            "gzip, chunked",
            "chunked, chunked",
            "identity",
            "chunked;q=1",
            "\"chunked\"",
            "",
            "chu nked",
            "gzip",
            "\u{b}chunked",
            "chunked,",
        ] {
            self.add(
                clause,
                format!("coding {value:?}"),
                post(&format!("transfer-encoding: {value}\r\n"), &chunks),
                RefusedAndClosed(400),
            );
        }
        for (name, lines) in [
            ("length and coding", "content-length: 4\r\ntransfer-encoding: chunked\r\n"),
            ("coding and length", "transfer-encoding: chunked\r\ncontent-length: 4\r\n"),
            (
                "length, coding and a name between",
                "content-length: 29\r\nx: y\r\ntransfer-encoding: chunked\r\n",
            ),
            ("coding twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
            ("coding and an unknown one", "transfer-encoding: chunked\r\ntransfer-encoding: x\r\n"),
            ("identity and coding", "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n"),
            ("space before the colon", "transfer-encoding : chunked\r\n"),
            ("tab before the colon", "transfer-encoding\t: chunked\r\n"),
            ("folded coding", "transfer-encoding:\r\n chunked\r\n"),
            ("NUL before the coding", "transfer-encoding: \0chunked\r\n"),
            ("bare CR before the coding", "transfer-encoding: \rchunked\r\n"),
        ] {
            self.add(clause, name, post(lines, &chunks), RefusedAndClosed(400));
        }
        for value in ["chunked", "Chunked", "CHUNKED", " chunked ", "\tchunked"] {
            self.add(
                clause,
                format!("coding {value:?}"),
                post(&format!("Transfer-Encoding:{value}\r\n"), &chunks),
                Served(1),
            );
        }
        let one_zero = format!(
            "POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\n{}transfer-encoding: chunked\r\n\r\n{chunks}",
            auth()
        );
        self.add("M 6.1", "chunks in HTTP/1.0", one_zero, RefusedAndClosed(400));
        self.add(
            clause,
            "underscores are another header",
            sized("transfer_encoding: chunked\r\n"),
            Served(1),
        );
    }

    fn chunks(&mut self) {
        let clause = "M 7.1";
        for (name, body) in [
            ("a signed size", format!("+13\r\n{BODY}\r\n0\r\n\r\n")),
            ("a negative size", format!("-1\r\n{BODY}\r\n0\r\n\r\n")),
            ("a prefixed size", format!("0x13\r\n{BODY}\r\n0\r\n\r\n")),
            ("a size that is none", format!("zz\r\n{BODY}\r\n0\r\n\r\n")),
            ("no size", format!("\r\n{BODY}\r\n0\r\n\r\n")),
            ("a size that overflows", format!("10000000000000013\r\n{BODY}\r\n0\r\n\r\n")),
            ("a size before its space", format!(" 13\r\n{BODY}\r\n0\r\n\r\n")),
            ("a size with an underscore", format!("1_3\r\n{BODY}\r\n0\r\n\r\n")),
            ("a bare LF after the size", format!("13\n{BODY}\r\n0\r\n\r\n")),
            ("a bare CR after the size", format!("13\r{BODY}\r\n0\r\n\r\n")),
            ("a bare LF in an extension", format!("13;a\n{BODY}\r\n0\r\n\r\n")),
            ("no line end after the data", format!("13\r\n{BODY}0\r\n\r\n")),
            ("a bare LF after the data", format!("13\r\n{BODY}\n0\r\n\r\n")),
            ("two bytes in place of the line end", format!("13\r\n{BODY}XX0\r\n\r\n")),
            ("data that is too long", format!("12\r\n{BODY}\r\n0\r\n\r\n")),
        ] {
            self.add(clause, name, chunked(&body), RefusedAndClosed(400));
        }
        for (name, body) in [
            ("one chunk", format!("13\r\n{BODY}\r\n0\r\n\r\n")),
            ("many chunks", format!("1\r\n{{\r\n12\r\n{}\r\n0\r\n\r\n", &BODY[1..])),
            ("an extension", format!("13;a=\"b\";c\r\n{BODY}\r\n0;d\r\n\r\n")),
            ("leading zeros", format!("00013\r\n{BODY}\r\n000\r\n\r\n")),
            ("a trailer", format!("13\r\n{BODY}\r\n0\r\nx-own: leak\r\n\r\n")),
            (
                "framing in a trailer",
                format!("13\r\n{BODY}\r\n0\r\ncontent-length: 5\r\ntransfer-encoding: x\r\n\r\n"),
            ),
        ] {
            self.add(clause, name, chunked(&body), Served(1));
        }
    }

    fn lines(&mut self) {
        let clause = "M 2.2, 5";
        for (name, lines) in [
            ("a folded line", "x-a: b\r\n c\r\n"),
            ("a folded line with a tab", "x-a: b\r\n\tc\r\n"),
            ("a line without a colon", "x-a\r\n"),
            ("a line without a name", ": b\r\n"),
            ("a space in a name", "x a: b\r\n"),
            ("a space after a name", "x-a : b\r\n"),
            ("a NUL in a value", "x-a: b\0c\r\n"),
            ("a bare CR in a value", "x-a: b\rc\r\n"),
            ("a bare LF as line end", "x-a: b\nx-c: d\r\n"),
            ("a control character in a name", "x\u{1}a: b\r\n"),
            ("a bracket in a name", "x[a]: b\r\n"),
            ("a colon in quotes as a name", "\"x:\": b\r\n"),
        ] {
            self.add(clause, name, sized(lines), RefusedAndClosed(400));
        }
        for (name, lines) in [
            ("bytes beyond ASCII in a value", "x-a: \u{e9}\r\n"),
            ("an empty value", "x-a:\r\n"),
            ("no space after the colon", "x-a:b\r\n"),
            ("white space after the value", "x-a: b \t \r\n"),
            ("the same name three times", "x-a: 1\r\nx-a: 2\r\nX-A: 3\r\n"),
            ("every mark in a name", "!#$%&'*+-.^_`|~: b\r\n"),
        ] {
            self.add(clause, name, sized(lines), Served(1));
        }
        let many: String = (0..200).fold(String::new(), |mut text, at| {
            write!(text, "x-{at}: a\r\n").unwrap();
            text
        });
        self.add("S 5.4", "two hundred headers", sized(&many), RefusedAndClosed(431));
        self.add(
            "S 5.4",
            "a header of 300 KB",
            sized(&format!("x-a: {}\r\n", "a".repeat(300_000))),
            RefusedAndClosed(431),
        );
        self.add("M 2.2", "an empty line before", [b"\r\n".to_vec(), sized("")].concat(), Served(1));
        self.add(
            "M 2.2",
            "white space before the first header",
            b"GET /v1/files HTTP/1.1\r\n host: x\r\n\r\n".to_vec(),
            RefusedAndClosed(400),
        );
        self.add(
            "M 2.2",
            "no line end but LF",
            b"GET /v1/files HTTP/1.1\nhost: x\n\n".to_vec(),
            RefusedAndClosed(400),
        );
    }

    fn request_lines(&mut self) {
        let clause = "M 3";
        let host = "host: x\r\n";
        for line in [
            "GET  /v1/files HTTP/1.1",
            "GET /v1/files  HTTP/1.1",
            " GET /v1/files HTTP/1.1",
            "GET\t/v1/files\tHTTP/1.1",
            "GET /v1/fi les HTTP/1.1",
            "GET /v1/files HTTP/1.2",
            "GET /v1/files HTTP/2.0",
            "GET /v1/files HTTP/0.9",
            "GET /v1/files http/1.1",
            "GET /v1/files HTTP/1",
            "GET /v1/files HTTP/11",
            "GET /v1/files",
            "GET",
            "G@T /v1/files HTTP/1.1",
            "GET v1/files HTTP/1.1",
            "GET /v1/fi\u{7f}les HTTP/1.1",
        ] {
            self.add(clause, format!("{line:?}"), bare(line, host), RefusedAndClosed(400));
        }
        for (line, status) in [
            ("TRACE /v1/files HTTP/1.1", 405),
            ("OPTIONS /v1/files HTTP/1.1", 405),
            ("OPTIONS * HTTP/1.1", 405),
            ("CONNECT x:443 HTTP/1.1", 405),
            ("GET / HTTP/1.1", 404),
            ("GET /v1 HTTP/1.1", 404),
            ("GET /v1/../secret HTTP/1.1", 400),
            ("GET /v1/%2e%2e/secret HTTP/1.1", 400),
            ("GET /v1//files HTTP/1.1", 400),
            ("GET /v1/files/..%2f HTTP/1.1", 400),
            ("POST /v1/chat%2Fcompletions HTTP/1.1", 400),
        ] {
            self.add("S 9, M 3.2", format!("{line:?}"), bare(line, host), Refused(status));
        }
        for line in [
            "GET /v1/files HTTP/1.1",
            "GET /v1/files?a=%20&b=c/d?e HTTP/1.1",
            "GET http://elsewhere.example/v1/files HTTP/1.1",
            "DELETE /v1/files/a HTTP/1.1",
            "HEAD /v1/files HTTP/1.1",
            "PUT /v1/files/a HTTP/1.1",
            "PATCH /v1/files/a HTTP/1.1",
            "PURGE /v1/files/a HTTP/1.1",
        ] {
            self.add("S 9, M 3.2", format!("{line:?}"), bare(line, host), Served(1));
        }
    }

    fn hosts(&mut self) {
        let clause = "M 3.2";
        let line = "GET /v1/files HTTP/1.1";
        for (name, lines) in [
            ("no host", ""),
            ("two hosts", "host: x\r\nhost: y\r\n"),
            ("one host twice", "host: x\r\nhost: x\r\n"),
            ("a host with a path", "host: x/y\r\n"),
            ("a host with a user", "host: u@x\r\n"),
            ("a host with a space", "host: x y\r\n"),
            ("a list of hosts", "host: x, y\r\n"),
        ] {
            self.add(clause, name, bare(line, lines), Refused(400));
        }
        for (name, lines) in [
            ("an empty host", "host:\r\n"),
            ("a host with a port", "host: x:8080\r\n"),
            ("an address", "host: [::1]:8080\r\n"),
        ] {
            self.add(clause, name, bare(line, lines), Served(1));
        }
    }

    fn connections(&mut self) {
        self.add("M 9.3", "close", sized("connection: close\r\n"), ServedAndClosed);
        self.add(
            "M 9.3",
            "close among others",
            sized("connection: x-a, close\r\nx-a: 1\r\n"),
            ServedAndClosed,
        );
        self.add(
            "M 9.3",
            "close and keep-alive",
            sized("connection: close\r\nconnection: keep-alive\r\n"),
            ServedAndClosed,
        );
        self.add("M 9.3", "keep-alive", sized("connection: keep-alive\r\n"), Served(1));
        let one_zero = |lines: &str| {
            format!("POST /v1/chat/completions HTTP/1.0\r\n{}content-length: 19\r\n{lines}\r\n{BODY}", auth())
        };
        self.add("M 9.3", "HTTP/1.0", one_zero(""), ServedAndClosed);
        self.add("M 9.3", "HTTP/1.0 with keep-alive", one_zero("connection: keep-alive\r\n"), Served(1));
        self.add("M 9.3.2", "two at once", [sized(""), sized("")].concat(), Served(2));
        self.add("M 9.3.2", "five at once", sized("").repeat(5), Served(5));
        self.add(
            "S 7.6.1",
            "credentials listed as hop-by-hop",
            sized("connection: authorization\r\n"),
            Served(1),
        );
        self.add(
            "S 7.6.1",
            "a header listed as hop-by-hop",
            sized("connection: openai-beta\r\nopenai-beta: leak\r\n"),
            Served(1),
        );
        for (name, lines) in [
            (
                "h2c",
                "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
            ),
            ("an unknown protocol", "connection: upgrade\r\nupgrade: foo/2\r\n"),
            ("TLS", "connection: upgrade\r\nupgrade: TLS/1.0\r\n"),
        ] {
            self.add("S 7.8", format!("upgrade to {name}"), sized(lines), ServedAndClosed);
        }
        self.add("S 10.1.1", "expect in capitals", sized("expect: 100-Continue\r\n"), Served(1));
        self.add("S 10.1.1", "an unknown expectation", sized("expect: 200-ok\r\n"), Refused(417));
        self.add(
            "S 10.1.1",
            "an expectation too many",
            sized("expect: 100-continue\r\nexpect: x\r\n"),
            Refused(417),
        );
        for name in [
            "te: trailers",
            "te: gzip",
            "trailer: x-a",
            "keep-alive: timeout=9",
            "proxy-connection: keep-alive",
            "proxy-authorization: leak",
            "max-forwards: 0",
            "forwarded: for=leak",
            "x-forwarded-host: leak",
            "via: 1.1 leak",
            "cookie: leak",
        ] {
            self.add("S 7.6", name, sized(&format!("{name}\r\n")), Served(1));
        }
    }
}

#[tokio::test]
async fn every_case_is_refused_or_reaches_the_provider_as_one_request() {
    let mut corpus = Corpus(Vec::new());
    corpus.lengths();
    corpus.codings();
    corpus.chunks();
    corpus.lines();
    corpus.request_lines();
    corpus.hosts();
    corpus.connections();
    assert!(corpus.0.len() >= 120, "only {} cases", corpus.0.len());
    in_lanes(corpus.0, run).await;
}

/// The cases that did not become what they should.
async fn run(cases: Vec<Case>) -> Vec<String> {
    let provider = WireProvider::start().await;
    let map =
        Map { top: "shared_state = true", ..Map::new(&provider.url(), "http://127.0.0.1:9/v1", "0%") }.text();
    let files = Files::new("", &map, &tenants());
    let program = Program::serve(&files).await;
    let mut wrong = Vec::new();
    for case in &cases {
        provider.answers(ok("{}"));
        if case.name.starts_with("\"HEAD") {
            provider.answers("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
        }
        let heard = exchange(program.address, &case.bytes).await;
        let arrived = provider.arrived();
        arrived.iter().for_each(|request| check_outbound(request, &case.name));
        let statuses: Vec<u16> = heard.statuses().into_iter().filter(|status| *status != 100).collect();
        let is_met = match case.becomes {
            Refused(status) => statuses == [status] && arrived.is_empty(),
            RefusedAndClosed(status) => statuses == [status] && arrived.is_empty() && heard.closed,
            Served(count) => statuses == vec![200; count] && arrived.len() == count,
            ServedAndClosed => statuses == [200] && arrived.len() == 1 && heard.closed,
        };
        if !is_met {
            wrong.push(format!(
                "{} ({}): {:?}, but {statuses:?}, {} arrived, {}",
                case.name,
                case.clause,
                case.becomes,
                arrived.len(),
                if heard.closed { "closed" } else { "open" }
            ));
        }
    }
    wrong
}
