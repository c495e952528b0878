//! What the bootloaders start from a boot partition, by their models.

use std::collections::{BTreeMap, HashMap};

use boot::model::{Firmware, Memory, Started};
use digest::Digest;
use generation::cmdline::Boot;
use powercut::BootView;

use crate::record::{Record, Starts};

/// So many boots in a row: on trial, back, and one more, which has to be the same.
const BOOTS: usize = 3;

/// What a boot partition starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// In this machine.
    pub(crate) starts: Starts,
    /// In a machine with the other firmware: a generation that is not on trial.
    pub(crate) elsewhere: u64,
}

/// What `view` starts on the machine of `record`; what is wrong, where something that is started is
/// not whole.
pub(crate) fn outcome(view: &BootView, record: &Record) -> Result<Outcome, String> {
    let (own, other) = match record.uefi {
        true => (Firmware::Uefi, Firmware::Bios),
        false => (Firmware::Bios, Firmware::Uefi),
    };
    let mut files = Files::of(view);
    let boots = files.boots(own, record)?;
    let &[first, second, third] = boots.as_slice() else {
        return Err(format!("it starts {} times", boots.len()));
    };
    let (default, trial) = second;
    if trial || third != second {
        return Err(format!("it starts {first:?}, then {second:?}, then {third:?}"));
    }
    let starts = match first {
        (number, true) => Starts { armed: Some(number), default },
        _ if first == second => Starts { armed: None, default },
        _ => return Err(format!("it starts {first:?}, then {second:?}")),
    };
    let elsewhere = files.boots(other, record).map_err(|why| format!("elsewhere {why}"))?;
    match elsewhere.as_slice() {
        [(number, false), ..] => Ok(Outcome { starts, elsewhere: *number }),
        _ => Err(format!("elsewhere it starts {elsewhere:?}")),
    }
}

/// The files of a boot partition. Of a kernel or an initramfs the content is its path: they are long,
/// and only those that are started are read.
struct Files<'a> {
    view: &'a BootView,
    files: BTreeMap<String, Vec<u8>>,
    digests: HashMap<String, Option<Digest>>,
}

impl<'a> Files<'a> {
    fn of(view: &'a BootView) -> Self {
        let mut files = BTreeMap::new();
        for path in view.files() {
            // A FAT knows no case, and bootloaders ask in lower case.
            let name = path.to_lowercase();
            let long =
                ["heirloom/linux-", "heirloom/initrd-"].iter().any(|it| name.starts_with(it));
            // What cannot be read is not there.
            let bytes = if long { Some(name.clone().into_bytes()) } else { view.read(&path) };
            files.extend(bytes.map(|bytes| (name, bytes)));
        }
        Self { view, files, digests: HashMap::new() }
    }

    /// The generations that are started one after the other, and whether on trial.
    fn boots(&mut self, firmware: Firmware, record: &Record) -> Result<Vec<(u64, bool)>, String> {
        'again: loop {
            let mut memory = Memory::new(self.files.clone());
            let mut boots = Vec::new();
            for boot in 1..=BOOTS {
                let started = firmware.start(&mut memory);
                let started = started.ok_or_else(|| format!("boot {boot} starts nothing"))?;
                for content in [&started.kernel, &started.initramfs] {
                    let path = String::from_utf8_lossy(content).into_owned();
                    if self.digest(&path).is_none() {
                        // It is named, and cannot be read: as if it were not there.
                        self.files.remove(&path);
                        continue 'again;
                    }
                }
                boots.push(self.whole(&started, record)?);
            }
            return Ok(boots);
        }
    }

    /// Which generation it is; what is wrong with it, if it is not one from end to end.
    fn whole(&mut self, started: &Started, record: &Record) -> Result<(u64, bool), String> {
        let cmdline = &started.cmdline;
        let boot = Boot::parse(cmdline).map_err(|error| format!("`{cmdline}`: {error}"))?;
        let known = record
            .number(boot.generation)
            .and_then(|number| Some((number, record.generations.get(&number)?)));
        let (number, known) = known.ok_or_else(|| format!("`{cmdline}`: never heard of"))?;
        let wanted = record.cmdline(number, boot.trial).map_err(|error| error.to_string())?;
        if *cmdline != wanted {
            return Err(format!("the command line `{cmdline}` instead of `{wanted}`"));
        }
        for (content, digest) in
            [(&started.kernel, known.kernel), (&started.initramfs, known.initramfs)]
        {
            let path = String::from_utf8_lossy(content).into_owned();
            if self.digest(&path) != Some(digest) {
                return Err(format!("generation {number} with another {path}"));
            }
        }
        Ok((number, boot.trial))
    }

    fn digest(&mut self, path: &str) -> Option<Digest> {
        let view = self.view;
        *self.digests.entry(path.to_owned()).or_insert_with(|| view.digest(path))
    }
}
