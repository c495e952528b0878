//! The identifiers of a medium: functions of the server's name, so that every build has the same.
//!
//! Two images of one server have the same identifiers; two servers never do. What is written to a
//! disk by `install` or `flash` gets others ([`crate::own`]).

use digest::Digest;
use uuid::Uuid;

/// What names a server's media and their parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    server: String,
}

impl Identity {
    /// The identifiers of the server of this name.
    pub fn new(server: &str) -> Self {
        Self { server: server.to_owned() }
    }

    /// The GUID of the partition table.
    pub fn disk(&self) -> Uuid {
        self.uuid("disk")
    }

    /// The GUID of the boot partition.
    pub fn boot_partition(&self) -> Uuid {
        self.uuid("boot partition")
    }

    /// The GUID of the data partition.
    pub fn data_partition(&self) -> Uuid {
        self.uuid("data partition")
    }

    /// The UUID of the data filesystem: `heirloom.data=` on the kernel's command line.
    pub fn data_filesystem(&self) -> Uuid {
        self.uuid("data filesystem")
    }

    /// The seed of the directory hashes of the data filesystem. It is no secret: a user who can
    /// make files may choose names that collide, and gains a slow directory of their own.
    pub fn directory_hash(&self) -> Uuid {
        self.uuid("directory hash")
    }

    /// The UUID of an erofs layer. All servers' layers have the same: what has equal content is
    /// to have equal bytes.
    pub fn erofs() -> Uuid {
        Uuid::new_v8([0; 16])
    }

    /// The serial number of the FAT filesystem.
    pub fn boot_serial(&self) -> u32 {
        self.uuid("boot filesystem").as_fields().0
    }

    /// The volume id of an ISO image, and of the server on it: A-Z, 0-9 and `_`, at most 32.
    pub fn volume(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = self.server.chars().map(plain).take(19).collect();
        let number = self.uuid("volume").as_fields().0;
        format!("{name}_{number:08X}")
    }

    /// A UUID of version 8 (RFC 9562, section 5.8): bits of a sha256.
    fn uuid(&self, purpose: &str) -> Uuid {
        let digest = Digest::of(format!("heirloom {purpose} of {}", self.server));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.bytes()[..16]);
        Uuid::new_v8(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use generation::cmdline::Data;

    use super::*;

    #[test]
    fn every_part_of_every_server_has_its_own() {
        let all: Vec<_> = ["mail", "web"]
            .map(Identity::new)
            .iter()
            .flat_map(|id| {
                [id.disk(), id.boot_partition(), id.data_partition(), id.data_filesystem()]
            })
            .collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 8);
        assert!(all.iter().all(|uuid| uuid.get_version_num() == 8));
    }

    /// They are on disks in the field: a change makes updates of those impossible.
    #[test]
    fn identifiers_never_change() {
        let id = Identity::new("mailserver");
        assert_eq!(id.disk().to_string(), "80ec1fde-fa73-8127-812f-0afb6bcadd9b");
        assert_eq!(id.data_filesystem().to_string(), "55635e8f-96e3-81d0-aee1-4cf30983d3db");
        assert_eq!(format!("{:08x}", id.boot_serial()), "d12324cb");
        assert_eq!(id.volume(), "MAILSERVER_0B1198CF");
    }

    #[test]
    fn identifiers_are_ones_that_the_command_line_takes() {
        let id = Identity::new("a-long.name_of-a-server-with-more-than-32-letters");
        for data in [Data::Iso(id.volume()), Data::Ext4(id.data_filesystem().to_string())] {
            assert_eq!(data.to_string().parse::<Data>().unwrap(), data);
        }
    }
}
