//! An open-loop load: every request is sent when it is due, whether or not those before it were answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::client::{Answer, Client, request};

/// How often it is looked what is due.
const TICK: Duration = Duration::from_millis(1);

/// As many requests are under way at the most, so that a machine that stalls does not run out of files.
const CONNECTIONS: usize = 400;

/// One caller's load on a gateway, over as many connections as are busy at once.
#[derive(Clone)]
pub(crate) struct Caller {
    address: SocketAddr,
    key: &'static str,
    idle: Arc<Mutex<Vec<Client>>>,
    places: Arc<Semaphore>,
}

/// One request of a load and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// When it was sent, after the start of the load.
    pub(crate) sent: Duration,
    pub(crate) took: Duration,
    pub(crate) status: u16,
    /// `error.code`; empty for what is no error of this shape.
    pub(crate) code: String,
    pub(crate) attempts: u64,
}

impl Caller {
    pub(crate) fn new(address: SocketAddr, key: &'static str) -> Caller {
        Caller { address, key, idle: Arc::default(), places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// Sends so many requests at this rate and waits for every answer.
    pub(crate) async fn send(&self, requests: usize, per_second: u64) -> Vec<Served> {
        let began = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut under_way = JoinSet::new();
        while under_way.len() < requests {
            tick.tick().await;
            let due = began.elapsed().as_micros() * u128::from(per_second) / 1_000_000;
            while under_way.len() < requests && (under_way.len() as u128) < due {
                under_way.spawn(self.clone().one(began));
            }
        }
        under_way.join_all().await
    }

    /// A request on a connection that is open already, so that only the answer is measured.
    async fn one(self, began: Instant) -> Served {
        let _place = self.places.acquire().await.unwrap();
        let idle = self.idle.lock().unwrap().pop();
        let mut client = match idle {
            Some(client) => client,
            None => Client::connect(self.address).await,
        };
        let sent = Instant::now();
        let body = r#"{"model":"summary","messages":[]}"#;
        let answer = client.send(request(Method::POST, "/v1/chat/completions", self.key, body)).await;
        let took = sent.elapsed();
        self.idle.lock().unwrap().push(client);
        Served::new(sent - began, took, &answer.unwrap())
    }
}

impl Served {
    fn new(sent: Duration, took: Duration, answer: &Answer) -> Served {
        let code = match answer.status.as_u16() {
            200 => String::new(),
            _ => {
                let error = &answer.json()["error"];
                assert!(error["message"].is_string(), "an error without words: {answer:?}");
                error["code"].as_str().unwrap_or_default().to_owned()
            }
        };
        let attempts = answer.header("x-cometgate-attempts").parse().unwrap_or(0);
        Served { sent, took, status: answer.status.as_u16(), code, attempts }
    }
}

/// The time that all but so many per mille took at the most.
pub(crate) fn percentile(times: impl Iterator<Item = Duration>, per_mille: usize) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let at = (times.len() * per_mille).div_ceil(1_000).max(1) - 1;
    times.get(at).copied().unwrap_or_default()
}

/// How many there are of each status and code, for the figures that a test prints.
pub(crate) fn kinds(served: &[Served]) -> String {
    let mut kinds = std::collections::BTreeMap::new();
    for one in served {
        *kinds.entry((one.status, one.code.as_str())).or_insert(0) += 1;
    }
    let text = |((status, code), count)| format!("{count} × {status} {code}");
    kinds.into_iter().map(text).collect::<Vec<_>>().join(", ")
}
