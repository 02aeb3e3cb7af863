//! Peers that send exactly the bytes they are told, for what no HTTP library would send.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a peer listens to silence before it calls an exchange over.
const SILENCE: Duration = Duration::from_millis(300);

/// Sends bytes on a new connection and returns all that comes back until it closes or falls silent.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Heard {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may have closed already: what it said is read all the same.
    stream.write_all(bytes).await.ok();
    listen(&mut stream, SILENCE).await
}

/// Reads until the peer closes or falls silent.
pub(crate) async fn listen(stream: &mut TcpStream, silence: Duration) -> Heard {
    let mut heard = Heard::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match tokio::time::timeout(silence, stream.read(&mut buffer)).await {
            Err(_) => return heard,
            Ok(Ok(0) | Err(_)) => {
                heard.closed = true;
                return heard;
            }
            Ok(Ok(length)) => heard.bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

/// What a peer said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    pub(crate) closed: bool,
}

impl Heard {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The status codes, in their order.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        let text = self.text();
        text.split("HTTP/1.").skip(1).filter_map(|part| part.get(2..5)?.parse().ok()).collect()
    }
}

/// A provider that answers every request with the bytes of the moment.
pub(crate) struct WireProvider {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
    /// Whole requests, head and body as they came.
    pub(crate) requests: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl WireProvider {
    pub(crate) async fn start() -> WireProvider {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(ok("{}")));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answers, arrived) = (Arc::clone(&answer), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream, Arc::clone(&answers), Arc::clone(&arrived)));
            }
        });
        WireProvider { address, answer, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// An empty answer closes the connection.
    pub(crate) fn answers(&self, bytes: impl Into<Vec<u8>>) {
        *self.answer.lock().unwrap() = bytes.into();
    }

    /// The requests since the last look.
    pub(crate) fn arrived(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        requests.into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }
}

impl Drop for WireProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A well-formed answer.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into()
}

async fn answer_all(mut stream: TcpStream, answer: Arc<Mutex<Vec<u8>>>, requests: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut held = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        held.extend_from_slice(&buffer[..length]);
        while let Some(end) = request_end(&held) {
            requests.lock().unwrap().push(held.drain(..end).collect());
            let bytes = answer.lock().unwrap().clone();
            if bytes.is_empty() || stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }
}

/// Where the first request ends. The gateway always announces a length, so anything else is a finding.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    assert!(!text.contains("transfer-encoding"), "{text}");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let end = head + length.unwrap_or(0);
    (bytes.len() >= end).then_some(end)
}
