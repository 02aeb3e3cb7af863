//! What an error object says, cut to a fixed size: enough to match it against known refusals, never to show it.
//!
//! The text is the provider's and may quote a request, so `Debug` does not print it.

use std::fmt;

/// The longest `code` and `type` that are kept.
const SHORT: usize = 64;
/// How much of a message is kept.
const LONG: usize = 512;

/// The start of an error's code, type and message.
#[derive(Clone, Copy, Default)]
pub struct ErrorSigns {
    code: Cut<SHORT>,
    kind: Cut<SHORT>,
    message: Cut<LONG>,
}

impl ErrorSigns {
    /// `code`; a number as its digits.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.text()
    }

    /// `type`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.text()
    }

    /// The first 512 bytes of `message`, or of the error itself if it is a string.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.text()
    }

    pub(super) fn keep_code(&mut self, text: &[u8]) {
        self.code.keep(text);
    }

    pub(super) fn keep_kind(&mut self, text: &[u8]) {
        self.kind.keep(text);
    }

    pub(super) fn keep_message(&mut self, text: &[u8]) {
        self.message.keep(text);
    }

    /// Cheap: the arrays stay as they are.
    pub(super) fn clear(&mut self) {
        self.code.len = None;
        self.kind.len = None;
        self.message.len = None;
    }
}

impl fmt::Debug for ErrorSigns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorSigns")
            .field("code", &self.code.len)
            .field("kind", &self.kind.len)
            .field("message", &self.message.len)
            .finish()
    }
}

/// The first bytes of a text.
#[derive(Clone, Copy)]
struct Cut<const N: usize> {
    bytes: [u8; N],
    len: Option<usize>,
}

impl<const N: usize> Cut<N> {
    /// Replaces what is kept. What is not UTF-8 is left out, a character that the cut would split too.
    fn keep(&mut self, text: &[u8]) {
        let mut len = 0;
        'chunks: for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                let Some(room) = self.bytes.get_mut(len..).filter(|room| room.len() >= character.len_utf8())
                else {
                    break 'chunks;
                };
                len += character.encode_utf8(room).len();
            }
        }
        self.len = Some(len);
    }

    fn text(&self) -> Option<&str> {
        self.bytes.get(..self.len?).and_then(|kept| std::str::from_utf8(kept).ok())
    }
}

impl<const N: usize> Default for Cut<N> {
    fn default() -> Cut<N> {
        Cut { bytes: [0; N], len: None }
    }
}
