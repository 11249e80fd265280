//! What a file has beside its content: owner, mode, access control list, extended attributes, SELinux label.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

/// Access control lists as Linux keeps them, and the label of SELinux: without them a file is read by others than before.
const DECIDE_ACCESS: [&str; 3] = [
    "system.posix_acl_access",
    "system.nfs4_acl",
    "security.selinux",
];

/// Gives `new` what `old` has. The names of attributes that cannot be kept and decide about no access are returned.
///
/// # Errors
///
/// Owner, mode, access control list or SELinux label cannot be kept.
pub(super) fn keep(old: &File, new: &File) -> io::Result<Vec<String>> {
    let had = old.metadata()?;
    keep_owner(new, &had)?;
    new.set_permissions(Permissions::from_mode(had.mode() & 0o7777))?;
    // After the mode, whose bits for the group are something else where there is a list.
    extended::keep(old, new)
}

fn keep_owner(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(file, Some(old.uid()), Some(old.gid())).map_err(|err| named("its owner", &err))
}

fn named(what: &str, err: &io::Error) -> io::Error {
    io::Error::new(err.kind(), format!("{what} cannot be kept: {err}"))
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod extended {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::io;

    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
    use rustix::io::Errno;

    use super::{DECIDE_ACCESS, named};

    /// As much as Linux lets names, or one value, have.
    const LARGEST: usize = 64 * 1024;

    /// They vouch for the content, which is another now.
    const OF_THE_CONTENT: [&str; 3] = ["security.ima", "security.evm", "security.capability"];

    pub(super) fn keep(old: &File, new: &File) -> io::Result<Vec<String>> {
        let (had, has) = (all(old)?, all(new)?);
        let mut lost = Vec::new();
        let mut judge = |name: &str, done: rustix::io::Result<()>| match done {
            Ok(()) => Ok(()),
            Err(err) if DECIDE_ACCESS.contains(&name) => Err(named(name, &err.into())),
            Err(_) => {
                lost.push(name.to_owned());
                Ok(())
            }
        };
        for (name, value) in had
            .iter()
            .filter(|(name, value)| has.get(*name) != Some(value))
        {
            judge(
                name,
                fsetxattr(new, name.as_str(), value, XattrFlags::empty()),
            )?;
        }
        // A folder may give lists to what is made in it.
        for name in has.keys().filter(|name| !had.contains_key(*name)) {
            judge(name, fremovexattr(new, name.as_str()))?;
        }
        Ok(lost)
    }

    fn all(file: &File) -> io::Result<BTreeMap<String, Vec<u8>>> {
        let mut buffer = vec![0; LARGEST];
        let length = match flistxattr(file, &mut buffer[..]) {
            Err(Errno::NOTSUP | Errno::NOSYS) => 0,
            length => length?,
        };
        let names: Vec<String> = buffer[..length]
            .split(|byte| *byte == 0)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .filter(|name| !name.is_empty() && !OF_THE_CONTENT.contains(&name.as_str()))
            .collect();
        let mut found = BTreeMap::new();
        for name in names {
            // One that this user may list and not read cannot be kept either way, and need not be removed.
            if let Ok(length) = fgetxattr(file, name.as_str(), &mut buffer[..]) {
                found.insert(name, buffer[..length].to_vec());
            }
        }
        Ok(found)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod extended {
    use std::fs::File;
    use std::io;

    pub(super) fn keep(_old: &File, _new: &File) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};

    use super::*;

    /// Version 2 of the kernel's form: the owner may write, user 4242 read, the group nothing.
    fn list() -> Vec<u8> {
        let anybody = u32::MAX;
        let entries: [(u16, u16, u32); 5] = [
            (1, 6, anybody),
            (2, 4, 4242),
            (4, 0, anybody),
            (16, 4, anybody),
            (32, 0, anybody),
        ];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, rights, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    fn value(file: &File, name: &str) -> Vec<u8> {
        let mut buffer = vec![0; 4096];
        let length = fgetxattr(file, name, &mut buffer[..]).expect("the attribute is there");
        buffer[..length].to_vec()
    }

    #[test]
    fn list_and_attributes_are_kept_and_what_the_folder_gave_goes() {
        let (old, new) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        for (name, bytes) in [
            ("user.tag", &b"edge"[..]),
            ("system.posix_acl_access", &list()),
        ] {
            fsetxattr(&old, name, bytes, XattrFlags::empty()).unwrap();
        }
        fsetxattr(&new, "user.other", b"x", XattrFlags::empty()).unwrap();
        assert!(keep(&old, &new).unwrap().is_empty());
        assert_eq!(value(&new, "user.tag"), b"edge");
        assert_eq!(value(&new, "system.posix_acl_access"), list());
        assert!(fgetxattr(&new, "user.other", &mut [0; 16][..]).is_err());
        assert_eq!(new.metadata().unwrap().mode() & 0o777, 0o640);
    }
}
