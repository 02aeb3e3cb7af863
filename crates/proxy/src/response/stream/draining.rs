//! A stream whose caller has left and whose route wants its usage all the same.

use std::time::Duration;

use http_body_util::BodyExt;

use crate::attempt::under_way::UnderWay;
use crate::observer::UsageSource;
use crate::response::stream::Source;
use crate::scan::StreamScanner;

/// How much longer a stream is read for its usage alone.
const DRAIN_TIME: Duration = Duration::from_secs(300);

/// The rest of a stream that nobody reads any more.
pub(super) struct Draining {
    pub(super) source: Option<Source>,
    pub(super) scanner: StreamScanner,
}

impl Draining {
    /// Reads it to its end; a completion counts as a success of the target.
    pub(super) async fn run(mut self, mut under_way: UnderWay) {
        let read = tokio::time::timeout(DRAIN_TIME, self.read()).await;
        let progress = self.scanner.progress();
        if let Some(usage) = progress.usage() {
            under_way.usage(usage, UsageSource::Reported);
        }
        if read.is_ok() && progress.is_complete() {
            under_way.succeed();
            if let Some(source) = self.source {
                source.lease.release();
            }
        }
    }

    async fn read(&mut self) {
        let Some(source) = &mut self.source else { return };
        while let Some(Ok(frame)) = source.body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            let mut from = 0;
            while let Some(event) = self.scanner.next(&data, from) {
                from = event.end;
            }
        }
    }
}
