//! The texts of one kind of file, each named by its hash.
//!
//! The name says what the content must be, so damage is noticed on every read: it is never served, and the
//! next time that the text is put there it is repaired.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::digest::Digest;
use super::durable::{at, remove, remove_unfinished, write};
use crate::files;

/// One directory of texts.
#[derive(Debug)]
pub(super) struct TextStore {
    directory: PathBuf,
}

impl TextStore {
    /// Touches nothing.
    pub(super) fn new(directory: PathBuf) -> TextStore {
        TextStore { directory }
    }

    /// `None` where there is no such text, or not any more what it was.
    pub(super) fn get(&self, digest: Digest) -> io::Result<Option<String>> {
        let path = self.path(digest);
        match files::read(&path) {
            Ok(text) => Ok((Digest::of(&text) == digest).then_some(text)),
            // Not text, not a file or far too large: not what was written either.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                Ok(None)
            }
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Whether no text is kept. What cannot be looked at may hold one.
    pub(super) fn is_empty(&self) -> bool {
        match fs::read_dir(&self.directory) {
            Ok(mut entries) => entries.all(|entry| {
                entry.is_ok_and(|entry| entry.path().extension().is_none_or(|extension| extension != "toml"))
            }),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Writes the text, unless it is there and sound.
    pub(super) fn put(&self, digest: Digest, text: &str) -> io::Result<()> {
        // What cannot be read is written anew: that either helps or says why not.
        if matches!(self.get(digest), Ok(Some(_))) {
            return Ok(());
        }
        write(&self.path(digest), text.as_bytes())
    }

    /// Removes all texts but these. What is not named like one is not ours to remove.
    pub(super) fn keep(&self, kept: &HashSet<Digest>) -> io::Result<()> {
        remove_unfinished(&self.directory)?;
        for entry in fs::read_dir(&self.directory).map_err(at(&self.directory))? {
            let entry = entry.map_err(at(&self.directory))?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| name.strip_suffix(".toml")?.parse().ok());
            if digest.is_some_and(|digest| !kept.contains(&digest)) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(format!("{digest}.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_not_served_and_is_repaired() {
        let directory = tempfile::tempdir().unwrap();
        let store = TextStore::new(directory.path().to_owned());
        let digest = Digest::of("text");
        assert_eq!(store.get(digest).unwrap(), None);
        store.put(digest, "text").unwrap();
        for damage in [&b"tex"[..], b"", b"texx", b"\xff\xfe"] {
            fs::write(store.path(digest), damage).unwrap();
            assert_eq!(store.get(digest).unwrap(), None);
            store.put(digest, "text").unwrap();
            assert_eq!(store.get(digest).unwrap().as_deref(), Some("text"));
        }
    }

    #[test]
    fn only_texts_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let store = TextStore::new(directory.path().to_owned());
        let (kept, gone) = (Digest::of("kept"), Digest::of("gone"));
        store.put(kept, "kept").unwrap();
        store.put(gone, "gone").unwrap();
        fs::write(directory.path().join("notes.toml"), "").unwrap();
        store.keep(&HashSet::from([kept])).unwrap();
        assert!(store.path(kept).exists() && !store.path(gone).exists());
        assert!(directory.path().join("notes.toml").exists());
    }
}
