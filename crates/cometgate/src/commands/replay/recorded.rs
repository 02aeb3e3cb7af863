//! What the store has of gates: their decisions, and the hashes of their logs.

use std::collections::BTreeMap;

use evidence::{
    Body, Error, Filter, GateDecision, GateLogSegment, Kind, Moment, Reader, Record, Result, StepDecision,
};

/// What was recorded, by the gate's name.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) decisions: BTreeMap<String, Vec<Decision>>,
    pub(super) logs: BTreeMap<String, Vec<GateLogSegment>>,
}

/// One decision.
#[derive(Debug)]
pub(super) struct Decision {
    /// The number of its record.
    pub(super) sequence: u64,
    pub(super) what: Said,
}

#[derive(Debug)]
pub(super) enum Said {
    Verdict(Box<GateDecision>),
    Step(Box<StepDecision>),
}

impl Decision {
    pub(super) fn at(&self) -> Moment {
        match &self.what {
            Said::Verdict(said) => said.ts,
            Said::Step(said) => said.ts,
        }
    }

    /// Run and event in the log of its gate; `None` where the log could not take it.
    pub(super) fn place(&self) -> Option<(u64, u64)> {
        let (run, event) = match &self.what {
            Said::Verdict(said) => (&said.run, said.event),
            Said::Step(said) => (&said.run, said.event),
        };
        Some((u64::from_str_radix(run.as_ref()?.as_str(), 16).ok()?, event?))
    }
}

impl Recorded {
    /// Of the gates that are meant.
    pub(super) fn read(reader: &Reader, is_meant: impl Fn(&str) -> bool) -> Result<Recorded> {
        let mut recorded = Recorded::default();
        for kind in [Kind::GateDecision, Kind::StepDecision, Kind::GateLogSegment] {
            let mut records = reader.list(&Filter { kind: Some(kind), ..Filter::default() })?;
            records.reverse();
            records.iter().try_for_each(|record| recorded.add(record))?;
        }
        recorded.decisions.retain(|gate, _| is_meant(gate));
        recorded.logs.retain(|gate, _| is_meant(gate));
        Ok(recorded)
    }

    fn add(&mut self, record: &Record) -> Result<()> {
        let (gate, what) = match record.body() {
            Ok(Body::GateDecision(said)) => (said.gate.clone(), Said::Verdict(said)),
            Ok(Body::StepDecision(said)) => (said.gate.clone(), Said::Step(said)),
            Ok(Body::GateLogSegment(said)) => {
                self.logs.entry(said.gate.as_str().to_owned()).or_default().push(*said);
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(what) => {
                let sequence = i64::try_from(record.sequence).unwrap_or(i64::MAX);
                return Err(Error::Damaged { sequence, what });
            }
        };
        if let Some(gate) = gate {
            let decision = Decision { sequence: record.sequence, what };
            self.decisions.entry(gate.as_str().to_owned()).or_default().push(decision);
        }
        Ok(())
    }
}
