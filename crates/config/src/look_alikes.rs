//! Texts that look like others and are not: a Cyrillic `о` in a model's name, a hyphen that came with a copy
//! from a web page.
//!
//! Names are compared by their bytes, so such a text is a name of its own that nobody can type. What looks
//! like what is Unicode's to say (Technical Standard 39, by the crate `unicode-security`); the full-width
//! forms and the long dashes are added, which look different in print and not in an editor. A text in another
//! script is no look-alike: single letters of every script resemble Latin ones, so they only count among
//! Latin letters or where the text has no others.

use unicode_security::confusable_detection::skeleton as unicode_skeleton;

/// What a text looks like: two texts of one skeleton cannot be told apart by eye.
#[must_use]
pub fn skeleton(text: &str) -> String {
    let plain: String = text.chars().map(to_plain).collect();
    unicode_skeleton(&plain).collect()
}

/// A character that is not what it looks like.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Disguised {
    character: char,
    /// Counted from 1.
    at: usize,
    /// Nothing where it is not seen at all.
    like: String,
}

impl Disguised {
    /// As the end of a sentence that begins with the text.
    pub(crate) fn describe(&self) -> String {
        let bytes: Vec<String> =
            self.character.to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
        let like = match self.like.as_str() {
            "" => "is not seen at all".to_owned(),
            " " => "looks like a space".to_owned(),
            like => format!("looks like `{like}`"),
        };
        format!(
            "has U+{:04X}{} at character {} (bytes {}), which {like}",
            u32::from(self.character),
            called(self.character),
            self.at,
            bytes.join(" ")
        )
    }
}

/// The first such character.
pub(crate) fn disguised(text: &str) -> Option<Disguised> {
    if text.is_ascii() {
        return None;
    }
    let has_ascii = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    let is_foreign_text = text.chars().any(is_foreign_letter);
    let mut before = None;
    for (at, character) in text.chars().enumerate() {
        let last = before.replace(character);
        let Some(like) = looks_like(character) else { continue };
        let is_odd = if like.is_empty() {
            // Emoji and some scripts need such characters.
            last.is_some_and(|last| last.is_ascii())
        } else if character.is_alphanumeric() {
            !is_foreign_text || is_among_latin(text, at)
        } else {
            !is_foreign_text || has_ascii && (like == "-" || like == " ")
        };
        if is_odd {
            return Some(Disguised { character, at: at + 1, like });
        }
    }
    None
}

/// The ASCII text that a character looks like, if it is not ASCII itself.
fn looks_like(character: char) -> Option<String> {
    if character.is_ascii() {
        return None;
    }
    let seen = skeleton(character.encode_utf8(&mut [0; 4]));
    // Capital letters are at their clearest when they are named as such.
    seen.is_ascii().then(|| if seen == "l" && character.is_uppercase() { "I".to_owned() } else { seen })
}

/// A letter that no Latin one looks like. One with an accent on it is Latin still.
fn is_foreign_letter(character: char) -> bool {
    let first = || skeleton(character.encode_utf8(&mut [0; 4])).chars().next();
    !character.is_ascii() && character.is_alphabetic() && first().is_some_and(|first| !first.is_ascii())
}

/// Whether the word that a character stands in has ASCII letters.
fn is_among_latin(text: &str, at: usize) -> bool {
    let goes_on = |character: &char| character.is_alphanumeric();
    let after = text.chars().skip(at).take_while(goes_on);
    let before: Vec<char> = text.chars().take(at).collect();
    let before = before.iter().rev().copied().take_while(goes_on);
    after.chain(before).any(|character| character.is_ascii_alphabetic())
}

/// Full-width forms and the dashes that Unicode sets apart.
fn to_plain(character: char) -> char {
    match character {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => ' ',
        other => other,
    }
}

/// What a character is called, as far as it helps to find it.
fn called(character: char) -> &'static str {
    match character {
        '\u{00A0}' => " NO-BREAK SPACE",
        '\u{00AD}' => " SOFT HYPHEN",
        '\u{2010}' => " HYPHEN",
        '\u{2011}' => " NON-BREAKING HYPHEN",
        '\u{2012}' => " FIGURE DASH",
        '\u{2013}' => " EN DASH",
        '\u{2014}' => " EM DASH",
        '\u{2015}' => " HORIZONTAL BAR",
        '\u{202F}' => " NARROW NO-BREAK SPACE",
        '\u{2212}' => " MINUS SIGN",
        '\u{3000}' => " IDEOGRAPHIC SPACE",
        '\u{0370}'..='\u{03FF}' | '\u{1F00}'..='\u{1FFF}' => " (Greek)",
        '\u{0400}'..='\u{052F}' => " (Cyrillic)",
        '\u{0530}'..='\u{058F}' => " (Armenian)",
        '\u{13A0}'..='\u{13FF}' => " (Cherokee)",
        '\u{FF01}'..='\u{FF5E}' => " (full-width)",
        '\u{1D400}'..='\u{1D7FF}' => " (mathematical)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_copied_from_a_web_page_is_found() {
        let cases = [
            (
                "gpt\u{2011}5.4",
                "has U+2011 NON-BREAKING HYPHEN at character 4 (bytes e2 80 91), which looks like `-`",
            ),
            ("gpt\u{2014}5", "has U+2014 EM DASH at character 4 (bytes e2 80 94), which looks like `-`"),
            (
                "gpt\u{a0}5",
                "has U+00A0 NO-BREAK SPACE at character 4 (bytes c2 a0), which looks like a space",
            ),
            ("gpt-4\u{43e}", "has U+043E (Cyrillic) at character 6 (bytes d0 be), which looks like `o`"),
            ("\u{3bf}1", "has U+03BF (Greek) at character 1 (bytes ce bf), which looks like `o`"),
            ("ｇpt", "has U+FF47 (full-width) at character 1 (bytes ef bd 87), which looks like `g`"),
            ("ｗ", "has U+FF57 (full-width) at character 1 (bytes ef bd 97), which looks like `w`"),
            ("gp\u{ad}t", "has U+00AD SOFT HYPHEN at character 3 (bytes c2 ad), which is not seen at all"),
            (
                "模型-gpt\u{2011}2",
                "has U+2011 NON-BREAKING HYPHEN at character 7 (bytes e2 80 91), which looks like `-`",
            ),
            (
                "модель-cl\u{430}ude",
                "has U+0430 (Cyrillic) at character 10 (bytes d0 b0), which looks like `a`",
            ),
            ("\u{456}\u{440}", "has U+0456 (Cyrillic) at character 1 (bytes d1 96), which looks like `i`"),
        ];
        for (text, expected) in cases {
            assert_eq!(disguised(text).map(|found| found.describe()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_scripts_are_no_disguise() {
        let plain = [
            "gpt-5.4",
            "模型",
            "模型-v2",
            "モデル２",
            "модель",
            "модель-v2",
            "модель5",
            "о-модель",
            "μοντέλο",
            "großkunden",
            "café",
            "zoë",
            "模型（大）",
            "🦊",
            "نموذج",
            "मॉडल",
            "모델",
            "ひらがな",
            "データー",
        ];
        for text in plain {
            assert_eq!(disguised(text), None, "{text}");
        }
    }

    #[test]
    fn a_skeleton_is_what_is_seen() {
        assert_eq!(skeleton("gpt\u{2011}4\u{43e}"), skeleton("gpt-4o"));
        assert_eq!(skeleton("ol-pro"), skeleton("o1-pro"));
        assert_ne!(skeleton("gpt-4o"), skeleton("gpt-4.1"));
        assert_ne!(skeleton("модель"), skeleton("model"));
    }
}
