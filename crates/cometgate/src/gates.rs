//! The gateway's side of gates: what is remembered of them, their seconds, and what an operator says to them.
//!
//! The request path decides alone and at once; nothing here stands in its way. `keeper` hears what gates decide and
//! hands it through an `inbox` to one thread, `writer`, which alone waits for the disk: `files` (a latch, and what a gate
//! knows) and `recording` (every decision, as one of the `records` of the store of evidence, under the `facts` of the
//! map in force).
//! `log` is what each gate is told, from which its decisions are replayed. `ticking` tells gates that time passes,
//! `watcher` looks what is left on targets that were rolled back (`proof`), `acting` carries out what an operator says,
//! `accepting` what an application says of an answer, and `report` says how all of them stand.

pub(crate) mod accepting;
pub(crate) mod acting;
pub(crate) mod connections;
pub(crate) mod facts;
pub(crate) mod files;
mod inbox;
pub(crate) mod keeper;
mod lines;
pub(crate) mod log;
mod minute;
mod proof;
mod proof_words;
mod recent;
mod recording;
pub(crate) mod records;
pub(crate) mod report;
mod report_target;
pub(crate) mod ticking;
mod watcher;
pub(crate) mod writer;

#[cfg(test)]
mod tests;
