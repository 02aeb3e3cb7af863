//! Where each ID lives and whose it is: a bounded map in memory, and beside it a log from which it comes back.
//!
//! An ID is never kept, only 16 bytes of its SHA-256. A binding counts from the moment it is learned; whoever must not
//! let go of an ID before the binding would survive a power cut waits for the acknowledgement, which a thread gives
//! after it has written and synced everything that waited with it. There is no HTTP here, and no clock: the time is an
//! argument.
//!
//! Reading order: [`Store`] (what it offers), `memory` (the map and what goes first), `log` (files and records),
//! `committer` (the thread), `reading` (the same from outside).

mod committer;
mod hash;
mod log;
mod memory;
mod reading;
mod store;

pub use reading::{Binding, Reading};
pub use store::{Acknowledge, Found, Made, Store};
