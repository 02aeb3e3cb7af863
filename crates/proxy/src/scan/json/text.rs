//! The inside of a JSON text: how far it goes on plainly, and its first bytes, decoded.

/// As much of one text as is ever kept.
pub(super) const CAPACITY: usize = 512;

/// How many bytes come before the first quote, backslash or control character; all of them if there is none.
///
/// Eight at a time, because most texts are short; from 64 on thirty-two at a time, which compilers turn into vectors.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut len = 0;
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let specials = specials(u64::from_le_bytes(*word));
        if specials != 0 {
            return len + specials.trailing_zeros() as usize / 8;
        }
        len += 8;
        rest = after;
        if len == 64 {
            let skipped = plain_blocks(rest);
            len += skipped;
            rest = rest.get(skipped..).unwrap_or_default();
        }
    }
    len + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// The length of the leading blocks without a special byte.
#[inline(never)]
fn plain_blocks(bytes: &[u8]) -> usize {
    let mut len = 0;
    for block in bytes.as_chunks::<32>().0 {
        if block.iter().fold(0, |found, byte| found | u8::from(is_special(*byte))) != 0 {
            break;
        }
        len += 32;
    }
    len
}

/// The high bit of each byte that is special, of which the lowest is exact: a borrow can only mark bytes above it.
#[inline]
fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let quotes = word ^ (ONES * b'"' as u64);
    let backslashes = word ^ (ONES * b'\\' as u64);
    let quotes = quotes.wrapping_sub(ONES) & !quotes;
    let backslashes = backslashes.wrapping_sub(ONES) & !backslashes;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGHS
}

/// The first bytes of a text that was split or had escapes.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    bytes: [u8; CAPACITY],
    len: usize,
    limit: usize,
}

impl Kept {
    /// Forgets what was kept; of what comes, so many bytes are kept.
    pub(super) fn start(&mut self, limit: usize) {
        self.len = 0;
        self.limit = limit.min(CAPACITY);
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.limit) {
            let len = text.len().min(room.len());
            if let (Some(room), Some(text)) = (room.get_mut(..len), text.get(..len)) {
                room.copy_from_slice(text);
                self.len += len;
            }
        }
    }

    /// A character of an escape. Half of a surrogate pair becomes the replacement character: what is kept is for
    /// matching only.
    pub(super) fn push_code(&mut self, code: u16) {
        let character = char::from_u32(u32::from(code)).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.push(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { bytes: [0; CAPACITY], len: 0, limit: 0 }
    }
}
