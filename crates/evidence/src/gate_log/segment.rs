//! The format of a segment: words of 8 bytes, the lowest first.
//!
//! ```text
//! header   "cggates\x01" · length of the header in bytes · run · N · number of the first event · events missing before it
//!          · its milliseconds · hash of the gate's identity · words of state · state … · checksum
//! event    milliseconds · N words · checksum
//! end      the largest milliseconds · number of events · zeros up to N words · checksum
//! ```
//!
//! Checksums are XXH3 over the bytes before them: of the header from its beginning, of an event from its beginning, seeded
//! with run and number of the event, so that a record in another place is no record.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// How a file begins: whose it is, and which format.
const MAGIC: [u8; 8] = *b"cggates\x01";

/// Words of the header before the state.
const FIXED: usize = 9;

/// Words that an event may have. A number beyond is damage that a checksum has missed.
const WORDS: std::ops::RangeInclusive<usize> = 1..=4096;

/// The moment that no event has: it stands in the end.
const END: i64 = i64::MAX;

/// How a segment begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The same in all segments that one process has written.
    pub(super) run: u64,
    /// Words of an event.
    pub(super) words: usize,
    pub(super) first_event: u64,
    pub(super) missing: u64,
    pub(super) began_at_ms: i64,
    /// Of the gate: a file in another gate's directory is not read as its own.
    pub(super) identity: u64,
    pub(super) state: Vec<u64>,
}

pub(super) fn hash_of_name(gate: &str) -> u64 {
    xxh3_64(gate.as_bytes())
}

/// Bytes of an event with so many words.
pub(super) fn record_bytes(words: usize) -> usize {
    8 * (words + 2)
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = 8 * (FIXED + self.state.len() + 1);
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(MAGIC);
        let words = [
            length as u64,
            self.run,
            self.words as u64,
            self.first_event,
            self.missing,
            self.began_at_ms.cast_unsigned(),
            self.identity,
            self.state.len() as u64,
        ];
        put(&mut bytes, &words);
        put(&mut bytes, &self.state);
        let checksum = xxh3_64(&bytes);
        put(&mut bytes, &[checksum]);
        bytes
    }

    /// Reads the header and returns how long it is. The error says what is wrong.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Header, usize), &'static str> {
        if !bytes.starts_with(&MAGIC) {
            return Err("it is no segment of a gate's log, or one of another version");
        }
        let word = |at: usize| word(bytes, at).ok_or("its header is cut off");
        let length =
            usize::try_from(word(1)?).ok().filter(|length| length % 8 == 0 && *length >= 8 * (FIXED + 1));
        let length =
            length.filter(|length| *length <= bytes.len()).ok_or("its header is cut off or damaged")?;
        let last = length / 8 - 1;
        if word(last)? != xxh3_64(&bytes[..8 * last]) || usize::try_from(word(8)?) != Ok(last - FIXED) {
            return Err("its header is damaged");
        }
        let header = Header {
            run: word(2)?,
            words: usize::try_from(word(3)?)
                .ok()
                .filter(|words| WORDS.contains(words))
                .ok_or("its header is damaged")?,
            first_event: word(4)?,
            missing: word(5)?,
            began_at_ms: word(6)?.cast_signed(),
            identity: word(7)?,
            state: (FIXED..last).map(word).collect::<Result<_, _>>()?,
        };
        Ok((header, length))
    }
}

/// What stands behind the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Event,
    /// With the number of events that it says.
    End(u64),
}

/// Adds an event. A moment that only the end may have is moved by a millisecond.
pub(super) fn put_event(bytes: &mut Vec<u8>, run: u64, number: u64, at_ms: i64, words: &[u64]) {
    put_record(bytes, run, number, at_ms.min(END - 1), words);
}

/// Adds the end, behind so many events.
pub(super) fn put_end(bytes: &mut Vec<u8>, header: &Header, events: u64) {
    let mut words = vec![0; header.words];
    words[0] = events;
    put_record(bytes, header.run, header.first_event + events, END, &words);
}

/// What the bytes of one record are, if they are the one with this number; `None` if not.
pub(super) fn decode_record(bytes: &[u8], run: u64, number: u64) -> Option<Record> {
    let last = bytes.len() / 8 - 1;
    if word(bytes, last)? != checksum(&bytes[..8 * last], run, number) {
        return None;
    }
    Some(if word(bytes, 0)?.cast_signed() == END { Record::End(word(bytes, 1)?) } else { Record::Event })
}

/// The word in this place; `None` behind the end.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(8 * at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

fn put_record(bytes: &mut Vec<u8>, run: u64, number: u64, at_ms: i64, words: &[u64]) {
    let begin = bytes.len();
    put(bytes, &[at_ms.cast_unsigned()]);
    put(bytes, words);
    let checksum = checksum(&bytes[begin..], run, number);
    put(bytes, &[checksum]);
}

fn checksum(bytes: &[u8], run: u64, number: u64) -> u64 {
    xxh3_64_with_seed(bytes, run.wrapping_add(number))
}

fn put(bytes: &mut Vec<u8>, words: &[u64]) {
    for word in words {
        bytes.extend(word.to_le_bytes());
    }
}
