//! Versions that the operator keeps next to the route map, as `versions/<route_version>.toml`.
//!
//! A new machine has an empty state directory; with these it can go back to a version all the same.

use std::io;
use std::path::Path;

use super::durable::at;
use crate::files;

/// The text that is kept for a version below the directory of `routes.toml`; `None` where there is none.
///
/// Whether the text really is of that version is for its reader to check.
pub(crate) fn archived(directory: &Path, route_version: &str) -> io::Result<Option<String>> {
    if !is_file_name(route_version) {
        return Ok(None);
    }
    let path = directory.join("versions").join(format!("{route_version}.toml"));
    match files::read(&path) {
        Ok(text) => Ok(Some(text)),
        // A name that no file can have is not there either.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename) => {
            Ok(None)
        }
        Err(error) => Err(at(&path)(error)),
    }
}

/// A version may be almost any text: none must lead out of the directory or to a hidden file.
fn is_file_name(version: &str) -> bool {
    !version.is_empty() && !version.starts_with('.') && !version.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_version_is_found_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(archived(directory.path(), "v1").unwrap(), None);
        fs::create_dir(directory.path().join("versions")).unwrap();
        fs::write(directory.path().join("versions/2026-11-20.1.toml"), "map").unwrap();
        assert_eq!(archived(directory.path(), "2026-11-20.1").unwrap().as_deref(), Some("map"));
        assert_eq!(archived(directory.path(), "2026-11-20.2").unwrap(), None);
        assert_eq!(archived(directory.path(), &"v".repeat(300)).unwrap(), None);
    }

    #[test]
    fn no_version_leads_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("versions")).unwrap();
        for name in ["secret.toml", "versions/.toml", "versions/.hidden.toml"] {
            fs::write(directory.path().join(name), "secret").unwrap();
        }
        for version in ["../secret", "", ".hidden", "..", "a/../../secret", "a\0b"] {
            assert_eq!(archived(directory.path(), version).unwrap(), None, "{version:?}");
        }
    }

    #[test]
    fn what_is_there_but_no_text_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("versions/v1.toml")).unwrap();
        assert!(archived(directory.path(), "v1").unwrap_err().to_string().contains("versions/v1.toml: "));
    }
}
