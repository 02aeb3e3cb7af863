//! A caller and its provider on one thread, which take turns: each waits until the gateway between them has passed on what
//! the other sent. So the gateway does the same for every request, however busy the machine is: what is sent at once
//! arrives at once, and nothing arrives that it does not wait for.
//!
//! Plain blocking sockets and fixed bytes: these two allocate nothing once they have begun, so that what a process
//! allocates between two requests is the gateway's.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::chat::{LAST_EVENTS, event};
use crate::relaying::{CALLERS_KEY, MODEL};

/// An answer that takes longer is not to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of the prompt, and of the text of an answer.
const PROMPT: usize = 400;
const TEXT: usize = 700;

/// What the provider listens on; a gateway has to know it before the caller can know the gateway.
pub struct Listening(TcpListener);

impl Listening {
    /// On a free port of loopback.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> Result<Listening> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(Listening)
    }

    /// Where.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.0.local_addr()
    }

    /// A caller of this gateway, and both sides connected: a first request has been answered.
    ///
    /// # Errors
    /// When the gateway does not relay.
    pub fn meet(self, gateway: SocketAddr) -> Result<Peers> {
        let caller = prepare(TcpStream::connect(gateway)?)?;
        let whole = request(false);
        (&caller).write_all(&whole)?;
        let provider = prepare(self.0.accept()?.0)?;
        let mut peers = Peers {
            caller,
            provider,
            read: Vec::with_capacity(64 << 10),
            whole,
            streamed: request(true),
            answer: answer(),
            event: in_chunk(&event(0)),
            end: end(),
        };
        peers.answer_whole()?;
        Ok(peers)
    }
}

fn prepare(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Both, each with its connection to the gateway.
pub struct Peers {
    caller: TcpStream,
    provider: TcpStream,
    read: Vec<u8>,
    whole: Vec<u8>,
    streamed: Vec<u8>,
    answer: Vec<u8>,
    event: Vec<u8>,
    end: Vec<u8>,
}

impl Peers {
    /// Asks and answers so many times, one after the other.
    ///
    /// # Errors
    /// When the gateway does not pass on what it is sent.
    pub fn relay(&mut self, requests: usize) -> Result<()> {
        for _ in 0..requests {
            self.caller.write_all(&self.whole)?;
            self.answer_whole()?;
        }
        Ok(())
    }

    fn answer_whole(&mut self) -> Result<()> {
        read_until(&mut self.provider, &mut self.read, is_whole)?;
        self.provider.write_all(&self.answer)?;
        read_until(&mut self.caller, &mut self.read, is_whole)?;
        expect(self.read.starts_with(b"HTTP/1.1 200 "), "another answer than 200")
    }

    /// One streamed answer of so many events, each sent when the one before has arrived.
    ///
    /// # Errors
    /// When the gateway does not pass on what it is sent.
    pub fn stream(&mut self, events: usize) -> Result<()> {
        self.caller.write_all(&self.streamed)?;
        read_until(&mut self.provider, &mut self.read, is_whole)?;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        self.provider.write_all(head.as_bytes())?;
        for _ in 0..events {
            self.provider.write_all(&self.event)?;
            read_until(&mut self.caller, &mut self.read, |read| read.ends_with(b"\n\n\r\n"))?;
        }
        self.provider.write_all(&self.end)?;
        read_until(&mut self.caller, &mut self.read, |read| read.ends_with(b"\r\n0\r\n\r\n"))?;
        let is_whole = self.read.windows(12).any(|seen| seen == b"data: [DONE]");
        expect(is_whole, "a stream without its end")
    }
}

fn expect(is_so: bool, otherwise: &str) -> Result<()> {
    if is_so { Ok(()) } else { Err(Error::new(ErrorKind::InvalidData, otherwise)) }
}

/// Reads from here on until what was read is enough.
fn read_until(stream: &mut TcpStream, read: &mut Vec<u8>, is_enough: impl Fn(&[u8]) -> bool) -> Result<()> {
    read.clear();
    let mut some = [0; 16 << 10];
    while !is_enough(read) {
        match stream.read(&mut some)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => read.extend_from_slice(some.get(..length).unwrap_or_default()),
        }
    }
    Ok(())
}

/// A head, and a body as long as the head says.
fn is_whole(read: &[u8]) -> bool {
    let Some(head) = read.windows(4).position(|seen| seen == b"\r\n\r\n") else { return false };
    let lines = read.get(..head).unwrap_or_default().split(|byte| *byte == b'\n');
    let length =
        lines.filter_map(|line| std::str::from_utf8(line).ok()?.split_once(':')).find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
    length.is_some_and(|length| read.len() >= head + 4 + length)
}

fn request(is_streamed: bool) -> Vec<u8> {
    let prompt = "word ".repeat(PROMPT / 5);
    let body = format!(
        r#"{{"model":"{MODEL}","stream":{is_streamed},"safety_identifier":"user-1","temperature":0.2,"messages":[{{"role":"user","content":"{prompt}"}}]}}"#
    );
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer {CALLERS_KEY}\r\n\
         accept: application/json\r\nuser-agent: OpenAI/Python 2.8.0\r\nx-stainless-lang: python\r\n\
         x-stainless-retry-count: 0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn answer() -> Vec<u8> {
    let text = "word ".repeat(TEXT / 5);
    let body = format!(
        r#"{{"id":"chatcmpl-0","object":"chat.completion","created":1763683200,"model":"gpt-0","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":80,"completion_tokens":140,"total_tokens":220}}}}"#
    );
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_0\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn end() -> Vec<u8> {
    let mut end = in_chunk(LAST_EVENTS);
    end.extend_from_slice(b"0\r\n\r\n");
    end
}

/// RFC 9112 section 7.1.
fn in_chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
