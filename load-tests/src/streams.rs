//! Load of long streams: many at once, each chunk a wake-up of its own; and streams held open to weigh them.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;

use crate::clock::{self, Alarm, MILLISECOND, SECOND};
use crate::measured::{Measured, Window, join, watch};
use crate::proc::pss_kb;
use crate::request::Ask;
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::target::Target;

/// All streams begin within this time, spread evenly, so that their chunks are too.
const RAMP: Duration = Duration::from_millis(300);

/// Between chunks of a stream that is only held open.
const HELD_PAUSE_MS: u64 = 500;

/// That many streams with a chunk each `pause_ms`; measured while all are open.
pub(crate) async fn paced(
    target: &Target,
    streams: u64,
    pause_ms: u64,
    length: Duration,
) -> Result<Measured> {
    let window = Window { warm_up: RAMP + Duration::from_millis(100), length };
    // Long enough that the first stream to begin still runs when the window ends.
    let lifetime = window.warm_up + length + Duration::from_millis(150);
    let chunks = u64::try_from(lifetime.as_millis())?.div_ceil(pause_ms.max(1));
    let request: Rc<[u8]> = target.request(Ask::Stream { chunks, pause_ms }).into();
    let tally = Rc::new(Tally::new()?);
    let mut workers = JoinSet::new();
    let mut connections = Vec::new();
    for _ in 0..streams {
        connections.push(target.connect().await?);
    }
    let per_second = streams * 1_000 / u64::try_from(RAMP.as_millis())?;
    let schedule = Schedule::new(clock::now() + MILLISECOND, per_second);
    for (index, mut connection) in (0..).zip(connections) {
        let (tally, request, due) = (Rc::clone(&tally), Rc::clone(&request), schedule.due(index));
        workers.spawn_local(async move {
            Alarm::new()?.wait_until(due).await?;
            tally.exchange(&mut connection, &request, due, true).await
        });
    }
    let measured = watch(&mut workers, tally, target.pid(), window).await?;
    join(&mut workers).await?;
    Ok(measured)
}

/// Memory of a target by the number of streams it holds open.
pub(crate) struct Weighed {
    /// KB before the first stream.
    pub(crate) idle_kb: f64,
    /// KB for each further stream.
    pub(crate) per_stream_kb: f64,
}

/// Weighs a fresh process idle, then with few and with many open streams; the slope is what one more costs.
#[allow(clippy::cast_precision_loss, reason = "kilobytes of one process")]
pub(crate) async fn weigh(target: &Target, pid: u32, few: u64, many: u64) -> Result<Weighed> {
    let idle = pss_kb(pid)?;
    let mut held = Held::new(HELD_PAUSE_MS)?;
    held.grow_to(target, few).await?;
    let with_few = pss_kb(pid)?;
    held.grow_to(target, many).await?;
    let with_many = pss_kb(pid)?;
    let per_stream_kb = (with_many as f64 - with_few as f64) / (many - few) as f64;
    Ok(Weighed { idle_kb: idle as f64, per_stream_kb })
}

/// Open streams; dropping them closes their connections.
pub(crate) struct Held {
    streams: JoinSet<Result<()>>,
    tally: Rc<Tally>,
    pause_ms: u64,
}

impl Held {
    /// None yet. Each will have its first chunk at once and the others so far apart.
    pub(crate) fn new(pause_ms: u64) -> Result<Held> {
        Ok(Held { streams: JoinSet::new(), tally: Rc::new(Tally::new()?), pause_ms })
    }

    /// Opens streams up to a number and waits until all have a chunk or two.
    pub(crate) async fn grow_to(&mut self, target: &Target, streams: u64) -> Result<()> {
        let ask = Ask::Stream { chunks: 120, pause_ms: self.pause_ms };
        let request: Rc<[u8]> = target.request(ask).into();
        while (self.streams.len() as u64) < streams {
            let mut connection = target.connect().await?;
            let (tally, request) = (Rc::clone(&self.tally), Rc::clone(&request));
            self.streams.spawn_local(async move {
                tally.exchange(&mut connection, &request, clock::now(), true).await
            });
            tokio::task::yield_now().await;
        }
        let deadline = clock::now() + 20 * SECOND;
        while self.tally.first.borrow().count() < streams {
            anyhow::ensure!(clock::now() < deadline, "not all streams have begun");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(HELD_PAUSE_MS + 200)).await;
        Ok(())
    }
}
