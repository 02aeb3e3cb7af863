//! The log of attempts from which the decisions of a gate are replayed, bit for bit.
//!
//! Below `gates/GATE/` of the store's directory stand files (segments). Each begins with the state of the gate at that
//! moment and goes on with the events that it was told, so a segment is replayed by itself: state, then events. What state
//! and events mean is the caller's: here they are numbers.
//!
//! Every process that writes is a run: it has files of its own, and counts its events from 1, so that two may write about
//! one gate at the same time, as in a rolling restart.
//!
//! Telling an event never waits for the disk: it goes into a queue of its gate, and a thread writes. A queue that is full
//! takes nothing more, counts what it refuses, and goes on with a new segment: a new state, and how many are missing before
//! it. So a segment never has a hole inside, and a hole is never silent.
//!
//! Files: `segment` (the format), `write` (queues and the thread), `retention` (what goes), `read` (for a replay).

mod read;
mod retention;
mod segment;
mod write;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

pub use read::{Damage, Event, Segment, Segments, gates};
pub use write::{Gate, GateLog};

/// How much is written where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A segment ends before it is longer, in bytes.
    pub segment_bytes: u64,
    /// A segment ends when its first event is so old, in milliseconds, by the moments of its events.
    pub segment_age_ms: u64,
    /// What all segments of all gates may take together, in bytes. Beyond it the gate that takes most loses its oldest.
    pub keep_bytes: u64,
    /// Events of one gate that may wait to be written.
    pub queue: usize,
}

impl Default for Settings {
    /// Segments of 4 MiB or an hour, 256 MiB together, 65,536 events waiting.
    fn default() -> Settings {
        Settings { segment_bytes: 4 << 20, segment_age_ms: 3_600_000, keep_bytes: 256 << 20, queue: 65_536 }
    }
}

/// How a segment's file ends.
const EXTENSION: &str = "gatelog";

fn directory_of_all(store: &Path) -> PathBuf {
    store.join("gates")
}

/// The directory of a gate. Its name is the caller's: it has to be a good name of a file.
fn directory_of(store: &Path, gate: &str) -> Result<PathBuf> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if gate.is_empty() || gate.starts_with('.') || gate.len() > 128 || !gate.bytes().all(is_plain) {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "not the name of a gate");
        return Err(Error::File {
            doing: "use",
            path: directory_of_all(store).join(gate.escape_debug().to_string()),
            error,
        });
    }
    Ok(directory_of_all(store).join(gate))
}

/// The segments of a gate, oldest first, each with its number.
fn segments_in(directory: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let failed = |error| Error::File { doing: "read", path: directory.to_owned(), error };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == EXTENSION);
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        found.extend(number.filter(|_| is_segment).map(|number: u64| (number, path)));
    }
    found.sort_unstable();
    Ok(found)
}
