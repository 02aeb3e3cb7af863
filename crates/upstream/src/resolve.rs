//! From a provider's name to addresses, each of them judged before anybody connects to it.
//!
//! A name says something else from one look-up to the next, by mistake or by intent, so what it said when the map was
//! checked counts for nothing. What must not be connected to is left out here, and nothing behind looks up again.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use decisions::addresses::{Reach, reach};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// The addresses of a name that may be connected to.
pub(crate) type Addresses = std::vec::IntoIter<SocketAddr>;

/// A resolver, with a judge behind it and its errors in a type of ours: hyper-util says "dns error" in a text only.
#[derive(Clone, Debug)]
pub(crate) struct Judged<R> {
    resolver: R,
    allow_private: bool,
}

/// Why a name leads nowhere. It names no address: callers may read it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DnsError {
    #[error("{0}")]
    Failed(Box<dyn std::error::Error + Send + Sync>),
    #[error("it stands for an address that nothing may be sent to")]
    Never,
    #[error("it stands for a private address, and the map does not say `allow_private_addresses`")]
    Private,
}

impl Judged<GaiResolver> {
    /// The system's resolver.
    pub(crate) fn system(host: &str, allow_private: bool) -> Judged<GaiResolver> {
        Judged { resolver: GaiResolver::new(), allow_private: allow_private || is_local(host) }
    }
}

/// Whether an address written out may be a provider's; true for a name.
pub(crate) fn may_be_written(host: &str) -> bool {
    host.parse::<IpAddr>().map_or(true, |address| reach(address) != Reach::Never)
}

/// RFC 6761 section 6.3.
fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// What of the addresses of a name is left.
fn judge(
    allow_private: bool,
    name: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Addresses, DnsError> {
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in found {
        match reach(address.ip()) {
            Reach::Public => allowed.push(address),
            Reach::Private if allow_private => allowed.push(address),
            of => refused = refused.max(Some((of, address.ip()))),
        }
    }
    if let Some((_, address)) = refused {
        tracing::warn!(name, %address, "a provider's name stands for an address that is not connected to");
    }
    match refused {
        Some((Reach::Never, _)) if allowed.is_empty() => Err(DnsError::Never),
        Some(_) if allowed.is_empty() => Err(DnsError::Private),
        _ => Ok(allowed.into_iter()),
    }
}

impl<R> Service<Name> for Judged<R>
where
    R: Service<
            Name,
            Response: Iterator<Item = SocketAddr>,
            Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        >,
    R::Future: Send + 'static,
{
    type Response = Addresses;
    type Error = DnsError;
    type Future = Pin<Box<dyn Future<Output = Result<Addresses, DnsError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        self.resolver.poll_ready(cx).map_err(|error| DnsError::Failed(error.into()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let asked = name.as_str().to_owned();
        let (lookup, allow_private) = (self.resolver.call(name), self.allow_private);
        Box::pin(async move {
            let found = lookup.await.map_err(|error| DnsError::Failed(error.into()))?;
            judge(allow_private, &asked, found)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::sync::{Arc, Mutex};

    use http::Uri;
    use hyper_util::client::legacy::connect::HttpConnector;
    use tokio::net::TcpListener;

    use super::*;

    /// Says something else each time.
    #[derive(Clone)]
    struct Flipping(Arc<Mutex<VecDeque<Vec<IpAddr>>>>);

    impl Flipping {
        fn new(answers: &[&[&str]]) -> Flipping {
            let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
            Flipping(Arc::new(Mutex::new(answers.iter().map(parse).collect())))
        }
    }

    impl Service<Name> for Flipping {
        type Response = Addresses;
        type Error = io::Error;
        type Future = std::future::Ready<io::Result<Addresses>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            let answer = self.0.lock().unwrap().pop_front().unwrap();
            let found: Vec<_> = answer.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            std::future::ready(Ok(found.into_iter()))
        }
    }

    /// Both reach the listener where they are connected to.
    const HERE: [&[&str]; 2] = [&["127.0.0.1"], &["::ffff:127.0.0.1"]];

    /// How many of so many attempts with these answers have connected, and how many connections came.
    async fn connected(answers: &[&[&str]], allow_private: bool) -> (usize, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let uri = Uri::try_from(format!("http://provider.example:{port}")).unwrap();
        let resolver = Judged { resolver: Flipping::new(answers), allow_private };
        let mut connector = HttpConnector::new_with_resolver(resolver);
        let mut connected = 0;
        for _ in answers {
            connected += usize::from(connector.call(uri.clone()).await.is_ok());
        }
        // What has connected is in the queue already; one more marks its end.
        let last = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap().local_addr().unwrap();
        let mut arrived = 0;
        while listener.accept().await.unwrap().1 != last {
            arrived += 1;
        }
        (connected, arrived)
    }

    #[tokio::test]
    async fn a_name_that_turns_private_or_worse_between_attempts_is_never_connected_to() {
        let turned: &[&[&str]] = &[
            &["127.0.0.1"],
            &["::1"],
            &["::ffff:127.0.0.1"],
            &["64:ff9b::7f00:1"],
            &["10.0.0.1"],
            &["169.254.169.254"],
            &["::ffff:169.254.169.254"],
            &["64:ff9b::a9fe:a9fe"],
            &["fd00:ec2::254"],
            &["0.0.0.0"],
            &["::"],
            &["255.255.255.255"],
            &["224.0.0.1"],
        ];
        assert_eq!(connected(turned, false).await, (0, 0));
        // What is never a provider's stays so where private addresses are allowed.
        assert_eq!(connected(&turned[5..], true).await, (0, 0));
        assert_eq!(connected(&HERE, true).await, (HERE.len(), HERE.len()), "the listener is there");
    }

    #[tokio::test]
    async fn only_the_good_addresses_of_several_are_left() {
        let found = ["1.1.1.1", "10.0.0.1", "169.254.169.254", "2606:4700::1111"];
        let addresses = async |allow_private| {
            let mut resolver = Judged { resolver: Flipping::new(&[&found]), allow_private };
            let found = resolver.call("provider.example".parse().unwrap()).await.unwrap();
            found.map(|address| address.ip().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(addresses(false).await, ["1.1.1.1", "2606:4700::1111"]);
        assert_eq!(addresses(true).await, ["1.1.1.1", "10.0.0.1", "2606:4700::1111"]);
    }

    #[test]
    fn localhost_is_this_machine_without_a_word_in_the_map() {
        for (host, is) in [("localhost", true), ("API.LocalHost.", true), ("localhost.example", false)] {
            assert_eq!(is_local(host), is, "{host}");
        }
    }
}
