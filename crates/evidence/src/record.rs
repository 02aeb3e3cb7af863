//! One record: the line of JSON that is stored, and the hash that ties it to the one before.
//!
//! The stored line *is* the canonical encoding. Its SHA-256 is the record's hash, and an exported line is the stored one
//! with that hash put in as its last member. So whoever holds an export takes `,"hash":"…"` out of a line and runs
//! `sha256sum` over the rest: no JSON library, no rules about numbers or escapes (docs/evidence.md shows it).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::{Body, Digest, Kind, Moment, Name};

/// How lines are laid out. Stands in each line, so that a hash also says how it was made.
const FORMAT: u32 = 1;

/// The longest line that is stored, in bytes. The largest decision has a tenth of it.
const LONGEST_LINE: usize = 256 << 10;

/// Something to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it is recorded.
    pub at: Moment,
    /// The route that it concerns.
    pub route: Option<Name>,
    /// The version of the route map in force.
    pub route_version: Option<Name>,
    /// The hash of that map.
    pub map_sha256: Option<Digest>,
    /// Who records it: `gate`, `operator`, `check`, …
    pub by: Name,
    /// What it says.
    pub body: Body,
}

/// Where a chain ends: noted down, it shows later that nothing before it was changed or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last record; 0 if there is none.
    pub sequence: u64,
    /// Its hash; [`Digest::NONE`] if there is none.
    pub hash: Digest,
}

impl Head {
    pub(crate) const NONE: Head = Head { sequence: 0, hash: Digest::NONE };
}

#[derive(Serialize)]
struct Line<'a> {
    evidence: u32,
    sequence: u64,
    at: Moment,
    kind: &'static str,
    route: Option<&'a Name>,
    route_version: Option<&'a Name>,
    map_sha256: Option<&'a Digest>,
    by: &'a Name,
    previous_hash: Digest,
    body: &'a Body,
}

/// The line of an entry behind `previous`, and the head that it makes.
pub(crate) fn encode(entry: &Entry, previous: Head) -> Result<(String, Head)> {
    let sequence = previous.sequence + 1;
    let line = Line {
        evidence: FORMAT,
        sequence,
        at: entry.at,
        kind: entry.body.kind().as_str(),
        route: entry.route.as_ref(),
        route_version: entry.route_version.as_ref(),
        map_sha256: entry.map_sha256.as_ref(),
        by: &entry.by,
        previous_hash: previous.hash,
        body: &entry.body,
    };
    let line = serde_json::to_string(&line).map_err(|error| Error::Encoding { error })?;
    if line.len() > LONGEST_LINE {
        return Err(Error::TooLong { bytes: line.len(), most: LONGEST_LINE });
    }
    let hash = Digest::of(line.as_bytes());
    Ok((line, Head { sequence, hash }))
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number, counted from 1 without gaps.
    pub sequence: u64,
    /// When it was recorded.
    pub at: Moment,
    /// What it is about, in the word that stands in it: a newer version may have written kinds that this one lacks.
    pub kind: Name,
    /// The route that it concerns.
    pub route: Option<Name>,
    /// The version of the route map then in force.
    pub route_version: Option<Name>,
    /// The hash of that map.
    pub map_sha256: Option<Digest>,
    /// Who recorded it.
    pub by: Name,
    /// The hash of the record before; [`Digest::NONE`] in the first.
    pub previous_hash: Digest,
    /// Its own.
    pub hash: Digest,
    body: Box<RawValue>,
    line: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    evidence: u32,
    sequence: u64,
    at: Moment,
    kind: Name,
    route: Option<Name>,
    route_version: Option<Name>,
    map_sha256: Option<Digest>,
    by: Name,
    previous_hash: Digest,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Record {
    /// Reads a stored line and checks it against its number and hash. The error says what is wrong with it.
    pub(crate) fn decode(sequence: i64, line: &[u8], hash: &[u8]) -> Result<Record, String> {
        let computed = Digest::of(line);
        let stored = std::str::from_utf8(hash).ok().and_then(Digest::parse);
        // Compared as text as well: digits of another case are not what was written.
        if stored != Some(computed) || hash != computed.to_string().as_bytes() {
            return Err(format!("its line has the hash {computed}, and another is stored"));
        }
        let line = std::str::from_utf8(line).map_err(|error| format!("it is no text: {error}"))?;
        let read: Envelope<'_> =
            serde_json::from_str(line).map_err(|error| format!("its line cannot be read: {error}"))?;
        if read.evidence != FORMAT {
            return Err(format!("its line has the format {}, and {FORMAT} is known here", read.evidence));
        }
        if i64::try_from(read.sequence) != Ok(sequence) {
            return Err(format!("it says that it is record {}", read.sequence));
        }
        Ok(Record {
            sequence: read.sequence,
            at: read.at,
            kind: read.kind,
            route: read.route,
            route_version: read.route_version,
            map_sha256: read.map_sha256,
            by: read.by,
            previous_hash: read.previous_hash,
            hash: computed,
            body: read.body.to_owned(),
            line: line.to_owned(),
        })
    }

    /// What it says, typed.
    ///
    /// # Errors
    /// Text that says why not: a kind that this version does not know, or fields that it cannot read.
    pub fn body(&self) -> Result<Body, String> {
        let kind = Kind::parse(self.kind.as_str())
            .ok_or_else(|| format!("`{}` is a kind that this version does not know", self.kind))?;
        Body::read(kind, &self.body).map_err(|error| error.to_string())
    }

    /// What it says, as the JSON that is stored: of every kind.
    #[must_use]
    pub fn body_json(&self) -> &str {
        self.body.get()
    }

    /// As one line of an export: the stored line, with its hash as the last member.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        let open = self.line.strip_suffix('}').unwrap_or(&self.line);
        format!("{open},\"hash\":\"{}\"}}", self.hash)
    }

    /// The end of the chain that this record makes.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash }
    }
}
