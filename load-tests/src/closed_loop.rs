//! Load that waits: each connection sends its next request when the last answer has ended.
//!
//! It keeps the target busy, which is when CPU per request says what a core can carry. Its latencies are the target's
//! own choice of pace and are not reported as such.

use std::rc::Rc;

use anyhow::Result;
use tokio::task::JoinSet;

use crate::clock;
use crate::measured::{Measured, Window, join, watch};
use crate::request::Ask;
use crate::tally::Tally;
use crate::target::Target;

/// Keeps that many connections busy.
pub(crate) async fn run(target: &Target, ask: Ask, connections: usize, window: Window) -> Result<Measured> {
    let tally = Rc::new(Tally::new()?);
    let mut workers = JoinSet::new();
    for worker in 0..connections {
        let mut connection = target.connect().await?;
        let (tally, request) = (Rc::clone(&tally), target.request_of(worker, ask));
        workers.spawn_local(async move {
            while !tally.stop.get() {
                tally.exchange(&mut connection, &request, clock::now(), ask.streams()).await?;
            }
            Ok(())
        });
    }
    let measured = watch(&mut workers, tally, target.pid(), window).await?;
    join(&mut workers).await?;
    Ok(measured)
}
