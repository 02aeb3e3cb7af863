//! What a request reads of a gate: one number, so that it never sees half of a change.

use std::sync::atomic::{AtomicU64, Ordering};

use decisions::Barred;
use decisions::bucket::Share;

/// In place of a share, where no rollout sets one.
const NO_SHARE: u32 = u32::MAX;

/// Whether a target may have requests, above; the canary's share, below.
#[derive(Debug)]
pub(super) struct Exposure(AtomicU64);

impl Exposure {
    pub(super) fn new(barred: Option<Barred>, share: Option<Share>) -> Exposure {
        Exposure(AtomicU64::new(packed(barred, share)))
    }

    pub(super) fn show(&self, barred: Option<Barred>, share: Option<Share>) {
        self.0.store(packed(barred, share), Ordering::Release);
    }

    pub(super) fn shown(&self) -> (Option<Barred>, Option<Share>) {
        let number = self.0.load(Ordering::Acquire);
        let [_, _, _, code, share @ ..] = number.to_be_bytes();
        let barred = match code {
            0 => None,
            1 => Some(Barred::Suspended),
            2 => Some(Barred::Unusable),
            _ => Some(Barred::Latched),
        };
        (barred, Share::from_ppm(u32::from_be_bytes(share)))
    }
}

fn packed(barred: Option<Barred>, share: Option<Share>) -> u64 {
    let code: u64 = match barred {
        None => 0,
        Some(Barred::Suspended) => 1,
        Some(Barred::Unusable) => 2,
        Some(Barred::Latched) => 3,
    };
    code << 32 | u64::from(share.map_or(NO_SHARE, Share::ppm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_is_read() {
        let all = [None, Some(Barred::Suspended), Some(Barred::Unusable), Some(Barred::Latched)];
        for barred in all {
            for share in [None, Some(Share::NONE), Share::from_ppm(1), Some(Share::ALL)] {
                let exposure = Exposure::new(None, None);
                assert_eq!(exposure.shown(), (None, None));
                exposure.show(barred, share);
                assert_eq!(exposure.shown(), (barred, share));
            }
        }
    }
}
