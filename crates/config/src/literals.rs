//! Where strings and comments lie in a text, whether or not it is valid TOML.
//!
//! They hold what operators wrote freely, and so what may be a secret; a snippet has to know them apart from the
//! fields' names. The parser cannot say: it keeps no comments, and gives up where the text is wrong.

use std::ops::Range;

/// A string or a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) kind: LiteralKind,
    /// Quotes or `#` included; a comment's end is its line's.
    pub(crate) range: Range<usize>,
    /// What stands between the quotes.
    pub(crate) content: Range<usize>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiteralKind {
    Text,
    Comment,
}

/// Every string and comment, in order. A string that is never closed ends with its line, one of several lines with the
/// text.
pub(crate) fn literals(text: &str) -> Vec<Literal> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(offset) = rest.find(['"', '\'', '#']) else { break };
        let literal = literal(text, at + offset);
        at = literal.range.end;
        all.push(literal);
    }
    all
}

/// The one that a position lies in.
pub(crate) fn literal_around(all: &[Literal], at: usize) -> Option<&Literal> {
    let next = all.partition_point(|literal| literal.range.end <= at);
    all.get(next).filter(|literal| literal.range.contains(&at))
}

fn literal(text: &str, start: usize) -> Literal {
    let bytes = text.as_bytes().get(start..).unwrap_or_default();
    let (kind, quotes, content_end, end) = match bytes {
        [b'#', ..] => {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
            (LiteralKind::Comment, 1, end, end)
        }
        [quote, second, third, ..] if quote == second && quote == third => {
            let (content_end, end) = close_of_many_lines(bytes, *quote);
            (LiteralKind::Text, 3, content_end, end)
        }
        _ => {
            let (content_end, end) = close_of_one_line(bytes);
            (LiteralKind::Text, 1, content_end, end)
        }
    };
    let content = start + quotes..start + content_end.max(quotes);
    Literal { kind, range: start..start + end, content }
}

fn close_of_one_line(bytes: &[u8]) -> (usize, usize) {
    let quote = bytes.first().copied().unwrap_or_default();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' => return (at, at),
            b'\\' if quote == b'"' && bytes.get(at + 1) != Some(&b'\n') => at += 2,
            _ if *byte == quote => return (at, at + 1),
            _ => at += 1,
        }
    }
    (bytes.len(), bytes.len())
}

/// Up to two quotes may stand right before the three that close.
fn close_of_many_lines(bytes: &[u8], quote: u8) -> (usize, usize) {
    let mut at = 3;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'\\' && quote == b'"' {
            at += 2;
            continue;
        }
        let run = bytes.iter().skip(at).take(5).take_while(|byte| **byte == quote).count();
        if run >= 3 {
            return (at + run - 3, at + run);
        }
        at += run.max(1);
    }
    (bytes.len(), bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> Vec<&str> {
        literals(text).into_iter().map(|literal| &text[literal.content]).collect()
    }

    #[test]
    fn strings_and_comments_are_told_apart_from_the_rest() {
        let text = "a = \"x # y\" # z \"\nb = 'c\\' # \n\"k\\\"\" = \"\"\n";
        assert_eq!(contents(text), ["x # y", " z \"", "c\\", " ", "k\\\"", ""]);
    }

    #[test]
    fn a_string_of_several_lines_ends_where_toml_says() {
        assert_eq!(contents("a = \"\"\"x\n\\\"\"\"y\"\"\"\"\" # c"), ["x\n\\\"\"\"y\"\"", " c"]);
        assert_eq!(contents("a = '''x\n\\''' # c"), ["x\n\\", " c"]);
    }

    #[test]
    fn what_is_never_closed_ends_with_its_line_or_the_text() {
        assert_eq!(contents("a = \"x\nb = 'y\\\nc = '''z\n#"), ["x", "y\\", "z\n#"]);
        assert_eq!(contents("\""), [""]);
        assert_eq!(contents("\"\\"), ["\\"]);
    }

    #[test]
    fn a_position_finds_its_literal() {
        let all = literals("a = \"x\" 'y'");
        assert_eq!(literal_around(&all, 3), None);
        assert_eq!(literal_around(&all, 4).map(|literal| literal.range.clone()), Some(4..7));
        assert_eq!(literal_around(&all, 8).map(|literal| literal.range.clone()), Some(8..11));
        assert_eq!(literal_around(&all, 11), None);
    }
}
