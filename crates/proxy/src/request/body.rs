//! Reads a request body whole, up to a cap, within a time, and within the room that all bodies share.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body::Body;

use crate::error::Error;
use crate::limits::Limits;
use crate::live::Live;
use crate::request::pace::Pace;

/// A body in memory; gives its room back when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) bytes: Bytes,
    _room: Room,
}

/// Reserved room among what the gateway holds for all requests; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    live: Arc<Live>,
    bytes: usize,
    most: usize,
}

impl Room {
    pub(crate) fn new(limits: &Limits, live: &Arc<Live>) -> Room {
        Room { live: Arc::clone(live), bytes: 0, most: limits.max_buffered }
    }

    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Error> {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 && !self.live.reserve(more, self.most) {
            return Err(Error::NoRoom);
        }
        self.bytes += more;
        Ok(())
    }
}

impl Buffered {
    pub(crate) fn new(bytes: Bytes, room: Room) -> Buffered {
        Buffered { bytes, _room: room }
    }

    /// The same bytes, which take no room of their own.
    pub(crate) fn uncounted(&self) -> Buffered {
        let Room { live, most, .. } = &self._room;
        Buffered { bytes: self.bytes.clone(), _room: Room { live: Arc::clone(live), bytes: 0, most: *most } }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.live.free(self.bytes);
    }
}

/// Reads a body.
pub(crate) async fn read<B>(body: B, limits: &Limits, live: &Arc<Live>) -> Result<Buffered, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let room = Room::new(limits, live);
    let pace = Pace::new(limits.min_body_rate);
    let mut reading = pin!(collect(body, limits.max_body, room, pace));
    // Most bodies arrive with their head: only one that does not costs a timer.
    let at_once = std::future::poll_fn(|cx| match reading.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending => Poll::Ready(None),
    });
    match at_once.await {
        Some(read) => read,
        None => tokio::time::timeout(limits.body_timeout, reading).await.map_err(|_| Error::BodyTimeout)?,
    }
}

async fn collect<B>(mut body: B, most: usize, mut room: Room, mut pace: Pace) -> Result<Buffered, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most {
        return Err(Error::BodyTooLarge { limit: most });
    }
    room.grow_to(announced)?;
    let Some(first) = next(&mut body, &mut pace).await? else {
        return Ok(Buffered { bytes: Bytes::new(), _room: room });
    };
    check(first.len(), most)?;
    room.grow_to(first.len())?;
    if body.is_end_stream() {
        // The whole body in one frame: a slice of the read buffer, not copied.
        return Ok(Buffered { bytes: first, _room: room });
    }
    let mut bytes = BytesMut::with_capacity(announced.max(first.len()));
    bytes.extend_from_slice(&first);
    drop(first);
    while let Some(data) = next(&mut body, &mut pace).await? {
        check(bytes.len() + data.len(), most)?;
        room.grow_to(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(Buffered { bytes: bytes.freeze(), _room: room })
}

fn check(length: usize, most: usize) -> Result<(), Error> {
    if length > most { Err(Error::BodyTooLarge { limit: most }) } else { Ok(()) }
}

/// The next data; trailers are passed over.
pub(crate) async fn next<B>(body: &mut B, pace: &mut Pace) -> Result<Option<Bytes>, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    std::future::poll_fn(|cx| {
        loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return pace.poll_stalled(cx).map(|()| Err(Error::BodyTimeout)),
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Error::BodyBroken)),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        pace.came(data.len());
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
            }
        }
    })
    .await
}
