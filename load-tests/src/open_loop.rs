//! Load that does not wait: requests leave when they are due, and time counts from then.
//!
//! That is what users do, and why a stall of the target shows in the figures in full.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::clock::{self, Alarm};
use crate::measured::{Begin, Measured};
use crate::schedule::Schedule;
use crate::tally::Tally;

/// How long after the last due time answers may still come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A constant rate against one address.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) request: Rc<[u8]>,
    pub(crate) streams: bool,
    /// Requests per second.
    pub(crate) rate: u64,
    /// Nanoseconds.
    pub(crate) length: u64,
    /// Of the target, to read its CPU.
    pub(crate) pid: Option<u32>,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) measured: Measured,
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
}

impl Outcome {
    /// For callers to whom any failure makes the figures worthless.
    pub(crate) fn all_answered(self) -> Result<Measured> {
        match self.first_failure {
            None => Ok(self.measured),
            Some(failure) => Err(anyhow!("{} requests failed; the first: {failure}", self.failed)),
        }
    }
}

#[derive(Default)]
struct Failures {
    count: Cell<u64>,
    first: RefCell<Option<String>>,
}

impl Failures {
    fn add(&self, count: u64, text: String) {
        self.count.set(self.count.get() + count);
        self.first.borrow_mut().get_or_insert(text);
    }
}

/// Runs a load to its end.
pub(crate) async fn run(load: &Load) -> Result<Outcome> {
    let tally = Rc::new(Tally::new()?);
    let failures = Rc::new(Failures::default());
    let idle = Rc::new(RefCell::new(Vec::new()));
    let alarm = Alarm::new()?;
    let begin = Begin::now(load.pid)?;
    // A little ahead, so that the first is not late already.
    let start = clock::now() + clock::MILLISECOND;
    let schedule = Schedule::new(start, load.rate);
    let mut requests = JoinSet::new();
    for index in 0..schedule.count(load.length) {
        let due = schedule.due(index);
        alarm.wait_until(due).await?;
        let (tally, failures, idle) = (Rc::clone(&tally), Rc::clone(&failures), Rc::clone(&idle));
        let (address, request, streams) = (load.address, Rc::clone(&load.request), load.streams);
        requests.spawn_local(async move {
            if let Err(error) = send(&tally, &idle, address, &request, due, streams).await {
                failures.add(1, format!("{error:#}"));
            }
        });
        while requests.try_join_next().is_some() {}
    }
    let rest = async { while requests.join_next().await.is_some() {} };
    if tokio::time::timeout(PATIENCE, rest).await.is_err() {
        failures.add(requests.len() as u64, "no answer in time".to_owned());
    }
    let measured = begin.until_now(&tally)?;
    Ok(Outcome { measured, failed: failures.count.get(), first_failure: failures.first.take() })
}

/// One request over an idle connection, or a new one: nobody waits for a connection, as no user would.
async fn send(
    tally: &Tally,
    idle: &RefCell<Vec<Connection>>,
    address: SocketAddr,
    request: &[u8],
    due: u64,
    streams: bool,
) -> Result<()> {
    // A statement of its own, so that the stack is not borrowed while connecting.
    let warm = idle.borrow_mut().pop();
    let mut connection = match warm {
        Some(connection) => connection,
        None => Connection::open(address).await?,
    };
    tally.exchange(&mut connection, request, due, streams).await?;
    idle.borrow_mut().push(connection);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::runtime::{Builder, LocalOptions};

    use super::*;
    use crate::clock::MILLISECOND;

    /// Answers at once, but nobody between 100 and 300 ms after its start.
    async fn stalling(listener: TcpListener) {
        let start = clock::now();
        let stall = start + 100 * MILLISECOND..start + 300 * MILLISECOND;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let stall = stall.clone();
            tokio::task::spawn_local(async move {
                let mut buffer = [0; 1024];
                while stream.read(&mut buffer).await.unwrap_or_default() > 0 {
                    let now = clock::now();
                    if stall.contains(&now) {
                        tokio::time::sleep(Duration::from_nanos(stall.end - now)).await;
                    }
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
            });
        }
    }

    #[test]
    fn a_stalled_server_shows_the_stall_in_every_request_that_was_due() {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        let outcome = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let load = Load {
                address: listener.local_addr().unwrap(),
                request: b"GET / HTTP/1.1\r\n\r\n".as_slice().into(),
                streams: false,
                rate: 500,
                length: 400 * MILLISECOND,
                pid: None,
            };
            tokio::task::spawn_local(stalling(listener));
            run(&load).await.unwrap()
        });
        assert_eq!((outcome.failed, outcome.measured.requests), (0, 200));
        let whole = outcome.measured.tally.whole.borrow();
        // Half of all requests were due during the stall and waited 100 ms on average; a closed loop would have
        // seen one slow answer per connection.
        assert!(whole.micros(1.0) >= 180_000.0, "{}", whole.micros(1.0));
        assert!(whole.micros(0.75) >= 60_000.0, "{}", whole.micros(0.75));
        assert!(whole.micros(0.25) < 60_000.0, "{}", whole.micros(0.25));
    }
}
