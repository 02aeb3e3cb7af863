//! The grammar of a number (RFC 8259 section 6), which may be split anywhere.

/// Which part of a number was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberPart {
    Start,
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl NumberPart {
    pub(super) fn may_end(self) -> bool {
        matches!(self, NumberPart::Zero | NumberPart::Integer | NumberPart::Fraction | NumberPart::Exponent)
    }
}

/// How many of the bytes go on with the number, and the part they lead to. What ends it too early or too late shows in
/// the part, or in the byte that follows.
#[inline]
pub(super) fn run(bytes: &[u8], part: NumberPart) -> (usize, NumberPart) {
    let mut part = part;
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        part = match (part, byte) {
            (NumberPart::Start, b'-') => NumberPart::Minus,
            (NumberPart::Start | NumberPart::Minus, b'0') => NumberPart::Zero,
            (NumberPart::Start | NumberPart::Minus | NumberPart::Integer, b'0'..=b'9') => NumberPart::Integer,
            (NumberPart::Zero | NumberPart::Integer, b'.') => NumberPart::Point,
            (NumberPart::Point | NumberPart::Fraction, b'0'..=b'9') => NumberPart::Fraction,
            (NumberPart::Zero | NumberPart::Integer | NumberPart::Fraction, b'e' | b'E') => NumberPart::E,
            (NumberPart::E, b'+' | b'-') => NumberPart::Sign,
            (NumberPart::E | NumberPart::Sign | NumberPart::Exponent, b'0'..=b'9') => NumberPart::Exponent,
            _ => break,
        };
        rest = after;
        if matches!(part, NumberPart::Integer | NumberPart::Fraction | NumberPart::Exponent) {
            rest = rest.get(digits(rest)..).unwrap_or_default();
        }
    }
    (bytes.len() - rest.len(), part)
}

/// How many digits come first; eight bytes at a time, because embeddings are made of them.
#[inline]
fn digits(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut len = 0;
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        // A digit becomes 0 to 9. The high bit of each byte above 9 is set; a carry can only spoil the bytes above it.
        let values = u64::from_le_bytes(*word) ^ (ONES * 0x30);
        let others = (values.wrapping_add(ONES * 0x76) | values) & (ONES * 0x80);
        if others != 0 {
            return len + others.trailing_zeros() as usize / 8;
        }
        len += 8;
        rest = after;
    }
    len + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}
