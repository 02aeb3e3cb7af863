//! What the gateway alone does for a request: it runs under valgrind, and those it stands between in this process, outside.
//!
//! One run is counted with few requests and one with many. The difference is what the additional ones took, without start
//! and end, and without the first requests, for which connections are made.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;

use anyhow::{Context, Result};
use benches::peers::{Listening, Peers};
use benches::relaying::Relaying;

use crate::callgrind::Counting;

const FEW: usize = 50;
const MANY: usize = 350;

/// Something that is relayed over and over.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    relay: fn(&mut Peers, usize) -> std::io::Result<()>,
}

/// What there is.
pub(crate) const CASES: [Case; 2] = [
    Case { name: "relayed: one request, not streamed", relay: Peers::relay },
    Case { name: "relayed: one event of a stream", relay: Peers::stream },
];

impl Case {
    /// Instructions for one.
    pub(crate) fn count(&self) -> Result<u64> {
        let (few, many) = (self.count_of(FEW)?, self.count_of(MANY)?);
        Ok(many.saturating_sub(few) / (MANY - FEW) as u64)
    }

    fn count_of(&self, times: usize) -> Result<u64> {
        let listening = Listening::start()?;
        let provider = listening.address()?.to_string();
        let mut counting = Counting::start(self.name, &["gateway", &provider], None)?;
        let said = counting.child.stdout.take().context("its output is piped")?;
        let mut address = String::new();
        BufReader::new(said).read_line(&mut address)?;
        let address: SocketAddr = address.trim().parse().context("the gateway did not start")?;
        let mut peers = listening.meet(address)?;
        (self.relay)(&mut peers, times)?;
        drop(peers);
        counting.end()
    }
}

/// A gateway before this provider. It says where it listens, and ends with its input.
pub(crate) fn serve(provider: &str) -> Result<()> {
    let relaying = Relaying::start(provider.parse()?)?;
    println!("{}", relaying.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    relaying.stop();
    Ok(())
}
