//! Reads as much of a routed body as the decision needs: JSON whole; a form up to its `model`, and whole if it is small.

use std::sync::Arc;

use bytes::BytesMut;
use decisions::Endpoint;
use http::{HeaderMap, header};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::error::Error;
use crate::limits::Limits;
use crate::live::Live;
use crate::request::body::{self, Buffered, Room, next};
use crate::request::form::FormScanner;
use crate::request::pace::{Fault, Pace, Paced};
use crate::request::payload::Received;

/// Reads a body.
pub(crate) async fn receive(
    incoming: Incoming,
    headers: &HeaderMap,
    endpoint: Endpoint,
    limits: &Limits,
    live: &Arc<Live>,
) -> Result<Received, Error> {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !endpoint.takes_forms() || !media_type.eq_ignore_ascii_case(b"multipart/form-data") {
        let held = body::read(incoming, limits, live).await?;
        return Ok(Received { held, form: None, rest: None });
    }
    if headers.get_all(header::CONTENT_TYPE).iter().nth(1).is_some() {
        return Err(Error::Body(crate::request::peek::PeekError::Form("it has more than one Content-Type")));
    }
    let scanner = FormScanner::new(content_type)?;
    // Boxed, as everything that few requests need.
    Box::pin(receive_form(incoming, scanner, limits, live)).await
}

/// Reads a form as far as the decision needs.
pub(crate) async fn receive_form(
    incoming: Incoming,
    scanner: FormScanner,
    limits: &Limits,
    live: &Arc<Live>,
) -> Result<Received, Error> {
    let reading = form(incoming, scanner, limits, Room::new(limits, live));
    tokio::time::timeout(limits.body_timeout, reading).await.map_err(|_| Error::BodyTimeout)?
}

/// A form that is larger than what is held for a second attempt goes on as it arrives, from its `model` on. Until that
/// has come, as much is held as of any body: some clients send the file first. What a form refers to that is not routed by
/// its model must stand within what is held.
async fn form(
    mut incoming: Incoming,
    mut scanner: FormScanner,
    limits: &Limits,
    mut room: Room,
) -> Result<Received, Error> {
    let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::with_capacity(announced.min(limits.replay_body + FRAME));
    let mut pace = Pace::new(limits.min_body_rate);
    let fault = Arc::<Fault>::default();
    let rest = loop {
        let Some(data) = next(&mut incoming, &mut pace).await? else {
            scanner.finish()?;
            break None;
        };
        room.grow_to(bytes.len() + data.len())?;
        scanner.feed(&data)?;
        bytes.extend_from_slice(&data);
        let is_large = bytes.len() > limits.replay_body;
        if is_large && scanner.can_be_placed() && !incoming.is_end_stream() {
            scanner.placed();
            break Some((Paced::new(incoming, limits.min_body_rate, &fault), fault));
        }
        if bytes.len() > limits.max_body && !scanner.can_be_placed() {
            return Err(Error::ModelTooLate { limit: limits.max_body });
        }
    };
    let held = Buffered::new(bytes.freeze(), room);
    Ok(Received { held, form: Some(scanner), rest })
}

/// What is read of a connection at once.
const FRAME: usize = 64 << 10;
