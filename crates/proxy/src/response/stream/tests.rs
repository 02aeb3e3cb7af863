use std::task::Waker;

use allocation_counter::measure;

use super::*;

const CHUNK: &[u8] =
    b"data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";

/// Takes in one read and hands on what may go out; its bytes.
fn relay(stream: &mut StreamBody, read: &Bytes) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    stream.take(read);
    let mut length = 0;
    while let Poll::Ready(Some(Ok(frame))) = stream.poll_frame(&mut cx) {
        length += frame.into_data().map_or(0, |data| data.len());
    }
    length
}

#[test]
fn a_chunk_on_its_way_allocates_nothing_however_it_is_cut() {
    let whole = Bytes::from(CHUNK.repeat(3));
    // As reads cut a stream: at events, in them, several at once.
    let reads = [0..CHUNK.len(), CHUNK.len()..CHUNK.len() + 40, CHUNK.len() + 40..whole.len()];
    let reads = reads.map(|read| whole.slice(read));
    let mut stream = StreamBody::of(None, StreamScanner::new(Shape::Chat), Shape::Chat);
    // The first ones make room for those that follow.
    let mut length = reads.iter().map(|read| relay(&mut stream, read)).sum::<usize>();
    assert_eq!(length, whole.len());
    let counted = measure(|| {
        for _ in 0..100 {
            length += reads.iter().map(|read| relay(&mut stream, read)).sum::<usize>();
        }
    });
    assert_eq!((counted.count_total, length), (0, 101 * whole.len()));
    assert_eq!(stream.scanner.progress().content_events(), 303);
}

/// Every open stream holds one.
#[test]
fn what_an_open_stream_holds_is_small() {
    let bytes = size_of::<StreamBody>();
    assert!(bytes <= 1792, "{bytes}");
}
