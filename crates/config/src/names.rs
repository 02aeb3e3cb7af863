//! The rules for names, versions and model IDs, and how a wrong one is shown.

use std::ops::RangeInclusive;

/// Bytes in the longest name or version.
pub(crate) const NAME_BYTES: usize = 64;

/// Bytes in the longest model ID, alias or salt.
pub(crate) const ID_BYTES: usize = 256;

/// Characters of an operator's text that a message repeats.
const SHOWN: usize = 80;

/// Letters and digits in a row that no name needs, and that a key is made of.
const RANDOM_BYTES: usize = 24;

/// What providers, tenants, cohorts and routes may be called: they become labels and header values.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.len() <= NAME_BYTES
        && text.bytes().all(allowed)
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// In words, for messages.
pub(crate) const NAME_RULE: &str =
    "1 to 64 characters of A-Z a-z 0-9 . _ -, the first of them a letter or a digit";

/// What a version may be.
pub(crate) fn is_version(text: &str) -> bool {
    let wrong = |character: char| character.is_control() || character.is_whitespace();
    !text.is_empty() && text.len() <= NAME_BYTES && !text.contains(wrong)
}

/// In words, for messages.
pub(crate) const VERSION_RULE: &str = "1 to 64 bytes without white space or control characters";

/// What an alias, a model ID or a salt may be: any text, but nothing invisible that makes it differ from its twin.
pub(crate) fn is_exact_text(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_BYTES
        && text.trim() == text
        && !text.chars().any(|character| character.is_control() || is_invisible(character))
}

/// In words, for messages.
pub(crate) const EXACT_RULE: &str =
    "1 to 256 bytes without control or invisible characters, and without white space around them";

/// How deep in an answer a field may stand: so many levels are told apart in one.
const FIELD_DEPTH: usize = 8;

/// A field of an answer by its path from the top: `choices`, `usage.total_tokens`.
pub(crate) fn is_field_path(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.len() <= ID_BYTES && text.split('.').count() <= FIELD_DEPTH && text.split('.').all(is_part)
}

/// Where the invisible characters are: soft hyphens, zero-width and direction marks, variations, tags.
pub(crate) const INVISIBLE: [RangeInclusive<char>; 9] = [
    '\u{AD}'..='\u{AD}',
    '\u{180E}'..='\u{180E}',
    '\u{200B}'..='\u{200F}',
    '\u{2028}'..='\u{202E}',
    '\u{2060}'..='\u{206F}',
    '\u{FE00}'..='\u{FE0F}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{FFF9}'..='\u{FFFB}',
    '\u{E0000}'..='\u{E007F}',
];

/// Zero-width characters and byte order marks: what a copy from a web page brings along.
pub(crate) fn is_invisible(character: char) -> bool {
    INVISIBLE.iter().any(|range| range.contains(&character))
}

/// A text from a file for a message: escaped, short, and never anything that looks like an API key.
pub(crate) fn quote(text: &str) -> String {
    if looks_like_key(text) {
        return "(not shown: it looks like a key)".to_owned();
    }
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    let escaped: String = text.escape_default().take(SHOWN).collect();
    let more = if text.escape_default().nth(SHOWN).is_some() { "…" } else { "" };
    format!("`{escaped}{more}`")
}

/// Whether a text is better not shown: a word in it begins as keys do, or is long and random.
pub(crate) fn looks_like_key(text: &str) -> bool {
    let is_mark = |character: char| character.is_whitespace() || "=:,;\"'`".contains(character);
    let begins_as_keys =
        |word: &str| ["sk-", "sk_", "cgk-", "Bearer"].iter().any(|start| word.starts_with(start));
    let is_random = |run: &str| {
        run.len() >= RANDOM_BYTES
            && run.bytes().any(|byte| byte.is_ascii_digit())
            && run.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    text.split(is_mark).any(begins_as_keys)
        || text.split(|character: char| !character.is_ascii_alphanumeric()).any(is_random)
}

/// The known name that was probably meant.
pub(crate) fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let distance = |candidate: &str| {
        if candidate.eq_ignore_ascii_case(name) {
            Some(0)
        } else if candidate.len().abs_diff(name.len()) <= limit {
            Some(strsim::osa_distance(name, candidate)).filter(|distance| *distance <= limit)
        } else {
            None
        }
    };
    known
        .filter_map(|candidate| Some((distance(candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels_so_they_are_plain() {
        for good in ["a", "9", "acme-1.2_x", &"a".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "ä", "a/b", "*", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_model_id_has_no_invisible_differences() {
        for good in ["gpt-5.4", "meta/llama 3", "模型"] {
            assert!(is_exact_text(good), "{good}");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a\n",
            "a\u{200B}b",
            "\u{FEFF}a",
            "a\u{00A0}",
            "a\u{2066}b",
            "a\u{AD}b",
            "a\u{E0041}",
            &"a".repeat(257),
        ] {
            assert!(!is_exact_text(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_typo_finds_its_name_and_nonsense_finds_none() {
        let known = ["openai", "cometapi"];
        assert_eq!(closest("opneai", known.into_iter()), Some("openai"));
        assert_eq!(closest("cometpi", known.into_iter()), Some("cometapi"));
        assert_eq!(closest("CometAPI", known.into_iter()), Some("cometapi"));
        assert_eq!(closest("anthropic", known.into_iter()), None);
    }

    #[test]
    fn what_looks_like_a_key_is_not_repeated() {
        for key in [
            "sk-abcdef",
            "cgk-abcdef",
            "Bearer abcdef",
            "x: Bearer abcdef",
            "abcdef0123456789abcdef0123456789",
        ] {
            assert!(!quote(key).contains("abcdef"), "{key}");
        }
        for name in ["task-1", "gpt-4o-mini-2024-07-18-preview", &"a".repeat(80)] {
            assert_eq!(quote(name), format!("`{name}`"));
        }
        assert_eq!(quote("a\u{200B}b"), "`a\\u{200b}b`");
    }
}
