//! W3C Trace Context, level 2: the header `traceparent`, read strictly. What is not exactly as the specification says is no
//! trace of anybody's, and the request begins one of its own.

use std::fmt;

/// Of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Of a span: 8 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// Where in a trace something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Which trace.
    pub trace_id: TraceId,
    /// The span that is its parent.
    pub parent_id: SpanId,
    /// [`SAMPLED`], [`RANDOM`], and nothing else.
    pub flags: u8,
}

/// Whoever began the trace, or passed it on, keeps it.
pub const SAMPLED: u8 = 0x01;
/// At least the last seven bytes of the trace's ID are random. It is kept as it came (section 3.2.2.5.2).
pub const RANDOM: u8 = 0x02;

/// The length of a header of version 00.
const LENGTH: usize = 55;

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TraceId {
    /// A new one, of random bytes.
    #[must_use]
    pub fn random() -> TraceId {
        TraceId(fastrand::u128(1..).to_be_bytes())
    }
}

impl SpanId {
    /// A new one, of random bytes.
    #[must_use]
    pub fn random() -> SpanId {
        SpanId(fastrand::u64(1..).to_be_bytes())
    }
}

impl TraceParent {
    /// Reads the header's value. A version above 00 may have more fields, which are left alone; of the flags those that
    /// are not known are 0 from here on.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<TraceParent> {
        let (version, rest) = (byte(text, 0)?, text.get(LENGTH..)?);
        let is_whole = match version {
            0 => rest.is_empty(),
            // Section 3.2.1: not a version.
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let has_dashes = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        let (trace_id, parent_id) = (bytes::<16>(text, 3)?, bytes::<8>(text, 36)?);
        let is_one = is_whole && has_dashes && trace_id != [0; 16] && parent_id != [0; 8];
        let flags = byte(text, 53)? & (SAMPLED | RANDOM);
        is_one.then_some(TraceParent { trace_id: TraceId(trace_id), parent_id: SpanId(parent_id), flags })
    }

    /// Its parent keeps the trace.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The header's value, of version 00.
    #[must_use]
    pub fn header(self) -> [u8; LENGTH] {
        let mut text = [b'-'; LENGTH];
        let parts: [(usize, &[u8]); 4] =
            [(0, &[0]), (3, &self.trace_id.0), (36, &self.parent_id.0), (53, &[self.flags])];
        for (at, bytes) in parts {
            let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
            for (place, digit) in text.iter_mut().skip(at).zip(digits) {
                *place = b"0123456789abcdef"[usize::from(digit)];
            }
        }
        text
    }
}

/// Two digits, in lower case (section 3.2.2: upper case makes it invalid).
fn byte(text: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| match text.get(at)? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    Some(digit(at)? << 4 | digit(at + 1)?)
}

fn bytes<const N: usize>(text: &[u8], at: usize) -> Option<[u8; N]> {
    let mut read = [0; N];
    for (place, each) in read.iter_mut().enumerate() {
        *each = byte(text, at + 2 * place)?;
    }
    Some(read)
}

#[cfg(test)]
mod tests;
