//! What a kernel module says of itself: the section `.modinfo` of its ELF file, strings
//! `key=value` with a zero behind each (Linux, include/linux/moduleinfo: `MODULE_INFO`).

/// Fields of an ELF64 header and section header, little-endian (elf(5)).
const ELF64_LE: &[u8] = b"\x7fELF\x02\x01";
const SECTION_TABLE: usize = 0x28;
const SECTION_SIZE: usize = 0x3a;
const SECTION_COUNT: usize = 0x3c;
const SECTION_NAMES: usize = 0x3e;

/// What has to be loaded around a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Modules without which it cannot be loaded.
    pub(crate) depends: Vec<String>,
    /// Modules or aliases to try before it.
    pub(crate) before: Vec<String>,
    /// Modules or aliases to try after it.
    pub(crate) after: Vec<String>,
}

/// Reads the needs of a module; the error is what is wrong with the file.
pub(crate) fn needs(elf: &[u8]) -> Result<Needs, &'static str> {
    let mut needs = Needs::default();
    for field in section(elf, b".modinfo")?.split(|byte| *byte == 0) {
        let Ok(field) = std::str::from_utf8(field) else { continue };
        match field.split_once('=') {
            Some(("depends", names)) => {
                needs.depends.extend(names.split(',').filter(|name| !name.is_empty()).map(name));
            }
            Some(("softdep", text)) => soft(text, &mut needs),
            _ => {}
        }
    }
    Ok(needs)
}

/// The kernel's name of a module: file names may have `-` for `_`.
pub(crate) fn name(text: &str) -> String {
    text.replace('-', "_")
}

/// `pre: a b post: c`.
fn soft(text: &str, needs: &mut Needs) {
    let mut before = true;
    for word in text.split_ascii_whitespace() {
        match word {
            "pre:" => before = true,
            "post:" => before = false,
            _ if before => needs.before.push(name(word)),
            _ => needs.after.push(name(word)),
        }
    }
}

fn section<'a>(elf: &'a [u8], wanted: &[u8]) -> Result<&'a [u8], &'static str> {
    const CUT: &str = "its ELF file is cut short";
    if !elf.starts_with(ELF64_LE) {
        return Err("it is no little-endian ELF64 file");
    }
    let table = number(elf, SECTION_TABLE, 8).ok_or(CUT)?;
    let size = number(elf, SECTION_SIZE, 2).ok_or(CUT)?;
    let count = number(elf, SECTION_COUNT, 2).ok_or(CUT)?;
    let names = number(elf, SECTION_NAMES, 2).ok_or(CUT)?;
    let header = |index: usize| {
        let from = table.checked_add(index.checked_mul(size)?)?;
        elf.get(from..from.checked_add(size)?)
    };
    let content = |header: &[u8]| {
        let from = number(header, 0x18, 8)?;
        elf.get(from..from.checked_add(number(header, 0x20, 8)?)?)
    };
    let names = header(names).and_then(content).ok_or(CUT)?;
    for index in 0..count {
        let header = header(index).ok_or(CUT)?;
        let name = number(header, 0, 4).and_then(|at| names.get(at..)).ok_or(CUT)?;
        if name.split(|byte| *byte == 0).next() == Some(wanted) {
            return content(header).ok_or(CUT);
        }
    }
    Err("it has no section .modinfo")
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    let value = field.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    usize::try_from(value).ok()
}

/// A module with this `.modinfo`, for tests.
#[cfg(test)]
pub(crate) fn module(modinfo: &str) -> Vec<u8> {
    let names = b"\0.shstrtab\0.modinfo\0";
    let mut elf = vec![0; 0x40];
    elf[..6].copy_from_slice(ELF64_LE);
    let names_at = elf.len();
    elf.extend(names);
    let info_at = elf.len();
    elf.extend(modinfo.bytes());
    let table = elf.len();
    for (name, at, size) in [(0, 0, 0), (1, names_at, names.len()), (11, info_at, modinfo.len())] {
        let mut header = [0; 0x40];
        header[..4].copy_from_slice(&(name as u32).to_le_bytes());
        header[0x18..0x20].copy_from_slice(&(at as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(size as u64).to_le_bytes());
        elf.extend(header);
    }
    elf[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
    elf[0x3a..0x40].copy_from_slice(&[0x40, 0, 3, 0, 1, 0]);
    elf
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dependencies_are_read() {
        let elf = module(
            "license=GPL\0depends=dm-mod,dm_bufio\0softdep=pre: crc32c-intel crc32c post: xts\0",
        );
        let needs = needs(&elf).unwrap();
        assert_eq!(needs.depends, ["dm_mod", "dm_bufio"]);
        assert_eq!(needs.before, ["crc32c_intel", "crc32c"]);
        assert_eq!(needs.after, ["xts"]);
        assert_eq!(super::needs(&module("depends=\0")).unwrap(), Needs::default());
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_and_nothing_worse(
            at in 0usize..400,
            bytes in prop::collection::vec(any::<u8>(), 1..9),
            cut in 0usize..400,
        ) {
            let mut elf = module("depends=a\0");
            let at = at % elf.len();
            for (place, byte) in elf[at..].iter_mut().zip(&bytes) {
                *place = *byte;
            }
            elf.truncate(cut.max(1));
            // Only that it returns counts.
            let _ = needs(&elf);
        }
    }
}
