//! Text that comes from files and people: names, reasons. Bounded, and without anything that a terminal, a ticket or a
//! log could take for more than text.
//!
//! A name that holds a newline would look like two records, one with an escape sequence would repaint the screen of whoever
//! reads it, and one that turns the direction of writing would show another order than it has. So these characters are
//! stored as what they are called (`\u{1b}`), and what is too long is cut and ends in `…`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The name of something in a file: a route, a version, a provider, a person. At most 256 bytes.
pub type Name = Text<256>;

/// A sentence or two: a reason, an answer to a question. At most 1,024 bytes.
pub type Prose = Text<1024>;

const CUT: &str = "…";

/// At most `MOST` bytes of text, on one line, all of it visible.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Text<const MOST: usize>(String);

impl<const MOST: usize> Text<MOST> {
    /// The text as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> From<&str> for Text<MOST> {
    fn from(given: &str) -> Text<MOST> {
        let mut text = String::with_capacity(given.len().min(MOST));
        // How much of it may stay if the rest has to go.
        let mut keep = 0;
        for character in given.chars() {
            if is_unseen(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
            if text.len() > MOST {
                text.truncate(keep);
                text.push_str(CUT);
                break;
            }
            if text.len() + CUT.len() <= MOST {
                keep = text.len();
            }
        }
        Text(text)
    }
}

impl<const MOST: usize> From<String> for Text<MOST> {
    fn from(given: String) -> Text<MOST> {
        Text::from(given.as_str())
    }
}

impl<const MOST: usize> fmt::Display for Text<MOST> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Text<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<MOST>, D::Error> {
        String::deserialize(deserializer).map(Text::from)
    }
}

/// Control characters, line and paragraph separators, and what turns the direction of writing (UAX 9) or takes no room.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        let name = Name::from("gpt\u{1b}[2J\n{\"sequence\":7}\u{202e}");
        assert_eq!(name.as_str(), "gpt\\u{1b}[2J\\u{a}{\"sequence\":7}\\u{202e}");
    }

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(Text::<8>::from("12345678").as_str(), "12345678");
        assert_eq!(Text::<8>::from("123456789").as_str(), "12345…");
        assert_eq!(Text::<8>::from("1234\n").as_str(), "1234…");
    }

    proptest! {
        #[test]
        fn text_is_bounded_visible_and_the_same_when_read_again(given in ".{0,40}|\\PC{0,40}|(\\n|\u{1b}|é|a){0,40}") {
            let text = Text::<32>::from(given.as_str());
            prop_assert!(text.as_str().len() <= 32);
            prop_assert!(!text.as_str().chars().any(is_unseen));
            prop_assert_eq!(&Text::<32>::from(text.as_str()), &text);
        }
    }
}
