//! Compressed fields: RFC 7541, and what RFC 9113 section 4.3 says of it. Whoever cannot decode a block has lost the
//! table, so that every mistake ends the connection.

use crate::support::h2::{
    COMPRESSION_ERROR, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PROTOCOL_ERROR,
    block, frame, integer, literal, string,
};
use crate::{Answers, Becomes, Corpus, Ends, Resets, Serves, bare, body, chat, fields, get, head};

pub(crate) fn cases(corpus: &mut Corpus) {
    representations(corpus);
    mistakes(corpus);
    tables(corpus);
    sizes(corpus);
}

/// Examples of RFC 7541 appendix C.4.
const WWW_EXAMPLE_COM: &[u8] = &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
const CUSTOM_KEY: &[u8] = &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f];
const CUSTOM_VALUE: &[u8] = &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf];
const NO_CACHE: &[u8] = &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];

/// A string literal with Huffman coding.
fn coded(bytes: &[u8]) -> Vec<u8> {
    [integer(0x80, 7, bytes.len()), bytes.to_vec()].concat()
}

/// A chat with more at the end of its field block.
fn ending_in(end: &[u8]) -> [Vec<u8>; 2] {
    [head(1, &[fields(&[]), end.to_vec()].concat()), body(1)]
}

fn representations(corpus: &mut Corpus) {
    let clause = "C 6.1, 6.2";
    for (name, field) in [
        ("indexed, static", vec![0x80 | 16]),
        ("with indexing, indexed name", [vec![0x40 | 24], string(b"no-cache")].concat()),
        ("with indexing, new name", [vec![0x40], string(b"x-a"), string(b"b")].concat()),
        ("without indexing, indexed name", [integer(0, 4, 24), string(b"no-cache")].concat()),
        ("without indexing, new name", literal(b"x-a", b"b")),
        ("never indexed, indexed name", [integer(0x10, 4, 24), string(b"no-cache")].concat()),
        ("never indexed, new name", [vec![0x10], string(b"x-a"), string(b"b")].concat()),
        ("with indexing, coded value", [vec![0x40 | 24], coded(NO_CACHE)].concat()),
        (
            "with indexing, coded name and value",
            [vec![0x40], coded(CUSTOM_KEY), coded(CUSTOM_VALUE)].concat(),
        ),
        ("without indexing, coded value", [integer(0, 4, 24), coded(NO_CACHE)].concat()),
        (
            "without indexing, coded name and value",
            [vec![0], coded(CUSTOM_KEY), coded(CUSTOM_VALUE)].concat(),
        ),
        (
            "never indexed, coded name and value",
            [vec![0x10], coded(CUSTOM_KEY), coded(CUSTOM_VALUE)].concat(),
        ),
        ("an empty coded value", [vec![0], string(b"x-a"), coded(b"")].concat()),
        (
            "a length with leading zeros",
            [vec![0], string(b"x-a"), vec![0x7f, 0x80, 0x80, 0x00], vec![b'b'; 127]].concat(),
        ),
    ] {
        corpus.add(clause, name, &ending_in(&field), Serves(1));
    }
    let indexed = [
        &[0x83, 0x86][..],
        &literal(b":path", b"/v1/chat/completions"),
        &[0x41],
        &coded(WWW_EXAMPLE_COM),
        &fields(&[])[block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/v1/chat/completions"),
            (":authority", "x"),
        ])
        .len()..],
    ]
    .concat();
    corpus.add(clause, "pseudo-fields from the table", &[head(1, &indexed), body(1)], Serves(1));
    let parts = &ending_in(&[vec![0x40], coded(CUSTOM_KEY), coded(CUSTOM_VALUE)].concat())[0][9..];
    let split = |at: usize| {
        let (first, rest) = parts.split_at(at);
        [frame(HEADERS, 0, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest), body(1)]
    };
    for back in [1, 5, 12, 19] {
        corpus.add(
            "H 4.3",
            format!("a block cut {back} bytes before its end"),
            &split(parts.len() - back),
            Serves(1),
        );
    }
}

/// All that h2 says of a block that it cannot decode.
const OTHER_CODE: &str =
    "h2 tells PROTOCOL_ERROR for every mistake in a block; the connection ends, as it must";

fn mistakes(corpus: &mut Corpus) {
    let mut mistake = |clause, name: &str, end: &[u8]| {
        corpus
            .add(clause, name, &ending_in(end), Ends(COMPRESSION_ERROR))
            .but(Ends(PROTOCOL_ERROR), OTHER_CODE);
    };
    mistake("C 6.1", "index 0", &[0x80]);
    mistake("C 2.3.3", "an index beyond the tables", &[0x80 | 62]);
    mistake("C 2.3.3", "an index far beyond the tables", &integer(0x80, 7, 70_000));
    mistake("C 2.3.3", "a name beyond the tables", &[integer(0x40, 6, 100), string(b"x")].concat());
    mistake("C 2.3.3", "a name beyond the tables, not indexed", &[integer(0, 4, 100), string(b"x")].concat());
    mistake(
        "C 2.3.3",
        "a name beyond the tables, never indexed",
        &[integer(0x10, 4, 100), string(b"x")].concat(),
    );
    let large = [&[0xff][..], &[0xff; 4], &[0x0f]].concat();
    mistake("C 5.1", "an index of 2^32", &large);
    mistake("C 5.1", "an index of 2^70", &[&[0xff][..], &[0xff; 9], &[0x7f]].concat());
    mistake("C 5.1", "an index that never ends", &[&[0xff][..], &[0x80; 40]].concat());
    mistake("C 5.1", "an index in too many bytes", &[&[0xff][..], &[0x80; 40], &[0]].concat());
    mistake("C 5.1", "a length of 2^70", &[&[0, 0x7f][..], &[0xff; 9], &[0x7f]].concat());
    mistake("C 5.1", "an integer without its end", &[0xff]);
    mistake("C 5.2", "a name longer than the block", &[&[0][..], &[20], b"short"].concat());
    mistake("C 5.2", "a value longer than the block", &[&[0][..], &string(b"x-a"), &[20], b"short"].concat());
    mistake("C 5.2", "a field without a value", &[&[0][..], &string(b"x-a")].concat());
    mistake("C 5.2", "a field without a name", &[0]);
    let value = |bytes: &[u8]| [&[0][..], &string(b"x-a"), &coded(bytes)].concat();
    mistake("C 5.2", "padding of eight bits", &value(&[NO_CACHE, &[0xff]].concat()));
    mistake("C 5.2", "padding of sixteen bits", &value(&[NO_CACHE, &[0xff, 0xff]].concat()));
    mistake("C 5.2", "padding of zeros", &value(&[0x18]));
    mistake("C 5.2", "padding of other bits", &value(&[0x1e]));
    mistake("C 5.2", "the end of a string within it", &value(&[0xff, 0xff, 0xff, 0xff]));
    mistake("C 5.2", "the end of a string and more", &value(&[0x1f, 0xff, 0xff, 0xff, 0xf8, 0xff]));
    mistake(
        "C 5.2",
        "the end of a string in a name",
        &[&[0][..], &coded(&[0xff, 0xff, 0xff, 0xff]), &string(b"x")].concat(),
    );
    mistake("C 4.2", "a table size after a field", &[0x20]);
    let alone = [frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff])];
    corpus
        .add("H 4.3", "a block that is not one", &alone, Ends(COMPRESSION_ERROR))
        .but(Ends(PROTOCOL_ERROR), OTHER_CODE);
    let trailing = [chat(1), head(3, &fields(&[])), bare(3, &[0x80])];
    corpus
        .add("H 4.3", "trailers that cannot be decoded", &trailing, Ends(COMPRESSION_ERROR))
        .after_whole_requests(1)
        .but(Ends(PROTOCOL_ERROR), OTHER_CODE);
}

fn tables(corpus: &mut Corpus) {
    let clause = "C 2.3.2, 4.4";
    let kept = [vec![0x40], string(b"x-a"), string(b"b")].concat();
    let first = |field: &[u8]| [head(1, &[fields(&[]), field.to_vec()].concat()), body(1)].concat();
    let second = |field: &[u8]| [head(3, &[fields(&[]), field.to_vec()].concat()), body(3)].concat();
    let mut lost = |clause, name: &str, frames: &[Vec<u8>]| {
        corpus
            .add(clause, name, frames, Ends(COMPRESSION_ERROR))
            .after_whole_requests(1)
            .but(Ends(PROTOCOL_ERROR), OTHER_CODE);
    };
    lost(clause, "an entry too far", &[first(&kept), second(&[0x80 | 63])]);
    lost(
        "C 6.2.2",
        "what was not indexed is not kept",
        &[first(&literal(b"x-a", b"b")), second(&[0x80 | 62])],
    );
    lost(
        "C 6.2.3",
        "what is never indexed is not kept",
        &[first(&[vec![0x10], string(b"x-a"), string(b"b")].concat()), second(&[0x80 | 62])],
    );
    let large = [vec![0x40], string(b"x-a"), string(&[b'b'; 5_000])].concat();
    lost(
        "C 4.4",
        "an entry larger than the table empties it",
        &[first(&[kept.clone(), large].concat()), second(&[0x80 | 62])],
    );
    lost(
        "C 4.3",
        "a table of 0 holds nothing",
        &[first(&kept), head(3, &[&[0x20][..], &fields(&[]), &[0x80 | 62]].concat())],
    );
    // Forty entries of 100 bytes are kept of fifty: 4,096 bytes.
    let entry =
        |at: usize| [vec![0x40], string(format!("x-{at:02}").as_bytes()), string(&[b'b'; 64])].concat();
    let fifty: Vec<u8> = (0..50).flat_map(entry).collect();
    lost("C 4.4", "the oldest entries are dropped", &[first(&fifty), second(&integer(0x80, 7, 61 + 41))]);
    let mut works = |clause, name: &str, frames: &[Vec<u8>]| {
        corpus.add(clause, name, frames, Serves(2));
    };
    works(clause, "an entry is used again", &[first(&kept), second(&[0x80 | 62])]);
    works(
        clause,
        "the name of an entry is used again",
        &[first(&kept), second(&[&[0x40 | 62][..], &string(b"c")].concat())],
    );
    works(
        "C 2.3.2",
        "an entry twice",
        &[first(&[kept.clone(), kept.clone()].concat()), second(&[0x80 | 62, 0x80 | 63])],
    );
    works("C 4.4", "the newest entries are kept", &[first(&fifty), second(&integer(0x80, 7, 61 + 40))]);
    // A malformed request is refused, and what it put into the table is still there.
    let malformed = bare(1, &[fields(&[("connection", "close")]), kept.clone()].concat());
    corpus
        .add(
            "H 4.3",
            "the table outlives a malformed request",
            &[malformed, second(&[0x80 | 62])],
            Resets(1, PROTOCOL_ERROR),
        )
        .after_whole_requests(1);
    let left = [head(1, &[fields(&[]), kept].concat()), crate::support::h2::reset(1, 8)].concat();
    corpus.add(
        "H 4.3",
        "the table outlives a request that was taken back",
        &[left, second(&[0x80 | 62])],
        Serves(1),
    );
}

fn sizes(corpus: &mut Corpus) {
    let clause = "C 4.2, 6.3";
    let begins = |update: &[u8]| [head(1, &[update, &fields(&[])[..]].concat()), body(1)];
    for (name, update) in [
        ("a table of 0", vec![0x20]),
        ("a table as large as was allowed", integer(0x20, 5, 4096)),
        ("two sizes, the smaller first", [vec![0x20], integer(0x20, 5, 4096)].concat()),
        ("a size many times", integer(0x20, 5, 100).repeat(50)),
    ] {
        corpus.add(clause, name, &begins(&update), Serves(1));
    }
    for (name, update) in [
        ("a table larger than was allowed", integer(0x20, 5, 4097)),
        ("a table of 2^31", integer(0x20, 5, 1 << 31)),
        ("two sizes, the larger too large", [vec![0x20], integer(0x20, 5, 1 << 20)].concat()),
    ] {
        corpus
            .add(clause, name, &begins(&update), Ends(COMPRESSION_ERROR))
            .but(Ends(PROTOCOL_ERROR), OTHER_CODE);
    }
    // One entry of nearly a table, named again and again: 16 KiB of frame are 60 MB of fields.
    let entry = [vec![0x40], string(b"x-a"), string(&[b'b'; 4_000])].concat();
    let bomb = |times: usize| -> [Vec<u8>; 1] {
        [bare(1, &[get(), entry.clone(), vec![0x80 | 62; times]].concat())]
    };
    let mut grows = |name: &str, times, becomes: Becomes| {
        corpus.add("H 10.5.1", name, &bomb(times), becomes);
    };
    grows("an entry five times", 4, Answers(431));
    grows("an entry eleven thousand times", 11_000, Ends(ENHANCE_YOUR_CALM));
}
