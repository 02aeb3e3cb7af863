//! What is read of a provider's answer while it passes: enough to tell content from silence, whole from cut and
//! success from failure, and what it used.
//!
//! Pure and incremental: bytes in, facts out, no IO, no clock, nothing allocated unless there is an error to keep.
//! What a provider sends may be split at any byte, endless, or hostile: the state is of fixed size and the work is
//! linear. Nothing is changed or buffered here; the bytes belong to whoever relays them.
//!
//! Reading order: `stream` (events of an event stream), `body` (a whole answer), `answer` (the fields both read),
//! then what they stand on: `sse` (lines and events) and `json` (tokens and paths).

mod answer;
mod body;
mod error_signs;
pub(crate) mod json;
pub(crate) mod made;
mod progress;
mod sse;
mod stream;
mod usage;

pub use body::{BodyScanner, BodyShape, Whole};
pub use error_signs::ErrorSigns;
pub use progress::Progress;
pub use stream::{Event, EventKind, Shape, StreamScanner};
pub use usage::Usage;
