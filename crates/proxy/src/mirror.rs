//! Copies of requests for a canary: sent beside the request in a task of their own, and their answers thrown away, so that
//! there is evidence before the first caller depends on it.
//!
//! A copy can do nothing to the request: it begins once all of that is read and decided, shares no place, budget, breaker or
//! tenant's limit with it, is tried once, and is dropped at its limits of time, at the end of the process, and once
//! its gate lets nothing through. `decisions::mirror` says what may be copied.

use std::sync::Arc;
use std::time::Duration;

use decisions::bucket::is_drawn;
use decisions::mirror::mirror_of;
use decisions::plan::{Delivery, Watched};
use decisions::{Chosen, Facts, Role};
use tokio::time::Instant;

use crate::attempt::about::Aim;
use crate::attempt::answer::Good;
use crate::attempt::call::Call;
use crate::attempt::under_way::UnderWay;
use crate::gates::{AskedOnce, Place};
use crate::live::Live;
use crate::request::payload::Received;
use crate::request::peek::Peeked;
use crate::scan::made::Wanted;
use crate::snapshot::Snapshot;

/// How often a copy under way asks whether its gate still lets anything through.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A copy that is to be made.
pub(crate) struct Copy {
    aim: Aim,
    place: Place,
}

/// Whether a request is to be copied, and if so, a place for that.
pub(crate) fn drawn(
    snapshot: &Snapshot,
    gates: &AskedOnce<'_>,
    facts: &Facts<'_>,
    chosen: &Chosen<'_>,
    (peeked, body, live): (&Peeked<'_>, &Received, &Live),
) -> Option<Copy> {
    let (mirror, canary) = mirror_of(snapshot.plan(), facts, chosen, |route| gates.standing(route)).ok()?;
    let is_whole = body.rest.is_none() && body.form.is_none();
    let is_small = body.held.bytes.len() <= mirror.max_body_bytes;
    // What refers to something lives elsewhere, or carries what must not leave home.
    if !is_whole || !is_small || !peeked.references.is_empty() {
        return None;
    }
    let now = live.now();
    let state = snapshot.targets(chosen.route).of(Role::Canary);
    if !is_drawn(mirror.share, fastrand::u64(..)) || state.is_open(now) {
        return None;
    }
    let place = Place::take(snapshot.gates().of(chosen.route?, Watched::Canary)?, mirror, now)?;
    let aim = Aim { provider: canary.provider, role: Role::Canary, timeout: canary.timeout, is_lent: false };
    Some(Copy { aim, place })
}

/// Sends a copy of a request, and leaves it to itself.
pub(crate) fn send(call: &Call, copy: Copy) {
    let Some(payload) = call.payload.copy() else { return };
    let Copy { aim, place } = copy;
    let in_all = call.route().map_or(aim.timeout, |route| route.timeout);
    let call = Call {
        about: Arc::clone(&call.about),
        identity: call.identity.clone(),
        head: call.head.clone(),
        payload,
        aims: [Some(aim), None],
        stream: call.stream,
        leaves_usage_open: call.leaves_usage_open,
        // Read to its end, as far as answers are held at all.
        delivery: Delivery::Whole,
        wanted: Wanted::Nothing,
        deadline: Instant::now() + in_all,
        abandoned: None,
    };
    tokio::spawn(async move {
        let mut under_way = UnderWay::begin_copy(&call.about, aim);
        tokio::select! {
            made = call.attempt(&mut under_way) => match made {
                Ok(Good::Whole(..)) => under_way.succeed(),
                Ok(Good::Stream(_, stream)) if stream.is_complete() => {
                    stream.account(&mut under_way);
                    under_way.succeed();
                }
                // Longer than is held: nobody knows how it would have ended.
                Ok(Good::Stream(..) | Good::Open(..)) => {}
                Err(failure) => under_way.fail(failure.class, failure.hint, "mirror"),
            },
            () = until_barred(&call, aim) => {}
        }
        drop(under_way);
        drop(place);
    });
}

async fn until_barred(call: &Call, aim: Aim) {
    while call.about.barred(aim).is_none() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
