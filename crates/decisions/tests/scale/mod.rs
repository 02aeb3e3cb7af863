//! How much a property is tried: a tenth by default, so that every change waits for seconds only, and in full with
//! `COMETGATE_FULL=1`.

/// A count of tries in full, or a tenth of it.
pub(crate) fn scaled(full: u32) -> u32 {
    match std::env::var("COMETGATE_FULL") {
        Ok(value) if value == "1" => full,
        _ => full / 10,
    }
}
