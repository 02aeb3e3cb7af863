//! Counts that were taken before, kept as text in the repository, and what to say of new ones beside them.
//!
//! A count is comparable where the same compiler, the same C library, the same valgrind and the same kind of processor took
//! it; the first line of the text says which these were. Elsewhere the same code has another count, and nothing is said.

use std::collections::BTreeMap;

/// How far a count may be from the one before until something is said, in percent.
pub const TOLERANCE_PERCENT: u64 = 3;

const TAKEN_WITH: &str = "taken with: ";

/// Counts, and what took them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Compiler, C library, valgrind, processor: one line.
    pub taken_with: String,
    /// By the name of the case.
    pub counts: BTreeMap<String, u64>,
}

/// What is to be said of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As before, within [`TOLERANCE_PERCENT`].
    Same,
    /// More than before.
    Rose,
    /// Less than before: the text should be taken anew, so that the next rise is seen.
    Fell,
    /// It has not been counted before.
    New,
    /// It was counted before, and is not any more.
    Gone,
}

impl Verdict {
    /// A change must not go in with this.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Verdict::Rose | Verdict::New | Verdict::Gone)
    }
}

impl Baseline {
    /// Reads what [`Baseline::to_text`] wrote.
    ///
    /// # Errors
    /// The line that is none.
    pub fn parse(text: &str) -> Result<Baseline, String> {
        let mut baseline = Baseline::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(taken_with) = line.strip_prefix(TAKEN_WITH) {
                taken_with.clone_into(&mut baseline.taken_with);
                continue;
            }
            let (name, count) = line.rsplit_once(' ').ok_or(line)?;
            let count = count.parse().map_err(|_| line)?;
            baseline.counts.insert(name.trim_end().to_owned(), count);
        }
        Ok(baseline)
    }

    /// One line for each case, below a comment that says what this is.
    #[must_use]
    pub fn to_text(&self, comment: &str) -> String {
        let mut text = String::new();
        for line in comment.lines() {
            text += &format!("# {line}\n");
        }
        text += &format!("\n{TAKEN_WITH}{}\n\n", self.taken_with);
        let width = self.counts.keys().map(String::len).max().unwrap_or(0);
        for (name, count) in &self.counts {
            text += &format!("{name:width$} {count}\n");
        }
        text
    }

    /// What is to be said of each case that either has.
    #[must_use]
    pub fn compare<'b>(&'b self, new: &'b Baseline) -> Vec<(&'b str, Verdict)> {
        let gone = self.counts.keys().filter(|name| !new.counts.contains_key(*name));
        let compared = new.counts.iter().map(|(name, &is)| {
            let verdict = self.counts.get(name).map_or(Verdict::New, |&was| judge(was, is));
            (name.as_str(), verdict)
        });
        compared.chain(gone.map(|name| (name.as_str(), Verdict::Gone))).collect()
    }
}

fn judge(was: u64, is: u64) -> Verdict {
    let bar = was * TOLERANCE_PERCENT;
    match is {
        _ if is.saturating_sub(was) * 100 > bar => Verdict::Rose,
        _ if was.saturating_sub(is) * 100 > bar => Verdict::Fell,
        _ => Verdict::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(counts: &[(&str, u64)]) -> Baseline {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Baseline { taken_with: "rustc 1, glibc 2".to_owned(), counts }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let baseline = counted(&[("scan: 1,000 chunks", 1_234), ("peek", 9)]);
        let text = baseline.to_text("What this is,\nand how it is taken.");
        assert!(text.starts_with("# What this is,\n# and how it is taken.\n"));
        assert!(text.contains("\npeek               9\n"), "{text}");
        assert_eq!(Baseline::parse(&text), Ok(baseline));
    }

    #[test]
    fn a_line_without_a_count_is_an_error() {
        assert_eq!(Baseline::parse("peek many\n"), Err("peek many".to_owned()));
        assert_eq!(Baseline::parse("peek\n"), Err("peek".to_owned()));
    }

    #[test]
    fn three_percent_is_borne_and_more_is_not() {
        let was = counted(&[("case", 10_000)]);
        let said = |is| was.compare(&counted(&[("case", is)]))[0].1;
        assert_eq!([10_300, 10_301, 9_700, 9_699].map(said), {
            [Verdict::Same, Verdict::Rose, Verdict::Same, Verdict::Fell]
        });
        assert_eq!(
            [Verdict::Same, Verdict::Rose, Verdict::Fell].map(Verdict::is_failure),
            [false, true, false]
        );
    }

    #[test]
    fn a_case_that_comes_or_goes_is_written_down() {
        let was = counted(&[("gone", 1), ("stays", 5)]);
        let is = counted(&[("new", 1), ("stays", 5)]);
        let said = [("new", Verdict::New), ("stays", Verdict::Same), ("gone", Verdict::Gone)];
        assert_eq!(was.compare(&is), said);
        assert!(Verdict::New.is_failure() && Verdict::Gone.is_failure());
    }
}
