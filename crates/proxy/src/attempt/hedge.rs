//! A second attempt beside one that is slower than the target usually is: the first content wins, the other is
//! cancelled, and both are on record. It is paid for by the retry budget of the slow target.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use decisions::attempts::{Attempts, RetryHint};
use tokio::time::Instant;

use crate::attempt::answer::Good;
use crate::attempt::call::Call;
use crate::attempt::failure::Failure;
use crate::attempt::under_way::{Cause, UnderWay};
use crate::observer::AttemptKind;

/// What came of an attempt and the one beside it.
pub(crate) enum Raced {
    /// Of one of the two; the other is over.
    Good(Good, Box<UnderWay>),
    /// The first failed, and there was no other or that failed too. `true` if there was.
    Failed(Failure, Box<UnderWay>, bool),
}

impl Call {
    /// After how long an attempt at the first target is slow; `None` where nothing is to be begun beside it.
    pub(crate) fn hedge_after(&self, attempts: &Attempts) -> Option<Duration> {
        let is_asked = self.stream_shape().is_some() && self.route().is_some_and(|route| route.hedge);
        // A check's attempts are as many as it expects.
        if !is_asked || self.about.check.is_some() || attempts.made() != 1 || attempts.left() == 0 {
            return None;
        }
        let aim = self.aim(attempts.target())?;
        self.about.snapshot.targets(self.about.route).of(aim.role).slow_first_token()
    }

    /// Makes one attempt, and another beside it if it is slow.
    pub(crate) async fn race(
        &self,
        mut slow: Box<UnderWay>,
        after: Duration,
        attempts: &mut Attempts,
    ) -> Raced {
        let mut first = Box::pin(self.attempt(&mut slow));
        if let Ok(ended) = tokio::time::timeout(after, first.as_mut()).await {
            drop(first);
            return alone(ended, slow);
        }
        let Some(mut beside) = self.begin_beside(attempts) else {
            let ended = first.as_mut().await;
            drop(first);
            return alone(ended, slow);
        };
        let mut second = Box::pin(self.attempt(&mut beside));
        let ended = {
            let (mut left, mut right) = (pin!(first.as_mut()), pin!(second.as_mut()));
            tokio::select! {
                ended = &mut left => Ended::First(ended),
                ended = &mut right => Ended::Second(ended),
            }
        };
        match ended {
            Ended::First(Ok(good)) => {
                drop((first, second));
                beside.lose();
                Raced::Good(good, slow)
            }
            Ended::Second(Ok(good)) => {
                drop((first, second));
                slow.lose();
                Raced::Good(good, beside)
            }
            Ended::First(Err(failure)) => {
                let other = second.as_mut().await;
                drop((first, second));
                both(failure, slow, other, beside)
            }
            Ended::Second(Err(failure)) => {
                drop(second);
                beside.fail(failure.class, failure.hint, "hedge_failed");
                let ended = first.as_mut().await;
                drop(first);
                match ended {
                    Ok(good) => Raced::Good(good, slow),
                    Err(failure) => Raced::Failed(failure, slow, true),
                }
            }
        }
    }

    /// At the other target if there is one, else at the same once more.
    fn begin_beside(&self, attempts: &mut Attempts) -> Option<Box<UnderWay>> {
        let about = &self.about;
        let at = Instant::now();
        let now = about.context.live.at(at);
        let targets = about.snapshot.targets(about.route);
        let slow = targets.of(self.aim(attempts.target())?.role);
        let aims =
            [attempts.target() + 1, attempts.target()].into_iter().filter_map(|target| self.aim(target));
        let aim = aims.into_iter().find(|aim| about.barred(*aim).is_none())?;
        if !slow.withdraw_retry(now) {
            return None;
        }
        let state = targets.of(aim.role);
        let Ok(admission) = state.admit(about.criticality, now) else {
            slow.give_back_retry();
            return None;
        };
        attempts.begin();
        let cause = Cause {
            number: attempts.made(),
            kind: AttemptKind::Hedge,
            because: Some("slow"),
            is_charged: false,
        };
        Some(UnderWay::begin(about, Some((Arc::clone(state), admission)), aim, cause, at))
    }
}

enum Ended {
    First(Result<Good, Failure>),
    Second(Result<Good, Failure>),
}

fn alone(ended: Result<Good, Failure>, under_way: Box<UnderWay>) -> Raced {
    match ended {
        Ok(good) => Raced::Good(good, under_way),
        Err(failure) => Raced::Failed(failure, under_way, false),
    }
}

/// The first has failed; the other decides.
fn both(
    failure: Failure,
    mut first: Box<UnderWay>,
    other: Result<Good, Failure>,
    mut beside: Box<UnderWay>,
) -> Raced {
    match other {
        Ok(good) => {
            first.fail(failure.class, failure.hint, "hedge");
            Raced::Good(good, beside)
        }
        Err(also) => {
            beside.fail(also.class, RetryHint::default(), "hedge_failed");
            Raced::Failed(failure, first, true)
        }
    }
}
