//! Server-sent events out of a byte stream, and the time stamp that our provider puts into its chunks.

use memchr::memmem;

/// What stands before the stamp in a chunk: a field that SDKs and gateways know and nobody interprets.
pub(crate) const STAMP: &[u8] = b"\"fp_";

/// Digits of a stamp: monotonic nanoseconds.
pub(crate) const STAMP_DIGITS: usize = 19;

/// Cuts a stream at blank lines, however reads cut it.
#[derive(Debug, Default)]
pub(crate) struct Events {
    kept: Vec<u8>,
}

impl Events {
    /// Takes bytes and hands out each complete event without its blank line.
    pub(crate) fn feed(&mut self, bytes: &[u8], on_event: &mut impl FnMut(&[u8])) {
        // Nothing kept is the common case: events are then read where they are.
        if self.kept.is_empty() {
            let used = cut(bytes, on_event);
            self.kept.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            self.kept.extend_from_slice(bytes);
            let used = cut(&self.kept, on_event);
            self.kept.drain(..used);
        }
    }
}

fn cut(bytes: &[u8], on_event: &mut impl FnMut(&[u8])) -> usize {
    let mut from = 0;
    for end in memmem::find_iter(bytes, b"\n\n") {
        if let Some(event) = bytes.get(from..end) {
            on_event(event);
        }
        from = end + 2;
    }
    from
}

/// When our provider made this chunk; `None` for any other event.
pub(crate) fn stamp(event: &[u8]) -> Option<u64> {
    let start = memmem::find(event, STAMP)? + STAMP.len();
    let digits = event.get(start..start + STAMP_DIGITS)?;
    digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then(|| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_the_stream_is_cut() {
        let stream = b"data: {\"fp_0000000000000000042\"}\n\n: ping\n\ndata: [DONE]\n\n";
        for piece in 1..stream.len() {
            let mut events = Events::default();
            let mut seen = Vec::new();
            for bytes in stream.chunks(piece) {
                events.feed(bytes, &mut |event| seen.push((event.to_vec(), stamp(event))));
            }
            assert_eq!(seen.len(), 3);
            assert_eq!(
                (seen[0].1, seen[1].1, seen[2].0.as_slice()),
                (Some(42), None, b"data: [DONE]".as_slice())
            );
        }
    }
}
