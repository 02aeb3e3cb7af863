//! The time of day, as records have it.

use evidence::Moment;
use jiff::Timestamp;

/// Now, to the millisecond.
pub(crate) fn now() -> Moment {
    Moment::from_ms(Timestamp::now().as_millisecond())
}
