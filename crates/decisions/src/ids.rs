//! Positions of named things in a [`Plan`](crate::plan::Plan).
//!
//! An id is only meaningful together with the plan it came from; a reload makes new ones.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position as an index.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A place that serves models.
    ProviderId
);
id!(
    /// Who is calling.
    TenantId
);
id!(
    /// A named set of tenants or of sticky-key buckets.
    CohortId
);
id!(
    /// A model name that applications send.
    AliasId
);
id!(
    /// A family of models.
    FamilyId
);
id!(
    /// A route, by its place in the file.
    RouteId
);

impl TenantId {
    /// Who makes the gateway's own checks. It is in no list of a plan, so it takes part in nothing that counts or compares
    /// tenants.
    pub const CHECKS: TenantId = TenantId(u32::MAX);
}
