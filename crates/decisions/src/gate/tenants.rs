//! No single tenant decides alone: how much each has contributed, in eight places.
//!
//! While other tenants make up a quarter of the canary's recent attempts, a tenant's attempts count only as long as its failures
//! are not two more than all others' together. What is beyond is set aside: success and failure alike, decided
//! before the outcome is known, so that what does count is a fair game as before and the bound on false alarms holds.
//! Where there are no others to compare with, everything counts: a canary that fails its only caller is a bad canary.

/// How many more failures than all others together a tenant may contribute.
const FREE: u32 = 2;

/// How many of the others' attempts must be known.
const FEWEST_OF_OTHERS: u32 = 4;

/// When so many attempts are counted, all counts are halved.
const MOST: u32 = 256;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) tenant: u64,
    pub(super) attempts: u32,
    /// Those that counted.
    pub(super) failures: u32,
}

/// The tenants heard of most, and the sums over all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TenantTable {
    pub(super) places: [Place; 8],
    pub(super) attempts: u32,
    pub(super) failures: u32,
}

impl TenantTable {
    /// Where a tenant is listed, if it is.
    pub(super) fn find(&self, tenant: u64) -> Option<usize> {
        self.places.iter().position(|place| place.tenant == tenant && place.attempts > 0)
    }

    /// Whether the next attempt of the tenant at this place is to be set aside, whatever becomes of it.
    pub(super) fn sets_aside(&self, at: Option<usize>) -> bool {
        let Some(place) = at.and_then(|at| self.places.get(at)) else { return false };
        let others = self.attempts.saturating_sub(place.attempts);
        let others_failures = self.failures.saturating_sub(place.failures);
        others >= FEWEST_OF_OTHERS && others >= self.attempts / 4 && place.failures >= others_failures + FREE
    }

    /// Counts an attempt of the tenant that was found at this place, or at none.
    pub(super) fn count(&mut self, known: Option<usize>, tenant: u64, contributes_failure: bool) {
        if self.attempts >= MOST {
            self.halve();
        }
        let at = known.unwrap_or_else(|| self.least());
        let Some(place) = self.places.get_mut(at) else { return };
        if known.is_none() {
            // The one that goes leaves its attempts with the others, where nobody asks whose they are.
            *place = Place { tenant, attempts: 0, failures: 0 };
        }
        place.attempts += 1;
        place.failures += u32::from(contributes_failure);
        self.attempts += 1;
        self.failures += u32::from(contributes_failure);
    }

    fn least(&self) -> usize {
        let places = self.places.iter().enumerate();
        places.min_by_key(|(_, place)| place.attempts).map_or(0, |(at, _)| at)
    }

    fn halve(&mut self) {
        let (mut listed, mut failed) = (0_u32, 0_u32);
        let (mut kept, mut kept_failed) = (0_u32, 0_u32);
        for place in &mut self.places {
            listed = listed.saturating_add(place.attempts);
            failed = failed.saturating_add(place.failures);
            place.attempts /= 2;
            place.failures /= 2;
            kept = kept.saturating_add(place.attempts);
            kept_failed = kept_failed.saturating_add(place.failures);
        }
        // Halved apart from those of tenants that are no longer listed, the sums never fall below what is in the places.
        self.attempts = kept + self.attempts.saturating_sub(listed) / 2;
        self.failures = kept_failed + self.failures.saturating_sub(failed) / 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl TenantTable {
        fn counts(&mut self, tenant: u64, failed: bool) {
            self.count(self.find(tenant), tenant, failed);
        }

        fn would_set_aside(&self, tenant: u64) -> bool {
            self.sets_aside(self.find(tenant))
        }
    }

    #[test]
    fn a_tenant_that_fails_alone_is_set_aside_and_one_of_many_is_not() {
        let mut table = TenantTable::default();
        for n in 0..40 {
            table.counts(n % 5, false);
        }
        for _ in 0..2 {
            assert!(!table.would_set_aside(1));
            table.counts(1, true);
        }
        assert!(table.would_set_aside(1) && !table.would_set_aside(2) && !table.would_set_aside(99));
        table.counts(2, true);
        assert!(!table.would_set_aside(1));
    }

    #[test]
    fn who_is_alone_is_never_set_aside() {
        let mut table = TenantTable::default();
        table.counts(2, false);
        for _ in 0..1_000 {
            assert!(!table.would_set_aside(1));
            table.counts(1, true);
        }
    }

    #[test]
    fn the_sums_hold_whatever_comes_and_the_places_do_not_grow() {
        let mut table = TenantTable::default();
        for n in 0..100_000_u64 {
            let tenant = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
            table.counts(tenant, n % 3 == 0);
            let listed: u32 = table.places.iter().map(|place| place.attempts).sum();
            let failed: u32 = table.places.iter().map(|place| place.failures).sum();
            assert!(listed <= table.attempts && failed <= table.failures && table.attempts <= MOST);
            assert!(table.places.iter().all(|place| place.failures <= place.attempts));
        }
    }
}
