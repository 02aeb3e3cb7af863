//! State stays where it lives: which operations make, use or list what one provider holds, and where a request that
//! refers to such things may go.
//!
//! [`operation`] says what an operation is, by its full path; [`table`] lists the operations of the OpenAI API;
//! [`rule`] turns that, and what is known of each ID, into one answer. What is known is looked up elsewhere.

pub mod operation;
pub mod rule;
pub mod table;

pub use operation::{BodyKind, Found, Operation, StateClass, find_operation};
pub use rule::{Asked, Binding, Owner, Placement, Reference, ReferenceKind, place};
