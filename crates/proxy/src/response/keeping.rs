//! The end of an answer waits until what it made would be found after a crash: whoever has read it may refer to it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use decisions::{ProviderId, TenantId};

use crate::affinity::Made;
use crate::snapshot::Snapshot;
use crate::worker::Context;

/// The longest that an answer waits. A disk that takes longer is in trouble; the binding counts all the same, and only
/// a crash in the same moment would lose it.
const LONGEST: Duration = Duration::from_secs(1);

/// Ready when the end of the answer may go out.
pub(crate) struct Keeping(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Keeping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// What was made at a provider for a tenant is found from now on; `None` if there is nothing to wait for.
pub(crate) fn keep(
    context: &Context,
    snapshot: &Snapshot,
    (tenant, provider): (TenantId, ProviderId),
    made: &[Made],
) -> Option<Keeping> {
    if made.is_empty() {
        return None;
    }
    let plan = snapshot.plan();
    let kept = context.affinity.learn(&plan.tenant(tenant).name, &plan.provider(provider).name, made);
    Some(Keeping(Box::pin(async move {
        // What cannot be kept has been reported where that was found out.
        drop(tokio::time::timeout(LONGEST, kept).await);
    })))
}
