//! POSIX access control lists of acl(5), as Linux keeps them in extended attributes
//! (posix_acl_xattr.h): a version, then entries of tag, permissions and id.

use std::collections::BTreeMap;

use crate::ids::Renumbering;

const ACCESS: &str = "system.posix_acl_access";
const NAMES: [&str; 2] = [ACCESS, "system.posix_acl_default"];
const VERSION: [u8; 4] = 2_u32.to_le_bytes();

const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;

/// An entry of a list.
struct Entry<'a> {
    tag: u16,
    permissions: &'a mut [u8],
    id: &'a mut [u8],
}

/// The entries of a list; `None` if it is none.
fn entries(value: &mut [u8]) -> Option<impl Iterator<Item = Entry<'_>>> {
    let (version, entries) = value.split_at_mut_checked(VERSION.len())?;
    if *version != VERSION || entries.len() % 8 != 0 {
        return None;
    }
    Some(entries.chunks_exact_mut(8).map(|entry| {
        let (head, id) = entry.split_at_mut(4);
        let (tag, permissions) = head.split_at_mut(2);
        Entry { tag: u16::from_le_bytes([tag[0], tag[1]]), permissions, id }
    }))
}

/// Gives the lists among a path's attributes other ids. `None` if one is broken.
pub(crate) fn renumber(
    xattrs: &mut BTreeMap<String, Vec<u8>>,
    renumbering: &Renumbering,
) -> Option<()> {
    for name in NAMES {
        let Some(value) = xattrs.get_mut(name) else { continue };
        for entry in entries(value)? {
            let old = u32::from_le_bytes([entry.id[0], entry.id[1], entry.id[2], entry.id[3]]);
            let new = match entry.tag {
                USER => renumbering.user(old),
                GROUP => renumbering.group(old),
                _ => old,
            };
            entry.id.copy_from_slice(&new.to_le_bytes());
        }
    }
    Some(())
}

/// Makes the list of a path say what its mode says now, as chmod(2) does: the bits of the group are
/// those of the mask where there is one. Without it the kernel would go on by the list alone.
pub(crate) fn set_mode(xattrs: &mut BTreeMap<String, Vec<u8>>, mode: u32) {
    let Some(value) = xattrs.get_mut(ACCESS) else { return };
    let bits = |shift: u32| [(mode >> shift & 0o7) as u8, 0];
    let has_mask = entries(value).is_some_and(|mut entries| entries.any(|entry| entry.tag == MASK));
    for entry in entries(value).into_iter().flatten() {
        let new = match entry.tag {
            OWNER => bits(6),
            MASK => bits(3),
            OWNING_GROUP if !has_mask => bits(3),
            OTHERS => bits(0),
            _ => continue,
        };
        entry.permissions.copy_from_slice(&new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u8)]) -> Vec<u8> {
        let entry = |(tag, permissions): &(u16, u8)| {
            let [low, high] = tag.to_le_bytes();
            [low, high, *permissions, 0, 7, 0, 0, 0]
        };
        [VERSION.to_vec(), entries.iter().flat_map(entry).collect()].concat()
    }

    fn changed(entries: &[(u16, u8)], mode: u32) -> Vec<u8> {
        let mut xattrs = [(ACCESS.to_owned(), list(entries))].into();
        set_mode(&mut xattrs, mode);
        xattrs.remove(ACCESS).unwrap()
    }

    #[test]
    fn a_mode_changes_the_mask_and_leaves_who_is_named() {
        let before = [(OWNER, 6), (USER, 7), (OWNING_GROUP, 5), (GROUP, 7), (MASK, 7), (OTHERS, 4)];
        let after = [(OWNER, 7), (USER, 7), (OWNING_GROUP, 5), (GROUP, 7), (MASK, 5), (OTHERS, 0)];
        assert_eq!(changed(&before, 0o4750), list(&after));
    }

    #[test]
    fn without_a_mask_the_group_is_the_owning_one() {
        let before = [(OWNER, 7), (OWNING_GROUP, 7), (OTHERS, 7)];
        assert_eq!(changed(&before, 0o640), list(&[(OWNER, 6), (OWNING_GROUP, 4), (OTHERS, 0)]));
    }

    #[test]
    fn what_is_no_list_is_left_alone() {
        for broken in [&b"\x02\0\0"[..], b"\x02\0\0\0short", b"\x01\0\0\0"] {
            let mut xattrs: BTreeMap<_, _> = [(ACCESS.to_owned(), broken.to_vec())].into();
            set_mode(&mut xattrs, 0o644);
            assert_eq!(xattrs[ACCESS], broken);
            assert_eq!(renumber(&mut xattrs, &Renumbering::default()), None);
        }
    }
}
