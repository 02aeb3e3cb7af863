//! The inside of a JSON text: how far it goes on plainly, and its first bytes, decoded.

/// As much of one text as is ever kept.
pub(super) const CAPACITY: usize = 512;

/// How many bytes come before the first quote, backslash or control character; all of them if there is none.
///
/// Eight at a time, because most texts are short; from 64 on many at a time. Inlined whatever the compiler thinks: a call for
/// each name and value of a chunk shows in what the chunk costs.
#[inline(always)]
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
            return len + long_plain_run(rest);
        }
    }
    len + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// The same for texts that are long: both passes over each block are vectors, and the second finds it in the nearest cache.
#[inline(never)]
fn long_plain_run(bytes: &[u8]) -> usize {
    const BLOCK: usize = 4 << 10;
    let mut len = 0;
    for block in bytes.chunks(BLOCK) {
        let end = memchr::memchr2(b'"', b'\\', block).unwrap_or(block.len());
        let run = block.get(..end).unwrap_or(block);
        // The least of all says whether any is a control character; only what is not JSON has one.
        if run.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < 0x20 {
            return len + run.iter().position(|byte| *byte < 0x20).unwrap_or(end);
        }
        len += end;
        if end < block.len() {
            break;
        }
    }
    len
}

/// What an escape of one letter stands for (RFC 8259 section 7).
#[inline]
pub(super) fn escaped(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
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
        if self.len < self.limit
            && let Some(room) = self.bytes.get_mut(self.len..self.limit)
        {
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
