//! What the gateway itself sends, and how its connections end: the MUSTs of RFC 9113 and RFC 7541 about a server's frames.
//! Every frame that is read here is checked for its length as well ([`Peer::next`]).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::streams::STREAMS;
use crate::support::h2::{
    ACK, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, Frame, GOAWAY, HEADERS, NO_ERROR, PING, PREFACE,
    PUSH_PROMISE, Peer, RST_STREAM, SETTINGS, frame, literal, opening, ping, settings, window_update,
};
use crate::support::tls::{Caller, write};
use crate::support::wire::ok;
use crate::support::{Files, Map, Program, tenants};
use crate::{BODY, bare, body, chat, fields, get, head, pseudo, world};

#[tokio::test]
async fn settings_come_first_and_settings_and_pings_are_acknowledged_as_they_came() {
    let world = world("").await;
    let mut peer = Peer::silent(world.program.address).await;
    let pings: Vec<u8> = (0..50_u8).flat_map(|at| ping([at; 8])).collect();
    peer.send(&[PREFACE, &settings(&[]), &settings(&[(4, 70_000)]), &pings].concat()).await;
    let frames = peer.until(|frame| frame.is(PING, ACK) && frame.payload == [49; 8]).await;
    // H 3.4: the server's preface is a SETTINGS frame, the first of all.
    assert!(frames[0].kind == SETTINGS && frames[0].flags == 0 && frames[0].stream == 0, "{frames:?}");
    let announced: Vec<(u16, u32)> = frames[0]
        .payload
        .chunks(6)
        .map(|six| (u16::from_be_bytes([six[0], six[1]]), u32::from_be_bytes(six[2..].try_into().unwrap())))
        .collect();
    // H 6.5.2: a server never announces ENABLE_PUSH of 1, and nothing beyond the bounds of each setting.
    assert!(announced.iter().all(|(id, value)| *id != 2 || *value == 0), "{announced:?}");
    assert!(announced.contains(&(3, STREAMS)) && announced.contains(&(6, 16 << 10)), "{announced:?}");
    // H 6.5.3, 6.7: each is acknowledged once, in order, with nothing or the same eight bytes.
    let acknowledged: Vec<_> = frames.iter().filter(|frame| frame.is(SETTINGS, ACK)).collect();
    assert!(
        acknowledged.len() == 2 && acknowledged.iter().all(|frame| frame.payload.is_empty()),
        "{frames:?}"
    );
    let ponged: Vec<u8> =
        frames.iter().filter(|frame| frame.kind == PING).map(|frame| frame.payload[0]).collect();
    assert_eq!(ponged, (0..50).collect::<Vec<u8>>());
}

#[tokio::test]
async fn the_first_block_after_a_smaller_table_says_so_and_no_answer_is_pushed_or_needs_the_connection() {
    let world = world("").await;
    world.provider.answers(
        "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-own\r\nkeep-alive: timeout=5\r\nx-own: leak\r\nContent-Type: application/json\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n2\r\n{}\r\n0\r\nx-end: leak\r\n\r\n",
    );
    let mut peer = Peer::silent(world.program.address).await;
    peer.send(&[PREFACE, &settings(&[(1, 0), (2, 0)])].concat()).await;
    peer.until(|frame| frame.is(SETTINGS, ACK)).await;
    peer.send(&chat(1)).await;
    let frames = peer.until(|frame| frame.is(DATA, END_STREAM) || frame.kind == RST_STREAM).await;
    let head = frames.iter().find(|frame| frame.kind == HEADERS).unwrap();
    // C 4.2: a reduced table is acknowledged by a size update at the beginning of the next block.
    assert_eq!((head.payload[0], head.status()), (0x20, Some(200)), "{head:?}");
    assert!(frames.iter().all(|frame| frame.kind != PUSH_PROMISE));
    // H 8.2, 8.2.2: hyper refuses an answer with fields of a connection or names in capitals.
    let stream = tokio::net::TcpStream::connect(world.program.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = hyper::Request::get(format!("http://x{}", "/v1/files"))
        .header("authorization", format!("Bearer {}", crate::ACME))
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let (head, body) = answer.into_parts();
    for name in ["connection", "keep-alive", "transfer-encoding", "x-own", "upgrade", "proxy-connection"] {
        assert!(!head.headers.contains_key(name), "{name}: {:?}", head.headers);
    }
    let body = http_body_util::BodyExt::collect(body).await.unwrap();
    assert!(body.trailers().is_none(), "{:?}", body.trailers());
    assert_eq!(body.to_bytes(), "{}");
    driving.abort();
}

#[tokio::test]
async fn no_more_is_sent_than_the_windows_of_stream_and_connection_allow() {
    let world = world("").await;
    world.provider.answers(ok(&"x".repeat(100_000)));
    let mut peer = Peer::silent(world.program.address).await;
    peer.send(&[PREFACE, &settings(&[(1, 0), (4, 10)]), &bare(1, &get())].concat()).await;
    let bytes = |frames: &[Frame]| {
        frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum::<usize>()
    };
    let mut came = bytes(&peer.until(|frame| frame.kind == DATA).await);
    // H 6.9.1: what comes before the answer to a PING is all there is.
    came += silence(&mut peer, 1).await;
    assert_eq!(came, 10);
    // H 6.9.2: a window becomes negative, and nothing is sent until it is positive again.
    peer.send(&[settings(&[(4, 4)]), window_update(1, 6)].concat()).await;
    assert_eq!(silence(&mut peer, 2).await, 0);
    peer.send(&window_update(1, 20)).await;
    let more = bytes(&peer.until(|frame| frame.kind == DATA).await);
    assert_eq!(more + silence(&mut peer, 3).await, 20);
    // The connection's window is 65,535, whatever the stream's.
    peer.send(&window_update(1, 1 << 20)).await;
    let mut all = 30;
    while all < 65_535 {
        all += bytes(&peer.until(|frame| frame.kind == DATA).await);
    }
    assert_eq!((all, silence(&mut peer, 4).await), (65_535, 0));
    peer.send(&window_update(0, 1 << 20)).await;
    let rest = peer.until(|frame| frame.is(DATA, END_STREAM)).await;
    assert_eq!(all + bytes(&rest), 100_000);
}

/// Bytes of answers that come until two PINGs are answered: the second finds what the first has set going.
async fn silence(peer: &mut Peer, mark: u8) -> usize {
    let mut came = 0;
    for half in 0..2 {
        let payload = [mark, half, 1, 1, 1, 1, 1, 1];
        peer.send(&ping(payload)).await;
        let frames = peer.until(|frame| frame.is(PING, ACK) && frame.payload == payload).await;
        came +=
            frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum::<usize>();
    }
    came
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head_and_large_heads_come_in_pieces() {
    let world = world("").await;
    for (method, answer, status) in [
        ("HEAD", &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"[..], 200),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
    ] {
        world.provider.answers(answer);
        let mut peer = Peer::open(world.program.address).await;
        let request =
            pseudo(&[(":method", method), (":scheme", "http"), (":path", "/v1/files"), (":authority", "x")]);
        peer.send(&bare(1, &request)).await;
        let frames = peer.until(|frame| frame.flags & END_STREAM != 0 && frame.stream == 1).await;
        let last = frames.last().unwrap();
        assert_eq!((last.kind, last.status()), (HEADERS, Some(status)), "{method}: {frames:?}");
        // H 8.1: nothing comes after the end, and the connection goes on.
        assert!(peer.is_alive().await);
    }
    // H 4.2, 6.10: a head larger than a frame that the caller takes.
    let lines: String = (0..30).map(|at| format!("x-{at}: {}\r\n", "y".repeat(1_000))).collect();
    world.provider.answers(format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\n{{}}"));
    let mut peer = Peer::open(world.program.address).await;
    peer.send(&bare(1, &get())).await;
    let frames = peer.until(|frame| frame.is(DATA, END_STREAM)).await;
    let at = frames.iter().position(|frame| frame.kind == HEADERS).unwrap();
    assert!(frames[at].flags & END_HEADERS == 0 && frames[at + 1].kind == 9, "{:?}", frames[at + 1]);
}

#[tokio::test]
async fn who_sends_more_than_its_window_is_cut_off() {
    // A provider that takes nothing, so that no window is given back.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let files = Files::new(
        "workers = 1\n",
        &Map { top: "shared_state = true", ..Map::new(&url, "http://127.0.0.1:9/v1", "0%") }.text(),
        &tenants(),
    );
    let program = Program::serve(&files).await;
    let mut peer = Peer::open(program.address).await;
    let upload = [("/v1/files", "content-type", "application/octet-stream")];
    let (path, name, value) = upload[0];
    let request = pseudo(&[(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x")]);
    peer.send(&head(1, &[request, literal(name.as_bytes(), value.as_bytes())].concat())).await;
    let piece = frame(DATA, 0, 1, &[b'x'; 16 << 10]);
    let (mut sent, mut given) = (0_u64, 1_u64 << 20);
    let told = loop {
        // Whatever is given back is not waited for: this caller counts no window at all.
        if sent < 64 << 20 && peer.send(&piece).await {
            sent += 16 << 10;
        }
        match tokio::time::timeout(
            std::time::Duration::from_millis(if sent < 64 << 20 { 0 } else { 5_000 }),
            peer.next(),
        )
        .await
        {
            Ok(Some(frame)) if frame.kind == 8 && frame.stream == 1 => given += u64::from(frame.number()),
            Ok(Some(frame)) if frame.kind == GOAWAY || frame.kind == RST_STREAM => break Some(frame),
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(_) => assert!(sent < 64 << 20, "64 MiB were taken, {given} allowed"),
        }
    };
    // H 6.9.1: an error of the stream or of the connection.
    assert_eq!(told.map(|frame| frame.number()), Some(FLOW_CONTROL_ERROR));
}

#[tokio::test]
async fn a_gateway_that_ends_says_which_streams_it_still_answers() {
    let mut world = world("").await;
    let mut peer = Peer::open(world.program.address).await;
    peer.send(&[chat(1), head(3, &fields(&[]))].concat()).await;
    peer.until(|frame| frame.is(DATA, END_STREAM)).await;
    world.program.terminate();
    // H 6.8: GOAWAY with no error; a stream that is under way is still answered.
    let told = peer.until(|frame| frame.kind == GOAWAY).await;
    assert_eq!(told.last().unwrap().number(), NO_ERROR);
    peer.send(&body(3)).await;
    let frames = peer.until(|frame| frame.is(DATA, END_STREAM) && frame.stream == 3).await;
    assert!(frames.iter().any(|frame| frame.status() == Some(200)), "{frames:?}");
    assert_eq!(world.program.ended().await, 0);
}

#[tokio::test]
async fn over_tls_the_negotiated_protocol_is_the_one_that_is_spoken() {
    let authority = testkit::Authority::new().unwrap();
    let files = Files::new("", "", &tenants());
    write(&files, &authority.certify("gateway.test").unwrap());
    let provider = crate::support::wire::WireProvider::start().await;
    let url = provider.url();
    let map = Map { top: "shared_state = true", ..Map::new(&url, "http://127.0.0.1:9/v1", "0%") };
    files.write("routes.toml", &map.text());
    let tls = format!(
        "listen = \"127.0.0.1:0\"\nworkers = 1\n[tls]\ncertificate = \"{0}/gateway.pem\"\nkey = \"{0}/gateway.key\"\n",
        files.path().display()
    );
    files.write("cometgate.toml", &tls);
    let program = Program::serve(&files).await;
    let caller = |speaks| Caller { trusts: &authority, shows: None, speaks };
    // H 3.2: what ALPN has agreed on.
    let stream = caller("h2").connect(program.address).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut peer = Peer::over(stream);
    peer.send(&opening()).await;
    assert_eq!(peer.ask(&fields(&[]), BODY).await, (200, b"{}".to_vec()));
    assert!(peer.is_alive().await);
    // The cases that are about a connection as a whole, once more below TLS.
    for (bytes, code) in [
        (bare(2, &get()), 1),
        (crate::support::h2::sized(1 << 15, DATA, 0, 1, b""), 6),
        (window_update(0, (1 << 31) - 1), 3),
    ] {
        let mut peer = Peer::over(caller("h2").connect(program.address).await.unwrap());
        peer.send(&[opening(), bytes].concat()).await;
        let told = peer.until(|frame| frame.kind == GOAWAY).await;
        assert_eq!(told.last().unwrap().number(), code);
    }
    // Neither protocol in place of the other.
    let mut stream = caller("h2").connect(program.address).await.unwrap();
    stream.write_all(b"GET /v1/files HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.ok();
    assert!(!said.windows(7).any(|part| part == b"HTTP/1."), "{said:?}");
    let mut stream = caller("http/1.1").connect(program.address).await.unwrap();
    stream.write_all(&[opening(), chat(1)].concat()).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.ok();
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(provider.arrived().len(), 1);
}
