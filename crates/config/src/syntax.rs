//! What a parser's complaint is about, where it has no idea: marks of a merge, quotes of a word processor, a
//! table above the list it belongs to.
//!
//! The parser says what it would have liked to read; who is woken at night wants to know what happened.

/// Where a merge was left unfinished: the place of its first mark.
pub(crate) fn merge_mark(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if ["<<<<<<< ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark)) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// A hint for a complaint of the parser about what stands at a place.
pub(crate) fn syntax_help(text: &str, at: usize, complaint: &str) -> Option<&'static str> {
    let before = text.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line_start..)?.lines().next()?;
    if complaint.contains("duplicate key") {
        return Some(if line.starts_with("[[routes]]") {
            "`[routes.canary]` and the like belong to the `[[routes]]` above them: none may come first"
        } else {
            "a field or table of this name stands further up"
        });
    }
    let is_curly = |character: char| matches!(character, '\u{2018}'..='\u{201F}');
    if line.contains(is_curly) {
        return Some("these are curly quotes, as word processors make them: TOML takes the plain \" only");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_given_where_there_is_one() {
        let curly = "a = 1\nb = “x”\n";
        assert!(syntax_help(curly, 10, "").is_some_and(|help| help.contains("curly")));
        assert_eq!(syntax_help(curly, 4, ""), None);
        assert_eq!(syntax_help(curly, 100, ""), None);
        assert_eq!(merge_mark("a = 1\n<<<<<<< HEAD\n"), Some(6));
        assert_eq!(merge_mark("a = 1 # <<<<<<< HEAD\n"), None);
    }
}
