//! What a kernel module says of itself: the section `.modinfo` of its ELF file, strings
//! `key=value` with a zero behind each (Linux, include/linux/moduleinfo: `MODULE_INFO`).

use std::collections::BTreeMap;

use generation::modules::normalised;

/// Fields of an ELF64 header and section header, little-endian (elf(5)).
const ELF64_LE: &[u8] = b"\x7fELF\x02\x01";
const SECTION_TABLE: usize = 0x28;
const SECTION_SIZE: usize = 0x3a;
const SECTION_COUNT: usize = 0x3c;
const SECTION_NAMES: usize = 0x3e;

/// What a module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    /// Modules without which it cannot be loaded.
    pub(crate) depends: Vec<String>,
    /// Modules or aliases to try before it.
    pub(crate) before: Vec<String>,
    /// Modules or aliases to try after it.
    pub(crate) after: Vec<String>,
    /// Patterns of what else it is asked for as: devices, filesystems, algorithms.
    pub(crate) aliases: Vec<String>,
}

/// Reads what a module says of itself; the error is what is wrong with the file.
pub(crate) fn read(elf: &[u8]) -> Result<Info, &'static str> {
    let mut info = Info::default();
    for field in section(elf, b".modinfo")?.split(|byte| *byte == 0) {
        let Ok(field) = std::str::from_utf8(field) else { continue };
        if let Some((key, value)) = field.split_once('=') {
            info.add(key, value);
        }
    }
    Ok(info)
}

/// The modules that are part of the kernel itself, by name, from `modules.builtin.modinfo`: fields
/// `module.key=value` with a zero behind each (Linux, Documentation/kbuild/kbuild.rst).
pub(crate) fn builtin(file: &[u8]) -> BTreeMap<String, Info> {
    let mut modules: BTreeMap<String, Info> = BTreeMap::new();
    for field in file.split(|byte| *byte == 0) {
        let Ok(field) = std::str::from_utf8(field) else { continue };
        let Some((key, value)) = field.split_once('=') else { continue };
        if let Some((module, key)) = key.split_once('.') {
            modules.entry(name(module)).or_default().add(key, value);
        }
    }
    modules
}

impl Info {
    fn add(&mut self, key: &str, value: &str) {
        match key {
            "depends" => {
                self.depends.extend(value.split(',').filter(|name| !name.is_empty()).map(name));
            }
            "softdep" => self.soft(value),
            // One with a space could not be written into the table of an initramfs.
            "alias" if value.bytes().all(|byte| byte.is_ascii_graphic()) => {
                self.aliases.push(normalised(value));
            }
            _ => {}
        }
    }

    /// `pre: a b post: c`; words before both are no dependencies for modprobe either.
    fn soft(&mut self, text: &str) {
        let mut names = None;
        for word in text.split_ascii_whitespace() {
            match word {
                "pre:" => names = Some(&mut self.before),
                "post:" => names = Some(&mut self.after),
                _ => names.iter_mut().for_each(|names| names.push(normalised(word))),
            }
        }
    }
}

/// The kernel's name of a module: file names may have `-` for `_`.
pub(crate) fn name(text: &str) -> String {
    text.replace('-', "_")
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
            "license=GPL\0depends=dm-mod,dm_bufio\0softdep=x pre: crc32c-intel crc32c post: xts\0\
             alias=crypto-crc32c\0alias=pci:v*[0-9]*\0alias=two words\0",
        );
        let info = read(&elf).unwrap();
        assert_eq!(info.depends, ["dm_mod", "dm_bufio"]);
        assert_eq!(info.before, ["crc32c_intel", "crc32c"]);
        assert_eq!(info.after, ["xts"]);
        assert_eq!(info.aliases, ["crypto_crc32c", "pci:v*[0-9]*"]);
        assert_eq!(read(&module("depends=\0")).unwrap(), Info::default());
    }

    #[test]
    fn what_is_built_in_says_the_same_of_itself() {
        let file = b"ext4.alias=fs-ext4\0ext4.softdep=pre: crypto-crc32c\0xz_dec.x=y\0nonsense\0";
        let modules = builtin(file);
        assert_eq!(modules["ext4"].aliases, ["fs_ext4"]);
        assert_eq!(modules["ext4"].before, ["crypto_crc32c"]);
        assert_eq!(modules["xz_dec"], Info::default());
        assert_eq!(modules.len(), 2);
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
            let _ = read(&elf);
        }
    }
}
