use super::*;

/// Lines put together again, and where events end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    lines: Vec<String>,
    ends: Vec<usize>,
}

fn read(pieces: &[&[u8]]) -> Seen {
    let mut frames = Frames::new();
    let mut seen = Seen::default();
    let mut before = 0;
    for bytes in pieces {
        let mut at = 0;
        while let Some(piece) = frames.next(bytes, &mut at) {
            let (kind, part) = match piece {
                Piece::Data(part) => ("data", part),
                Piece::Name(part) => ("event", part),
                Piece::Stray(part) => ("stray", part),
                Piece::End => {
                    seen.lines.push("end".to_owned());
                    seen.ends.push(before + at);
                    continue;
                }
            };
            if part.first {
                seen.lines.push(format!("{kind} "));
            }
            seen.lines.last_mut().unwrap().push_str(&String::from_utf8_lossy(part.text));
        }
        assert_eq!(at, bytes.len());
        before += bytes.len();
    }
    seen
}

fn lines(text: &str) -> Vec<String> {
    read(&[text.as_bytes()]).lines
}

#[test]
fn fields_are_read_as_the_standard_says() {
    assert_eq!(lines("data: a\n\n"), ["data a", "end"]);
    assert_eq!(lines("data:a\n\n"), ["data a", "end"]);
    assert_eq!(lines("data:  a \n\n"), ["data  a ", "end"]);
    assert_eq!(lines("data\n\n"), ["data ", "end"]);
    assert_eq!(lines("data:\n\n"), ["data ", "end"]);
    assert_eq!(lines("data: \ndata: b\n\n"), ["data ", "data b", "end"]);
    assert_eq!(lines("event: x\nid: 7\nretry: 5\n: note\ndata: a\n\n"), ["event x", "data a", "end"]);
    assert_eq!(lines("datax: a\ndat: b\nDATA: c\n data: d\n\n"), ["stray DATA: c", "stray  data: d", "end"]);
    assert_eq!(lines("{\"error\":1}\n\n"), ["stray {\"error\":1}", "end"]);
    assert_eq!(lines(": ping\n\n\n"), ["end", "end"]);
}

#[test]
fn a_line_ends_with_any_of_three_ends() {
    for end in ["\n", "\r", "\r\n"] {
        let text = format!("data: a{end}data: b{end}{end}{end}data: c{end}{end}");
        assert_eq!(lines(&text), ["data a", "data b", "end", "end", "data c", "end"], "{end:?}");
    }
    assert_eq!(lines("data: a\n\r\ndata: b\r\n\r"), ["data a", "end", "data b", "end"]);
}

#[test]
fn a_mark_is_skipped_at_the_start_only() {
    assert_eq!(
        lines("\u{feff}data: a\n\n\u{feff}data: b\n\n"),
        ["data a", "end", "stray \u{feff}data: b", "end"]
    );
    assert_eq!(read(&[b"\xef\xbbdata: a\n\n"]).lines, ["end"]);
}

#[test]
fn every_split_gives_the_same_lines_and_ends() {
    let text = "\u{feff}event: e\r\ndata: one\r\ndata:two\r\n\r\n: note\n\nid:1\ndata\n{x}\n\nretry: 1\rdata:  x\r\revent\n\n";
    let bytes = text.as_bytes();
    let whole = read(&[bytes]);
    assert_eq!(whole.ends.last(), Some(&bytes.len()));
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let seen = read(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
            assert_eq!(seen.lines, whole.lines);
            for (end, expected) in seen.ends.iter().zip(&whole.ends) {
                let in_line_end = [first, second].contains(end) && bytes[*end - 1..].starts_with(b"\r\n");
                assert_eq!(end + usize::from(in_line_end), *expected);
            }
        }
    }
}

#[test]
fn only_comments_leave_nothing_begun() {
    for (text, begun) in [
        ("", false),
        (": ping", false),
        (": ping\n", false),
        ("d", true),
        ("data: x\n", true),
        ("\n", false),
        ("x", true),
    ] {
        let mut frames = Frames::new();
        let mut at = 0;
        while frames.next(text.as_bytes(), &mut at).is_some() {}
        assert_eq!(frames.is_in_event(), begun, "{text:?}");
    }
}
