//! gRPC as far as one unary call needs it: a frame there, a frame and trailers back.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use prost::Message;

use crate::otlp::{Answer, Signal};

/// One byte says whether the message is compressed, four how long it is.
const FRAME_HEAD: usize = 5;

/// Where a signal is taken.
pub(super) fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    }
}

/// A message as it goes out.
pub(super) fn frame(message: &[u8], is_compressed: bool) -> Bytes {
    let mut frame = BytesMut::with_capacity(FRAME_HEAD + message.len());
    frame.put_u8(u8::from(is_compressed));
    // Batches are bounded far below four gigabytes.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The one message of an answer, which is not compressed as nobody has asked for that.
pub(super) fn message(body: &[u8]) -> Option<&[u8]> {
    let (head, message) = body.split_at_checked(FRAME_HEAD)?;
    let length = u32::from_be_bytes(head.get(1..)?.try_into().ok()?);
    let is_whole = head.first() == Some(&0) && usize::try_from(length).ok()? == message.len();
    is_whole.then_some(message)
}

/// The code of the call: where there is no body it stands among the headers.
pub(super) fn code(answer: &Answer) -> Option<u32> {
    let of = |headers: &HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
    of(&answer.trailers).or_else(|| of(&answer.headers))
}

/// How long the collector asks to be left alone.
pub(super) fn retry_delay(answer: &Answer) -> Option<Duration> {
    let of = |headers: &HeaderMap| {
        let details = from_base64(headers.get("grpc-status-details-bin")?.as_bytes())?;
        let status = RpcStatus::decode(details.as_slice()).ok()?;
        let is_meant = |detail: &&Detail| detail.type_url.ends_with("/google.rpc.RetryInfo");
        let info = RetryInfo::decode(status.details.iter().find(is_meant)?.value.as_slice()).ok()?;
        let delay = info.retry_delay?;
        Some(Duration::new(u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?))
    };
    of(&answer.trailers).or_else(|| of(&answer.headers))
}

/// `google.rpc.Status`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// As gRPC writes binary headers: the standard alphabet, padded or not.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(end), 0_u32, 0_u32);
    for byte in text.get(..end)? {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (held, bits) = (held << 6 | u32::from(value), bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_and_no_other_way() {
        let framed = frame(b"abc", false);
        assert_eq!(framed.as_ref(), b"\0\0\0\0\x03abc");
        assert_eq!(message(&framed), Some(&b"abc"[..]));
        for broken in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x03ab", b"\0\0\0\0\x03abcd", b"\x01\0\0\0\x03abc"] {
            assert_eq!(message(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_wish_for_a_pause_is_found() {
        let mut answer = Answer::default();
        assert_eq!(retry_delay(&answer), None);
        for text in ["", "AA", "!", "////"] {
            answer.trailers.insert("grpc-status-details-bin", HeaderValue::from_static(text));
            assert_eq!(retry_delay(&answer), None, "{text}");
        }
        let info = RetryInfo { retry_delay: Some(Delay { seconds: 2, nanos: 500_000_000 }) };
        let detail = Detail {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        };
        let bytes = RpcStatus { details: vec![detail] }.encode_to_vec();
        for padded in [false, true] {
            let value = HeaderValue::try_from(base64(&bytes, padded)).unwrap();
            answer.trailers.insert("grpc-status-details-bin", value);
            assert_eq!(retry_delay(&answer), Some(Duration::from_millis(2_500)));
        }
    }

    fn base64(bytes: &[u8], padded: bool) -> String {
        let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/").collect();
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let held = three.iter().fold(0_u32, |held, byte| held << 8 | u32::from(*byte));
            let held = held << (8 * (3 - three.len()));
            for at in 0..=three.len() {
                text.push(char::from(alphabet[(held >> (18 - 6 * at)) as usize & 63]));
            }
            for _ in 0..if padded { 3 - three.len() } else { 0 } {
                text.push('=');
            }
        }
        text
    }
}
