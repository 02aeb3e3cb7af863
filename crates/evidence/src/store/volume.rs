//! Network volumes are refused: locks and shared memory do not work there as the database needs them
//! (sqlite.org/wal.html), and what breaks, breaks silently.

use std::path::Path;

use crate::error::{Error, Result};

/// `f_type` of statfs(2), and its name.
const NETWORK: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB 2"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x0BD0_0BD0, "Lustre"),
];

/// An error if the directory is on such a volume; none if that cannot be found out.
pub(super) fn refuse_network(directory: &Path) -> Result<()> {
    match file_system(directory).and_then(network) {
        Some(kind) => Err(Error::NetworkVolume { path: directory.to_owned(), kind }),
        None => Ok(()),
    }
}

fn network(file_system: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(number, _)| *number == file_system).map(|(_, name)| *name)
}

#[cfg(target_os = "linux")]
fn file_system(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statfs(directory).ok()?;
    // The field is 32 or 64 bits wide, signed or not, with the machine; the number itself has 32.
    u64::try_from(i128::from(found.f_type) & 0xFFFF_FFFF).ok()
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_volumes_are_told_from_disks() {
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0xFF53_4D42), Some("CIFS"));
        let (ext4, tmpfs, overlay) = (0xEF53, 0x0102_1994, 0x794C_7630);
        assert!([ext4, tmpfs, overlay].into_iter().all(|local| network(local).is_none()));
    }

    #[test]
    fn this_machines_temporary_directory_is_a_disk() {
        refuse_network(&std::env::temp_dir()).unwrap();
    }
}
