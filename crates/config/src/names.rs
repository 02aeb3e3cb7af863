//! The rules for names, versions and model IDs, and how a wrong one is shown.

/// Bytes in the longest name or version.
pub(crate) const NAME_BYTES: usize = 64;

/// Bytes in the longest model ID, alias or salt.
const ID_BYTES: usize = 256;

/// Characters of an operator's text that a message repeats.
const SHOWN: usize = 80;

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

/// Zero-width characters and byte order marks: what a copy from a web page brings along.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
}

/// A text from a file for a message: escaped, short, and never anything that looks like an API key.
pub(crate) fn quote(text: &str) -> String {
    if ["sk-", "sk_", "Bearer "].iter().any(|start| text.starts_with(start)) {
        return "(not shown: it looks like a key)".to_owned();
    }
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    let escaped: String = text.escape_default().take(SHOWN).collect();
    let more = if text.escape_default().nth(SHOWN).is_some() { "…" } else { "" };
    format!("`{escaped}{more}`")
}

/// The known name that was probably meant.
pub(crate) fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    known
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
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
        for bad in ["", " a", "a ", "a\n", "a\u{200B}b", "\u{FEFF}a", "a\u{00A0}", &"a".repeat(257)] {
            assert!(!is_exact_text(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_typo_finds_its_name_and_nonsense_finds_none() {
        let known = ["openai", "cometapi"];
        assert_eq!(closest("opneai", known.into_iter()), Some("openai"));
        assert_eq!(closest("cometpi", known.into_iter()), Some("cometapi"));
        assert_eq!(closest("anthropic", known.into_iter()), None);
    }

    #[test]
    fn what_looks_like_a_key_is_not_repeated() {
        assert!(!quote("sk-abcdef").contains("abcdef"));
        assert_eq!(quote("a\u{200B}b"), "`a\\u{200b}b`");
    }
}
