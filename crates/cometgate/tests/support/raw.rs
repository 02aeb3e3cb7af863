//! Raw sockets for hostile tests: a caller and a provider that send exactly the bytes they are told, and a gateway
//! whose whole output is kept.
#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test has nothing better to do with an error")]

use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::support::program::{PATIENCE, command};
use crate::support::{Files, Map, tenants};

/// A caller's connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    held: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    /// The head with its status line, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The body's own framing says that this is all.
    pub(crate) whole: bool,
    /// Interim answers before it.
    pub(crate) interim: Vec<u16>,
}

impl Said {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// All values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value.trim())
            .collect()
    }
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream, held: Vec::new() }
    }

    /// Connects and sends.
    pub(crate) async fn with(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Raw {
        let mut raw = Raw::connect(address).await;
        raw.send(bytes).await;
        raw
    }

    /// Sends; a gateway that has closed its side already is no error.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.stream.write_all(bytes.as_ref()).await);
    }

    async fn more(&mut self) -> bool {
        let mut room = vec![0; 64 << 10];
        match tokio::time::timeout(PATIENCE, self.stream.read(&mut room)).await.expect("a read hangs") {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.held.extend_from_slice(&room[..read]);
                true
            }
        }
    }

    /// The next final answer; `None` when the connection ends before one.
    pub(crate) async fn answer(&mut self) -> Option<Said> {
        self.answer_to("POST").await
    }

    /// The next final answer to a method: one to HEAD has no body.
    pub(crate) async fn answer_to(&mut self, method: &str) -> Option<Said> {
        let mut interim = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.held, b"\r\n\r\n") {
                    break end;
                }
                if !self.more().await {
                    assert!(self.held.is_empty(), "half a head: {:?}", String::from_utf8_lossy(&self.held));
                    return None;
                }
            };
            let head = String::from_utf8_lossy(&self.held[..end]).to_lowercase();
            self.held.drain(..end + 4);
            let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
            assert!(head.starts_with("http/1."), "not an answer: {head:?}");
            if (100..200).contains(&status) && status != 101 {
                interim.push(status);
                continue;
            }
            let mut said = Said { status, head, body: Vec::new(), whole: true, interim };
            if method != "HEAD" && !matches!(status, 101 | 204 | 304) {
                self.body(&mut said).await;
            }
            return Some(said);
        }
    }

    async fn body(&mut self, said: &mut Said) {
        if said.header("transfer-encoding") == ["chunked"] {
            while let Some(chunk) = self.chunk().await {
                if chunk.is_empty() {
                    return;
                }
                said.body.extend(chunk);
            }
            said.whole = false;
        } else if let [length] = said.header("content-length")[..] {
            let length: usize = length.parse().unwrap();
            while self.held.len() < length && self.more().await {}
            said.whole = self.held.len() >= length;
            said.body = self.held.drain(..length.min(self.held.len())).collect();
        } else {
            while self.more().await {}
            said.body = std::mem::take(&mut self.held);
        }
    }

    /// The next chunk; an empty one is the last.
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.held, b"\r\n") {
                let line = String::from_utf8(self.held[..end].to_vec()).unwrap();
                let size = usize::from_str_radix(&line, 16).unwrap();
                let whole = end + 2 + size + 2;
                if self.held.len() >= whole {
                    let chunk = self.held[end + 2..end + 2 + size].to_vec();
                    self.held.drain(..whole);
                    return Some(chunk);
                }
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.held)
    }

    /// Waits for the end of the connection: how long it took.
    pub(crate) async fn gone(&mut self) -> Duration {
        let began = Instant::now();
        self.rest().await;
        began.elapsed()
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// What an evil provider has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Every byte, by connection.
    pub(crate) bytes: Vec<Vec<u8>>,
    /// Connections that have ended.
    pub(crate) ended: usize,
    /// Connections whose gateway has closed or reset its side.
    pub(crate) left: usize,
}

/// A provider that does what a script says with each connection.
pub(crate) struct Evil {
    pub(crate) address: SocketAddr,
    seen: watch::Sender<Seen>,
    accepting: AbortHandle,
}

/// One connection of the gateway's.
pub(crate) struct EvilConnection {
    pub(crate) stream: TcpStream,
    /// From 0.
    pub(crate) number: usize,
    seen: watch::Sender<Seen>,
    held: Vec<u8>,
}

impl Evil {
    pub(crate) async fn start<S, F>(script: S) -> Evil
    where
        S: Fn(EvilConnection) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, _) = watch::channel(Seen::default());
        let log = seen.clone();
        let accepting = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let mut number = 0;
                log.send_modify(|seen| {
                    number = seen.bytes.len();
                    seen.bytes.push(Vec::new());
                });
                let ended = log.clone();
                let run = script(EvilConnection { stream, number, seen: log.clone(), held: Vec::new() });
                running.spawn(async move {
                    run.await;
                    ended.send_modify(|seen| seen.ended += 1);
                });
            }
        })
        .abort_handle();
        Evil { address, seen, accepting }
    }

    /// Answers every request of every connection with these bytes.
    pub(crate) async fn saying(bytes: impl Into<Vec<u8>>) -> Evil {
        let bytes: Arc<[u8]> = bytes.into().into();
        Evil::start(move |mut connection| {
            let bytes = Arc::clone(&bytes);
            async move {
                while connection.request().await.is_some() {
                    connection.send(&*bytes).await;
                }
            }
        })
        .await
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.borrow().bytes.len()
    }

    /// Every byte of every connection.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.borrow().bytes.concat()
    }

    /// Waits until something holds of what was seen.
    pub(crate) async fn until(&self, what: &str, mut holds: impl FnMut(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), seen.wait_for(|seen| holds(seen))).await;
        assert!(waited.is_ok(), "never: {what}");
    }
}

impl Drop for Evil {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl EvilConnection {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.stream.write_all(bytes.as_ref()).await);
    }

    /// Reads more; `false` when the gateway has closed.
    pub(crate) async fn more(&mut self) -> bool {
        let mut room = vec![0; 64 << 10];
        match self.stream.read(&mut room).await {
            Ok(0) | Err(_) => {
                self.seen.send_modify(|seen| seen.left += 1);
                false
            }
            Ok(read) => {
                self.held.extend_from_slice(&room[..read]);
                let number = self.number;
                self.seen.send_modify(|seen| seen.bytes[number].extend_from_slice(&room[..read]));
                true
            }
        }
    }

    /// Reads until the gateway closes.
    pub(crate) async fn until_left(&mut self) {
        while self.more().await {}
    }

    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.held, b"\r\n\r\n") {
                let head = String::from_utf8(self.held.drain(..end + 4).collect()).unwrap();
                return Some(head);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The next request, read strictly: CRLF only, one framing header, nothing obscure.
    pub(crate) async fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head().await?;
        let framing = strict(&head);
        let mut body = Vec::new();
        match framing {
            Framing::Length(length) => {
                while self.held.len() < length {
                    if !self.more().await {
                        return None;
                    }
                }
                body = self.held.drain(..length).collect();
            }
            Framing::Chunked => loop {
                let Some(end) = find(&self.held, b"\r\n") else {
                    if !self.more().await {
                        return None;
                    }
                    continue;
                };
                let line = String::from_utf8(self.held[..end].to_vec()).unwrap();
                let size = usize::from_str_radix(&line, 16)
                    .unwrap_or_else(|_| panic!("chunk line {line:?} is not plain"));
                if self.held.len() < end + 2 + size + 2 {
                    if !self.more().await {
                        return None;
                    }
                    continue;
                }
                let chunk: Vec<u8> = self.held.drain(..end + 2 + size + 2).collect();
                assert_eq!(&chunk[end + 2 + size..], b"\r\n");
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[end + 2..end + 2 + size]);
            },
        }
        Some((head, body))
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

fn strict(head: &str) -> Framing {
    let lines: Vec<&str> = head.trim_end_matches("\r\n").split("\r\n").collect();
    let mut lengths = Vec::new();
    let mut codings = Vec::new();
    for line in &lines {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
    for line in lines.iter().skip(1) {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{line:?}");
        match name.to_lowercase().as_str() {
            "content-length" => lengths.push(value.parse::<usize>().unwrap()),
            "transfer-encoding" => codings.push(value.to_owned()),
            _ => {}
        }
    }
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Framing::Length(0),
        ([length], []) => Framing::Length(*length),
        ([], [coding]) if coding == "chunked" => Framing::Chunked,
        _ => panic!("a request framed twice or oddly: {head:?}"),
    }
}

/// A gateway with all of its output in files.
pub(crate) struct Watched {
    pub(crate) address: SocketAddr,
    pub(crate) files: Files,
    child: Child,
    /// One request at a time may ask for the lines that belong to it.
    taken: Mutex<usize>,
}

impl Watched {
    /// With everything on the primary, a line for each request, and these settings.
    pub(crate) async fn before(primary: &str, settings: &str) -> Watched {
        let map = Map::new(primary, "http://127.0.0.1:9/v1", "0%").text();
        Watched::start(Files::new(settings, &map, &tenants()), "info").await
    }

    pub(crate) async fn start(files: Files, level: &str) -> Watched {
        let settings = files.path().join("cometgate.toml");
        let file = |name: &str| File::create(files.path().join(name)).unwrap();
        let child = command(&["serve", "--log-requests", "--config", settings.to_str().unwrap()])
            .env("RUST_LOG", level)
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .unwrap();
        let mut watched =
            Watched { address: ([127, 0, 0, 1], 0).into(), files, child, taken: Mutex::new(0) };
        let line = watched.line("err", 0, "serving http://").await;
        let address = line.split("http://").nth(1).unwrap().split("/v1").next().unwrap();
        watched.address = address.parse().unwrap();
        watched
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path(name)).unwrap()).into_owned()
    }

    /// Waits for a whole line with this text, after so many bytes of the file.
    pub(crate) async fn line(&self, name: &str, after: usize, text: &str) -> String {
        let began = Instant::now();
        loop {
            let all = self.read(name);
            let whole = &all[after.min(all.len())..all.rfind('\n').map_or(after.min(all.len()), |end| end + 1)];
            if let Some(line) = whole.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{text:?} is not in {name}:\n{all}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The line of the next request that is over.
    pub(crate) async fn record(&self) -> String {
        let began = Instant::now();
        loop {
            let all = self.read("out");
            let found = {
                let mut taken = self.taken.lock().unwrap();
                let line = all.lines().nth(*taken).filter(|_| all.matches('\n').count() > *taken);
                if line.is_some() {
                    *taken += 1;
                }
                line.map(str::to_owned)
            };
            if let Some(line) = found {
                return line;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no more requests have ended:\n{all}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How the next request that is over ended.
    pub(crate) async fn outcome(&self) -> String {
        self.record().await.rsplit("  ").next().unwrap().to_owned()
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Waits until no more descriptors than this are open.
    pub(crate) async fn descriptors_fall_to(&self, most: usize) -> usize {
        let began = Instant::now();
        loop {
            let open = self.descriptors();
            if open <= most || began.elapsed() > Duration::from_secs(5) {
                return open;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// CPU time so far, in ticks of 10 ms.
    pub(crate) fn cpu(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end: the exit code.
    pub(crate) async fn ended(&mut self) -> i32 {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code().unwrap()
    }
}

/// `POST /v1/chat/completions` as bytes.
pub(crate) fn chat(key: &str, body: &str) -> String {
    post("/v1/chat/completions", key, body)
}

pub(crate) fn post(path: &str, key: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A head up to where framing headers belong, without the empty line.
pub(crate) fn head(method: &str, path: &str, key: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {key}\r\n")
}

/// A 200 with a body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The smallest request that is routed.
pub(crate) const SMALL: &str = r#"{"model":"summary"}"#;
