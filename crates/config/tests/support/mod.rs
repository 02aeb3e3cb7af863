//! The corpus: files as operators write them, and what the loader says of each.
//!
//! `DIRECTORY/NAME.KIND.toml` stands beside `DIRECTORY/NAME.KIND.txt`; the kind says which file it is. A map
//! is loaded with the two tenants below, tenants with the shipped map.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are not seen as tests")]
#![allow(dead_code, reason = "every test file takes what it needs")]

use std::path::{Path, PathBuf};

use config::{Problem, Problems, Source, load_map, load_settings};

const ROUTES: &str = include_str!("../../../../config/routes.toml");
const TENANTS: &str = "\
version = \"1\"
[tenants.acme]
key_sha256 = []
[tenants.globex]
key_sha256 = []
# end 1
";

/// One file of the corpus.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) text: String,
    path: PathBuf,
}

impl Case {
    /// What the loader says: the warnings of a file that it takes, or the problems of one that it refuses.
    pub(crate) fn load(&self) -> Result<Vec<Problem>, Problems> {
        load(&self.kind, &self.text)
    }

    /// Compares what is said with what is expected, or replaces that where `UPDATE_EXPECTED` is set.
    pub(crate) fn check(&self, said: &str) {
        check(&self.path.with_extension("txt"), said);
    }
}

/// Every file of `tests/DIRECTORY`, by name.
pub(crate) fn cases(directory: &str) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let mut cases: Vec<Case> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let kind = name.strip_suffix(".toml").unwrap().rsplit('.').next().unwrap().to_owned();
            Case { text: std::fs::read_to_string(&path).unwrap(), name, kind, path }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Loads a text as a file of this kind.
pub(crate) fn load(kind: &str, text: &str) -> Result<Vec<Problem>, Problems> {
    let file = Source { path: Path::new("file.toml"), text };
    let other = |text| Source { path: Path::new("other.toml"), text };
    match kind {
        "routes" => load_map(file, other(TENANTS)).map(|loaded| loaded.warnings),
        "tenants" => load_map(other(ROUTES), file).map(|loaded| loaded.warnings),
        "settings" => load_settings(file).map(|_| Vec::new()),
        kind => panic!("a file of unknown kind {kind}"),
    }
}

/// Compares a text with a file, or replaces the file where `UPDATE_EXPECTED` is set.
pub(crate) fn check(path: &Path, said: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, said).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(said, expected, "{}: UPDATE_EXPECTED=1 takes what is said now", path.display());
}
