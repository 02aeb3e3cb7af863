//! Every choice the gateway makes, as pure functions over values.
//!
//! Nothing here performs IO, reads a clock, draws a random number, takes a lock or knows a wire format: time and
//! randomness are arguments. That is what lets the same code answer a request, explain a route without traffic and
//! be tested exhaustively. The crate's only outside dependencies are a hash with a specified output and a logarithm
//! that gives the same bits everywhere.
//!
//! Reading order: [`plan`] (what operators configured), [`route`] (which route applies), [`bucket`] (who is in a
//! canary), [`order`] (which targets to try), [`mod@decide`] (the three together),
//! [`mod@explain`] (the same, with the reasons). [`state`] says what must stay where it lives, and [`pinned`] decides a
//! request that does. [`standing`] is what gates say of a route meanwhile. [`proof`] and [`exposure`] are asked of
//! a whole map, [`spread`](mod@spread) of a kind of request. [`tenant_limits`] is asked before a request begins,
//! [`attempts`] while it is under way, [`addresses`] before a connection is made. [`gate`] judges a canary by its attempts,
//! and [`rollout`] lets it grow; [`judged`] is the two together, live and in a replay. [`rolled_back`] says whether nothing
//! is left on a canary after its rollback.

pub mod addresses;
pub mod attempts;
pub mod bucket;
pub mod decide;
pub mod error_class;
pub mod explain;
pub mod exposure;
pub mod facts;
pub mod gate;
pub mod ids;
pub mod judged;
pub mod lent;
pub mod mirror;
pub mod order;
pub mod pinned;
pub mod plan;
pub mod price;
pub mod proof;
pub mod rolled_back;
pub mod rollout;
pub mod route;
mod route_index;
pub mod spread;
pub mod standing;
pub mod state;
pub mod tenant_limits;

pub use decide::{Chosen, Decision, Refusal, decide, tenant_primary};
pub use error_class::{ClassSet, ErrorClass};
pub use explain::{Explanation, explain};
pub use facts::{Caller, Endpoint, Facts, ProviderSet, StickyKeys};
pub use ids::{AliasId, CohortId, FamilyId, ProviderId, RouteId, TenantId};
pub use lent::{Lent, NotLent, decide_lent};
pub use order::{Order, Role, Target};
pub use pinned::{decide_pinned, decide_unkept, home_of, tenant_home, tenant_pinned};
pub use standing::{Barred, Standing, no_gates};
