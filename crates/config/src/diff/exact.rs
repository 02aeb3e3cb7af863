//! Two texts that differ where nobody sees it: in case, in a character that looks like another, in one that is not seen.

/// Characters of a difference that are shown by their bytes; a longer one is seen without help.
const SHOWN: usize = 4;

/// What to say beside two texts that differ; nothing where it is plain to see.
pub(super) fn remark(one: &str, other: &str) -> Option<String> {
    if one == other {
        return None;
    }
    if one.to_lowercase() == other.to_lowercase() {
        return Some("differs only in case".to_owned());
    }
    let (start, one_part, other_part) = difference(one, other);
    let is_short = one_part.chars().count() <= SHOWN && other_part.chars().count() <= SHOWN;
    let is_odd = !one_part.is_ascii() || !other_part.is_ascii() || folded(one) == folded(other);
    let is_space = |text: &str| text.chars().any(char::is_whitespace);
    if is_short && (is_odd || is_space(one_part) || is_space(other_part)) {
        return Some(format!("from byte {}: {} against {}", start + 1, bytes(one_part), bytes(other_part)));
    }
    // Whatever is long and not plain ASCII may hide anything.
    (!one.is_ascii() || !other.is_ascii()).then(|| format!("bytes {} against {}", bytes(one), bytes(other)))
}

/// Where two texts begin to differ, and what each has there.
fn difference<'t>(one: &'t str, other: &'t str) -> (usize, &'t str, &'t str) {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    let start: usize = same.map(|(character, _)| character.len_utf8()).sum();
    let (one_rest, other_rest) =
        (one.get(start..).unwrap_or_default(), other.get(start..).unwrap_or_default());
    let same = one_rest.chars().rev().zip(other_rest.chars().rev()).take_while(|(a, b)| a == b);
    let end: usize = same.map(|(character, _)| character.len_utf8()).sum();
    let part = |rest: &'t str| rest.get(..rest.len() - end).unwrap_or_default();
    (start, part(one_rest), part(other_rest))
}

fn bytes(text: &str) -> String {
    let hex: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    if hex.is_empty() { "nothing".to_owned() } else { hex.join(" ") }
}

/// With one letter for all that look like it.
fn folded(text: &str) -> String {
    let fold = |character: char| match character {
        '0' | 'O' => 'o',
        '1' | 'I' | 'l' | '|' => 'l',
        '5' | 'S' => 's',
        '-' | '_' => '-',
        other => other,
    };
    text.chars().map(fold).collect::<String>().replace("rn", "m").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_said() {
        let cases = [
            ("gpt-5.4", "GPT-5.4", Some("differs only in case")),
            ("gpt-5.4", "gpt-5.5", None),
            ("gpt-5.4", "gpt_5.4", Some("from byte 4: 2d against 5f")),
            ("gpt-o1", "gpt-ol", Some("from byte 6: 31 against 6c")),
            ("gpt-e", "gpt-\u{435}", Some("from byte 5: 65 against d0 b5")),
            ("gpt\u{ad}-5", "gpt-5", Some("from byte 4: c2 ad against nothing")),
            ("a b", "a\u{a0}b", Some("from byte 2: 20 against c2 a0")),
            ("gpt-5.4", "llama-3", None),
        ];
        for (one, other, expected) in cases {
            assert_eq!(remark(one, other).as_deref(), expected, "{one:?} {other:?}");
        }
    }
}
