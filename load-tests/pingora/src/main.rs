//! The least that Pingora needs for the job that every proxy here has: pass requests on to one of two providers, nineteen
//! to one, with the key replaced. One thread, connections kept alive, no access log, no retries.
//!
//! `pingora-peer LISTEN FIRST SECOND KEY`: addresses, and the key that the providers want. HTTP/1.1, and HTTP/2 in the clear.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pingora::Result;
use pingora::apps::HttpServerOptions;
use pingora::http::RequestHeader;
use pingora::proxy::{ProxyHttp, ProxyServiceBuilder, Session};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

/// One request in so many goes to the second provider.
const SPLIT: usize = 20;

struct Peer {
    providers: [String; 2],
    authorization: String,
    turn: AtomicUsize,
}

#[async_trait]
impl ProxyHttp for Peer {
    /// Which provider was chosen.
    type CTX = usize;

    fn new_ctx(&self) -> usize {
        usize::from(self.turn.fetch_add(1, Ordering::Relaxed) % SPLIT == 0)
    }

    async fn upstream_peer(&self, _session: &mut Session, chosen: &mut usize) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.providers[*chosen].as_str(), false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        chosen: &mut usize,
    ) -> Result<()> {
        request.insert_header("host", &self.providers[*chosen])?;
        request.insert_header("authorization", &self.authorization)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, first, second, key] = arguments.as_slice() else {
        eprintln!("usage: pingora-peer LISTEN FIRST SECOND KEY");
        std::process::exit(2);
    };
    // As many idle connections to providers as the other proxies keep.
    let configuration =
        ServerConf { threads: 1, upstream_keepalive_pool_size: 1024, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let peer = Peer {
        providers: [first.clone(), second.clone()],
        authorization: format!("Bearer {key}"),
        turn: AtomicUsize::new(0),
    };
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    let mut service = ProxyServiceBuilder::new(&server.configuration, peer).server_options(options).build();
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
