//! `[routes.mirror]` of the map as written: how much of a route is copied to its canary for the evidence alone.

use std::ops::RangeInclusive;

use decisions::bucket::Share;
use decisions::plan::Mirror;

use crate::check::title;
use crate::code::Code;
use crate::cohort_entry::{SHARE_HELP, read_share};
use crate::document::Document;
use crate::fields::Fields;
use crate::make_gates::gates_entry;
use crate::map_file::MapFile;
use crate::names::quote;
use crate::resolve::RouteRefs;
use crate::route_entry::RouteEntry;

pub(crate) const PER_SECOND: RangeInclusive<u64> = 1..=10_000;

pub(crate) const IN_FLIGHT: RangeInclusive<u64> = 1..=1_000;

/// Up to 1 MiB.
pub(crate) const BODY_BYTES: RangeInclusive<u64> = 1..=1 << 20;

pub(crate) const USUAL_PER_SECOND: u64 = 5;

pub(crate) const USUAL_IN_FLIGHT: u64 = 4;

/// 64 KiB.
pub(crate) const USUAL_BODY_BYTES: u64 = 64 << 10;

/// One `[routes.mirror]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MirrorEntry {
    /// Where the table begins.
    pub(crate) at: usize,
    share: Option<Share>,
    most_per_second: u64,
    most_in_flight: u64,
    max_body_bytes: u64,
}

pub(crate) fn read_mirror(document: &Document<'_>, mut fields: Fields<'_, '_>) -> MirrorEntry {
    fields.required("share");
    let share = fields.text_as("share", SHARE_HELP);
    let entry = MirrorEntry {
        at: fields.at(),
        share: share.and_then(|text| read_share(document, &text)),
        most_per_second: fields.integer("most_per_second", PER_SECOND, USUAL_PER_SECOND),
        most_in_flight: fields.integer("most_in_flight", IN_FLIGHT, USUAL_IN_FLIGHT),
        max_body_bytes: fields.integer("max_body_bytes", BODY_BYTES, USUAL_BODY_BYTES),
    };
    fields.finish();
    entry
}

impl MirrorEntry {
    /// Nothing where nothing is copied.
    pub(crate) fn make(self) -> Option<Mirror> {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Mirror {
            share: self.share.filter(|share| *share > Share::NONE)?,
            most_per_second: small(self.most_per_second),
            most_in_flight: small(self.most_in_flight),
            max_body_bytes: usize::try_from(self.max_body_bytes).unwrap_or(usize::MAX),
        })
    }
}

/// Copies need a canary that they can go to at our cost, and a gate that hears what becomes of them.
pub(crate) fn check_mirror(map: &MapFile, entry: &RouteEntry, refs: &RouteRefs, document: &Document<'_>) {
    let Some(mirror) = entry.mirror else { return };
    let provider = refs.canary.and_then(|id| map.providers.get(id.index()));
    let (why, help) = if entry.canary.is_none() {
        ("has no canary".to_owned(), "add `[routes.canary]`; its `share` may be \"0%\"")
    } else if gates_entry(map, entry).mode().is_none() {
        let help = "set `mode` of its gates to \"act\" or \"observe\", or take the mirror out";
        ("has its gates switched off, so nobody hears what becomes of the copies".to_owned(), help)
    } else if let Some(provider) = provider
        && provider.takes_client_key
    {
        let name = quote(&provider.name.text);
        let why = format!("has its canary at {name}, where the callers would pay for the copies");
        (why, "give that provider a credential of yours, or take the mirror out")
    } else {
        return;
    };
    let message = format!("nothing can be copied: {} {why}", title(entry));
    document.problem_with_help(Code::MirrorForNothing, mirror.at, message, help);
}
