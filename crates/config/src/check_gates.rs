//! The rule that gates and steps have together.

use crate::check::title;
use crate::code::Code;
use crate::document::Document;
use crate::make_gates::gates_entry;
use crate::map_file::MapFile;
use crate::route_entry::RouteEntry;

/// Nothing climbs unwatched.
pub(crate) fn check_gates(map: &MapFile, entry: &RouteEntry, document: &Document<'_>) {
    let steps = entry.canary.as_ref().and_then(|canary| canary.steps.steps.as_ref());
    let Some(at) = steps.and_then(|steps| steps.at) else { return };
    if gates_entry(map, entry).mode().is_none() {
        let message =
            format!("the canary of {} is to climb by steps, and its gates are switched off", title(entry));
        let help = "set `mode` of its gates to \"act\", or to \"observe\" to only see what they would do; or leave \
                    `steps` out";
        document.problem_with_help(Code::StepsWithoutGate, at, message, help);
    }
}
