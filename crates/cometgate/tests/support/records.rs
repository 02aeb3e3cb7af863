//! What a gateway has recorded.

use evidence::{Filter, Kind, Reader};
use serde_json::Value;

use super::Files;

/// The records of one kind, the oldest first, each as it is exported.
pub(crate) fn recorded(files: &Files, kind: Kind) -> Vec<Value> {
    let reader = Reader::open(&files.path().join("state/evidence")).unwrap();
    let records = reader.list(&Filter { kind: Some(kind), ..Filter::default() }).unwrap();
    records.iter().rev().map(|record| serde_json::from_str(&record.to_json_line()).unwrap()).collect()
}
