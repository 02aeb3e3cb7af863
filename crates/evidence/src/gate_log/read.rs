//! Reading segments, for a replay.
//!
//! What a crash leaves is told from damage: a crash cuts the end, so behind the first record that is not whole there is none
//! that is. Where one follows, or numbers jump from one segment to the next, the error names file and offset.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::segment::{Header, Record, decode_record, hash_of_name, record_bytes, word};
use super::{directory_of, directory_of_all, segments_in};
use crate::Digest;
use crate::error::{Error, Result};

/// A place in a segment that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {offset}: {what}", path.display())]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where, in bytes from its beginning.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

/// One segment, read and checked.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The file.
    pub path: PathBuf,
    /// Of the whole file, to be compared with its `gate_log_segment` in the store.
    pub sha256: Digest,
    /// Events before the first that were lost, since more came than could be written. Those that a crash took are not in it.
    pub missing: u64,
    /// Whether it was ended, not left by a crash.
    pub is_ended: bool,
    /// Bytes at the end that are no record: what a crash has cut. Never above 0 where it was ended.
    pub torn: u64,
    header: Header,
    header_bytes: usize,
    events: u64,
    bytes: Vec<u8>,
}

/// One event of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// As [`Gate::tell`](super::Gate::tell) returned it: counted from 1 in each run.
    pub number: u64,
    /// As it was told.
    pub at_ms: i64,
    /// As they were told.
    pub words: Vec<u64>,
}

/// The segments of a gate, oldest first, each read when it is asked for.
#[derive(Debug)]
pub struct Segments {
    gate: u64,
    paths: std::vec::IntoIter<(u64, PathBuf)>,
    /// The next event of each run, as far as it was read.
    next: BTreeMap<u64, u64>,
}

/// The gates that have a log.
///
/// # Errors
/// The directory cannot be read. Where there is none, there are no gates.
pub fn gates(store: &Path) -> Result<Vec<String>> {
    let all = directory_of_all(store);
    if !all.exists() {
        return Ok(Vec::new());
    }
    let failed = |error| Error::File { doing: "read", path: all.clone(), error };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&all).map_err(failed)? {
        found.extend(entry.map_err(failed)?.file_name().into_string());
    }
    found.sort_unstable();
    Ok(found)
}

impl Segments {
    /// Of the gate with this identity, below a store's directory.
    ///
    /// # Errors
    /// The gate has no directory, or it cannot be read.
    pub fn of(store: &Path, gate: &str) -> Result<Segments> {
        let paths = segments_in(&directory_of(store, gate)?)?.into_iter();
        Ok(Segments { gate: hash_of_name(gate), paths, next: BTreeMap::new() })
    }

    fn follow(&mut self, segment: Segment) -> Result<Segment, Damage> {
        let damage = |what: String| Damage { path: segment.path.clone(), offset: 0, what };
        if segment.header.identity != self.gate {
            return Err(damage("it belongs to another gate".to_owned()));
        }
        let run = segment.header.run;
        if let Some(next) = self.next.get(&run) {
            let reached = next.saturating_add(segment.missing);
            if segment.first_event() > reached {
                return Err(damage(format!(
                    "it begins with event {}, and what is before it ends before {next}: events are gone",
                    segment.first_event()
                )));
            }
        }
        self.next.insert(run, segment.next_event());
        Ok(segment)
    }
}

impl Iterator for Segments {
    type Item = Result<Segment, Damage>;

    fn next(&mut self) -> Option<Result<Segment, Damage>> {
        let (_, path) = self.paths.next()?;
        Some(Segment::read(&path).and_then(|segment| self.follow(segment)))
    }
}

impl Segment {
    /// Reads one file.
    ///
    /// # Errors
    /// It cannot be read, or is damaged in another way than by a cut at its end.
    pub fn read(path: &Path) -> Result<Segment, Damage> {
        let damage =
            |offset: usize, what: String| Damage { path: path.to_owned(), offset: offset as u64, what };
        let bytes = std::fs::read(path).map_err(|error| damage(0, format!("it cannot be read: {error}")))?;
        let (header, begin) = Header::decode(&bytes).map_err(|what| damage(0, what.to_owned()))?;
        let length = record_bytes(header.words);
        let at = |number: u64, offset: usize| {
            bytes.get(offset..offset + length).and_then(|record| decode_record(record, header.run, number))
        };
        let (mut events, mut offset, mut is_ended) = (0, begin, false);
        while let Some(record) = at(header.first_event + events, offset) {
            offset += length;
            match record {
                Record::Event => events += 1,
                Record::End(said) if said == events => {
                    is_ended = true;
                    break;
                }
                Record::End(said) => {
                    return Err(damage(
                        offset - length,
                        format!("it should hold {said} events, and holds {events}"),
                    ));
                }
            }
        }
        let rest = bytes.len() - offset;
        if is_ended && rest > 0 {
            return Err(damage(offset, format!("{rest} bytes follow its end")));
        }
        let later = (1..(rest / length) as u64).find(|skipped| {
            let skipped_bytes = usize::try_from(*skipped).unwrap_or(usize::MAX).saturating_mul(length);
            at(header.first_event + events + skipped, offset.saturating_add(skipped_bytes)).is_some()
        });
        if later.is_some() {
            return Err(damage(
                offset,
                format!("event {} is not as it was written", header.first_event + events),
            ));
        }
        Ok(Segment {
            path: path.to_owned(),
            sha256: Digest::of(&bytes),
            missing: header.missing,
            is_ended,
            torn: rest as u64,
            header,
            header_bytes: begin,
            events,
            bytes,
        })
    }

    /// The state before the first event.
    #[must_use]
    pub fn state(&self) -> &[u64] {
        &self.header.state
    }

    /// The same in all segments that one process has written.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.header.run
    }

    /// When it began, as it was told.
    #[must_use]
    pub fn began_at_ms(&self) -> i64 {
        self.header.began_at_ms
    }

    /// The number of the first event.
    #[must_use]
    pub fn first_event(&self) -> u64 {
        self.header.first_event
    }

    /// One more than the number of the last.
    #[must_use]
    pub fn next_event(&self) -> u64 {
        self.header.first_event + self.events
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let records = self.bytes[self.header_bytes..].chunks_exact(record_bytes(self.header.words));
        (self.header.first_event..self.next_event()).zip(records).map(|(number, record)| {
            // The words are there: the record was checked when it was read.
            let words = (1..=self.header.words).filter_map(|at| word(record, at)).collect();
            Event { number, at_ms: word(record, 0).unwrap_or_default().cast_signed(), words }
        })
    }
}
