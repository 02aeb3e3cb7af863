//! The list of plain hashes of a tenant, with the comments that stand by each: above it, or behind it on its line.

use toml_edit::{Array, RawString, Value};

/// A list of hashes.
pub(super) struct HashList {
    hashes: Vec<Entry>,
    /// Comments below the last hash.
    below: Vec<String>,
    /// What a line begins with; nothing where all stand on one line.
    indent: Option<String>,
    is_changed: bool,
}

struct Entry {
    hash: String,
    above: Vec<String>,
    behind: Option<String>,
}

impl HashList {
    /// Of an array of strings; `None` where it holds anything else.
    pub(super) fn read(array: &Array) -> Option<HashList> {
        let mut list = HashList { hashes: Vec::new(), below: Vec::new(), indent: None, is_changed: false };
        for value in array {
            let decor = value.decor();
            // What stands before a hash begins on the line of the hash before it.
            list.pass(text(decor.prefix()));
            let above = std::mem::take(&mut list.below);
            list.hashes.push(Entry { hash: value.as_str()?.to_owned(), above, behind: None });
            list.pass(text(decor.suffix()));
        }
        list.pass(text(Some(array.trailing())));
        Some(list)
    }

    /// Takes in what stands between two hashes.
    fn pass(&mut self, between: &str) {
        for (at, line) in between.split('\n').enumerate() {
            let comment = line.trim();
            if at > 0 && self.indent.is_none() {
                self.indent = Some("  ".to_owned());
            }
            if at > 0 && comment.is_empty() && !line.is_empty() {
                self.indent = Some(line.trim_end_matches('\r').to_owned());
            }
            if !comment.starts_with('#') {
                continue;
            }
            match self.hashes.last_mut().filter(|last| at == 0 && last.behind.is_none()) {
                Some(last) => last.behind = Some(comment.to_owned()),
                None => self.below.push(comment.to_owned()),
            }
        }
    }

    pub(super) fn has(&self, hash: &str) -> bool {
        self.hashes.iter().any(|entry| entry.hash == hash)
    }

    /// Takes out what does not stay, with its comments.
    pub(super) fn take_all_but(&mut self, stays: impl Fn(&str) -> bool) -> Vec<(String, Vec<String>)> {
        let (kept, taken): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.hashes).into_iter().partition(|entry| stays(&entry.hash));
        self.hashes = kept;
        self.is_changed |= !taken.is_empty();
        let with_comments = |entry: Entry| {
            let comments = entry.above.into_iter().chain(entry.behind).collect();
            (entry.hash, comments)
        };
        taken.into_iter().map(with_comments).collect()
    }

    /// Writes what is left, if anything was taken out.
    pub(super) fn write(self, array: &mut Array) {
        if !self.is_changed {
            return;
        }
        array.clear();
        array.set_trailing("");
        array.set_trailing_comma(false);
        let Some(indent) = self.indent.filter(|_| !self.hashes.is_empty() || !self.below.is_empty()) else {
            for entry in self.hashes {
                array.push(entry.hash);
            }
            return;
        };
        let mut behind: Option<String> = None;
        let before = |behind: &mut Option<String>, above: &[String]| {
            let mut prefix = behind.take().map_or_else(String::new, |comment| format!(" {comment}"));
            for line in above {
                prefix.push_str(&format!("\n{indent}{line}"));
            }
            prefix
        };
        for entry in self.hashes {
            let prefix = format!("{}\n{indent}", before(&mut behind, &entry.above));
            behind = entry.behind;
            let mut value = Value::from(entry.hash);
            value.decor_mut().set_prefix(prefix);
            array.push_formatted(value);
        }
        array.set_trailing_comma(!array.is_empty());
        let trailing = format!("{}\n", before(&mut behind, &self.below));
        array.set_trailing(trailing);
    }
}

/// What was read has its text; what was written by a program has none.
fn text(raw: Option<&RawString>) -> &str {
    raw.and_then(RawString::as_str).unwrap_or_default()
}
