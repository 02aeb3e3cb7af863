//! Why a canary is held: several reasons may hold it at once.

/// One reason to grow no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldCause {
    /// Nothing that counts has come for a while: nothing is known, so nothing is passed or failed.
    NoData,
    /// The evidence against the canary is a tenth of what would trip it.
    Suspicion,
    /// Canary and primary have the same trouble.
    SharedFault,
    /// The canary fails clearly oftener than its primary, and is not shown to be above its own limit.
    WorseThanPrimary,
    /// The canary is slower than its primary, or another signal tripped that is set to hold.
    Tripped,
    /// The canary is out of traffic while its primary is looked at, or that has decided nothing.
    Suspended,
    /// One tenant's requests fail at the canary, and others' do not.
    OneTenant,
    /// Usage that should be reported is not.
    UsageUnreported,
    /// Too many requests wait.
    QueueDepth,
    /// An operator said so.
    ByHand,
}

impl HoldCause {
    /// All of them.
    pub const ALL: [HoldCause; 10] = [
        HoldCause::NoData,
        HoldCause::Suspicion,
        HoldCause::SharedFault,
        HoldCause::WorseThanPrimary,
        HoldCause::Tripped,
        HoldCause::Suspended,
        HoldCause::OneTenant,
        HoldCause::UsageUnreported,
        HoldCause::QueueDepth,
        HoldCause::ByHand,
    ];

    /// The name used in records and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            HoldCause::NoData => "no_data",
            HoldCause::Suspicion => "suspicion",
            HoldCause::SharedFault => "shared_fault",
            HoldCause::WorseThanPrimary => "worse_than_primary",
            HoldCause::Tripped => "tripped",
            HoldCause::Suspended => "suspended",
            HoldCause::OneTenant => "one_tenant",
            HoldCause::UsageUnreported => "usage_unreported",
            HoldCause::QueueDepth => "queue_depth",
            HoldCause::ByHand => "by_hand",
        }
    }
}

/// The reasons that hold a canary now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds(pub(super) u32);

impl Holds {
    /// Whether nothing holds it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this does.
    #[must_use]
    pub fn contains(self, cause: HoldCause) -> bool {
        self.0 & (1 << cause as u32) != 0
    }

    /// Those that do.
    pub fn iter(self) -> impl Iterator<Item = HoldCause> {
        HoldCause::ALL.into_iter().filter(move |cause| self.contains(*cause))
    }

    /// Sets or clears one; says whether it is new.
    pub(super) fn set(&mut self, cause: HoldCause, holds: bool) -> bool {
        let was = self.contains(cause);
        let bit = 1 << cause as u32;
        self.0 = if holds { self.0 | bit } else { self.0 & !bit };
        holds && !was
    }
}
