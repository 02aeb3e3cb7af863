//! The provider that load goes to: fixed answers, made once, on one thread.
//!
//! Not `testkit`'s provider, which records and scripts: this one must stay cheaper than any gateway. It still refuses
//! a wrong key, so that a gateway that forgot to replace it is seen, and writes every chunk of a stream on its own.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use memchr::memmem::Finder;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::events::STAMP_DIGITS;
use crate::request::{Ask, MARKER};

/// Where the two providers of the route map are, in their forms.
pub(crate) struct Upstreams {
    pub(crate) plain: [SocketAddr; 2],
    pub(crate) tls: [SocketAddr; 2],
    /// The first one ill: it takes every request and answers 500. The second is well.
    pub(crate) ill: [SocketAddr; 2],
    taken: [Rc<Cell<u64>>; 2],
}

impl Upstreams {
    /// How many requests each of the two has taken so far, in whichever form.
    pub(crate) fn taken(&self) -> [u64; 2] {
        self.taken.each_ref().map(|taken| taken.get())
    }
}

/// Starts serving on this thread, on free ports.
pub(crate) async fn start(key: &str, tls: TlsAcceptor) -> Result<Upstreams> {
    let prepared = Rc::new(Prepared::new(key)?);
    let taken: [Rc<Cell<u64>>; 2] = Default::default();
    let [first, second] =
        taken.clone().map(|taken| Manner { prepared: Rc::clone(&prepared), taken, tls: None, ill: false });
    let ill = listen(Manner { ill: true, ..first.clone() }).await?;
    let [first_tls, second_tls] =
        [&first, &second].map(|manner| Manner { tls: Some(tls.clone()), ..manner.clone() });
    let tls = [listen(first_tls).await?, listen(second_tls).await?];
    let plain = [listen(first).await?, listen(second).await?];
    Ok(Upstreams { plain, tls, ill: [ill, plain[1]], taken })
}

/// How one listener answers.
#[derive(Clone)]
struct Manner {
    prepared: Rc<Prepared>,
    taken: Rc<Cell<u64>>,
    tls: Option<TlsAcceptor>,
    ill: bool,
}

async fn listen(manner: Manner) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::task::spawn_local(accept(listener, manner));
    Ok(address)
}

async fn accept(listener: TcpListener, manner: Manner) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let manner = manner.clone();
        tokio::task::spawn_local(async move {
            // A client that leaves is no concern of the provider, within the handshake either.
            match &manner.tls {
                None => serve(stream, &manner).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &manner).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, manner: &Manner) {
    let service = service_fn(|request| {
        manner.taken.set(manner.taken.get() + 1);
        answer(Rc::clone(&manner.prepared), manner.ill, request)
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).auto_date_header(false);
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

/// Everything that can be made before the first request.
struct Prepared {
    authorization: HeaderValue,
    marker: Finder<'static>,
    small: Bytes,
    large: Bytes,
    chunk: Bytes,
    stamp_at: usize,
    last: Bytes,
}

impl Prepared {
    fn new(key: &str) -> Result<Prepared> {
        let chunk = "data: {\"id\":\"chatcmpl-load\",\"object\":\"chat.completion.chunk\",\"created\":1763683200,\
                     \"model\":\"gpt-load\",\"system_fingerprint\":\"fp_0000000000000000000\",\"choices\":\
                     [{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n";
        let stamp_at = chunk.find("fp_").context("a place for the stamp")? + 3;
        let last = "data: {\"id\":\"chatcmpl-load\",\"object\":\"chat.completion.chunk\",\"created\":1763683200,\
                    \"model\":\"gpt-load\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                    data: [DONE]\n\n";
        Ok(Prepared {
            authorization: HeaderValue::try_from(format!("Bearer {key}"))?,
            marker: Finder::new(MARKER),
            small: completion(1024),
            large: completion(64 * 1024),
            chunk: Bytes::from_static(chunk.as_bytes()),
            stamp_at,
            last: Bytes::from_static(last.as_bytes()),
        })
    }

    fn asked(&self, body: &[u8]) -> Ask {
        let after = self.marker.find(body).and_then(|place| body.get(place + MARKER.len()..));
        after.map_or(Ask::Small, Ask::parse)
    }

    /// A chunk with the time in it.
    fn stamped(&self) -> Bytes {
        let mut chunk = BytesMut::from(self.chunk.as_ref());
        let mut time = clock::now();
        for digit in chunk.iter_mut().skip(self.stamp_at).take(STAMP_DIGITS).rev() {
            *digit = b'0' + u8::try_from(time % 10).unwrap_or_default();
            time /= 10;
        }
        chunk.freeze()
    }
}

/// A chat completion of exactly so many bytes.
fn completion(size: usize) -> Bytes {
    let whole = |content: &str| {
        json!({
            "id": "chatcmpl-load",
            "object": "chat.completion",
            "created": 1_763_683_200,
            "model": "gpt-load",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": 150, "completion_tokens": 200, "total_tokens": 350},
        })
        .to_string()
    };
    let around = whole("").len();
    let filler = "word ".repeat(size);
    Bytes::from(whole(filler.split_at(size.saturating_sub(around)).0))
}

async fn answer(
    prepared: Rc<Prepared>,
    ill: bool,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let (head, mut body) = request.into_parts();
    let Some(received) = read(&mut body).await else {
        return Ok(refusal(StatusCode::BAD_REQUEST));
    };
    if head.headers.get(AUTHORIZATION) != Some(&prepared.authorization) {
        return Ok(refusal(StatusCode::UNAUTHORIZED));
    }
    if ill {
        return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let (kind, answer) = match prepared.asked(&received) {
        Ask::Small | Ask::Upload { .. } => ("application/json", Answer::Whole(Some(prepared.small.clone()))),
        Ask::Large => ("application/json", Answer::Whole(Some(prepared.large.clone()))),
        Ask::Stream { chunks, pause_ms } => {
            let stream = Stream {
                prepared,
                left: chunks,
                pause: Duration::from_millis(pause_ms),
                timer: (pause_ms > 0).then(|| Box::pin(sleep_until(Instant::now()))),
                flushed: true,
            };
            ("text/event-stream", Answer::Stream(Some(Box::new(stream))))
        }
    };
    let mut response = Response::new(answer);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

fn refusal(status: StatusCode) -> Response<Answer> {
    let mut response =
        Response::new(Answer::Whole(Some(Bytes::from_static(b"refused by the load provider"))));
    *response.status_mut() = status;
    response
}

/// The body in one piece; a small one arrives in one frame and is not copied.
async fn read(body: &mut Incoming) -> Option<Bytes> {
    let Some(first) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await else {
        return Some(Bytes::new());
    };
    let first = first.ok()?.into_data().ok()?;
    if body.is_end_stream() {
        return Some(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(frame) = body.frame().await {
        whole.extend_from_slice(&frame.ok()?.into_data().ok()?);
    }
    Some(whole.freeze())
}

enum Answer {
    Whole(Option<Bytes>),
    Stream(Option<Box<Stream>>),
}

struct Stream {
    prepared: Rc<Prepared>,
    left: u64,
    pause: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    flushed: bool,
}

impl Stream {
    /// The next chunk when it is due. `None` when all are sent.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(context));
            // From the due time, not from now: a late chunk does not make all later ones late.
            let next = timer.deadline() + self.pause;
            timer.as_mut().reset(next);
        } else if !std::mem::replace(&mut self.flushed, false) {
            self.flushed = true;
            // "Not ready" makes hyper write what it has, so that each chunk is a write of its own.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.left -= 1;
        Poll::Ready(Some(self.prepared.stamped()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Answer::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Answer::Stream(slot) => {
                let Some(stream) = slot else { return Poll::Ready(None) };
                if let Some(chunk) = ready!(stream.poll_chunk(context)) {
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                let last = stream.prepared.last.clone();
                *slot = None;
                Poll::Ready(Some(Ok(Frame::data(last))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Answer::Whole(None) | Answer::Stream(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Answer::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::stamp;

    #[test]
    fn answers_have_the_sizes_that_the_report_names() {
        let prepared = Prepared::new("k").unwrap();
        assert_eq!((prepared.small.len(), prepared.large.len()), (1024, 64 * 1024));
        assert!((180..=200).contains(&prepared.chunk.len()), "{}", prepared.chunk.len());
        serde_json::from_slice::<serde_json::Value>(&prepared.large).unwrap();
    }

    #[test]
    fn a_chunk_carries_the_time_it_was_made() {
        let prepared = Prepared::new("k").unwrap();
        let before = clock::now();
        let chunk = prepared.stamped();
        assert_eq!(chunk.len(), prepared.chunk.len());
        assert!((before..=clock::now()).contains(&stamp(&chunk).unwrap()));
    }
}
