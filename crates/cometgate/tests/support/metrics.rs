//! Reads a page of metrics as strictly as the text format 0.0.4 is written: whatever it does not know, it refuses.

use std::collections::{BTreeMap, HashMap};

/// The series of a page, as `name{label="value",…}`, with their values.
#[derive(Debug)]
pub(crate) struct Series(pub(crate) BTreeMap<String, f64>);

impl Series {
    pub(crate) fn of(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// Those of one metric, without its name.
    pub(crate) fn named(&self, name: &str) -> BTreeMap<&str, f64> {
        let of = |series: &'_ str| series == name || series.starts_with(&format!("{name}{{"));
        self.0
            .iter()
            .filter(|(series, _)| of(series))
            .map(|(series, value)| (&series[name.len()..], *value))
            .collect()
    }
}

/// Fails on any line that the format does not allow.
pub(crate) fn read(page: &str) -> Series {
    assert!(page.ends_with('\n'), "the last line has an end");
    let mut series = BTreeMap::new();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let (mut current, mut helped) = ("", "");
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').unwrap().0;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "{line}");
            assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
            assert!(seen.insert(name, kind).is_none(), "{name} stands in two places");
            current = name;
        } else {
            let (of, value) = line.rsplit_once(' ').unwrap();
            let name = of.split('{').next().unwrap();
            check_labels(&of[name.len()..]);
            let suffix =
                name.strip_prefix(current).unwrap_or_else(|| panic!("{line} stands below {current}"));
            match seen[current] {
                "histogram" => assert!(matches!(suffix, "_bucket" | "_sum" | "_count"), "{line}"),
                "counter" => assert!(suffix.is_empty() && name.ends_with("_total"), "{line}"),
                _ => assert!(suffix.is_empty() && !name.ends_with("_total"), "{line}"),
            }
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(series.insert(of.to_owned(), value).is_none(), "{of} stands there twice");
        }
    }
    check_buckets(page, &series);
    Series(series)
}

fn check_labels(mut rest: &str) {
    let mut before = "{";
    while !rest.is_empty() && rest != "}" {
        rest = rest.strip_prefix(before).unwrap_or_else(|| panic!("labels: {rest}"));
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        let end = value.find('"').unwrap();
        assert!(end > 0 && !value[..end].contains('\\'), "names need no escapes: {value}");
        (before, rest) = (",", &value[end + 1..]);
    }
    assert_eq!(rest.is_empty(), before == "{", "labels: {rest}");
}

/// In the order of the page, buckets rise up to one without an end, which is the count.
fn check_buckets(page: &str, series: &BTreeMap<String, f64>) {
    let mut last = 0.0;
    for line in page.lines().filter(|line| line.contains("_bucket{")) {
        let (of, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        assert!(value >= last, "{line} falls");
        last = value;
        if of.contains("le=\"+Inf\"") {
            let count =
                of.replace("_bucket", "_count").replace(",le=\"+Inf\"", "").replace("{le=\"+Inf\"}", "");
            assert_eq!(series.get(&count), Some(&value), "{count}");
            last = 0.0;
        }
    }
    assert_eq!(last, 0.0, "the last bucket has no end");
}
