//! The data partition as a mirror of two disks: found by its members, started, rebuilt.
//!
//! Which members lead is decided by `mirror::choose`, who holds the data by the same rule as among
//! plain partitions (`data::choose`): an array is looked at through its first member, which
//! begins with the filesystem.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use generation::Chain;
use generation::cmdline::{Boot, Data};
use mirror::array::{Arrays, NAME};
use mirror::choose::{Start, is_awaited};
use mirror::{Superblock, choose};

use crate::data;
use crate::device::{self, Device};
use crate::error::Result;
use crate::log::Log;
use crate::modules::Drivers;
use crate::watchdog::Watchdog;

/// How long the other half of a mirror may take to appear when one is there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// An array that can be started.
struct Plan {
    /// Its members, by their places in `start`.
    devices: Vec<Device>,
    start: Start,
}

/// Which of `found` is used: a plain partition, or the mirror that some are members of, which
/// is running then.
pub(crate) fn choose(
    mut found: Vec<Device>,
    boot: &Boot,
    drivers: &mut Drivers<'_>,
    log: &Log,
    watchdog: &mut Watchdog,
) -> Result<Device> {
    if let Data::Iso(_) = boot.data {
        return Ok(data::choose(found, boot, log));
    }
    let mut start = Instant::now();
    let (plain, arrays) = loop {
        let (plain, arrays) = sort(found, log);
        let awaited = arrays.values().any(|members| {
            is_awaited(&members.iter().map(|(_, it)| it.clone()).collect::<Vec<_>>())
        });
        if !awaited || start.elapsed() > PATIENCE {
            break (plain, arrays);
        }
        watchdog.sleep(INTERVAL);
        // Behind drivers whose turn had not come a disk has yet to appear.
        let more = drivers.has_more();
        drivers.load_for_new_devices(log, watchdog);
        if more {
            start = Instant::now();
        }
        found = device::find(&boot.data, drivers, log, watchdog)?;
    };
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    let mut candidates = Vec::new();
    for members in arrays.into_values() {
        let (devices, superblocks): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        for start in choose::choose(&superblocks) {
            let Some(first) = start.members.first().and_then(|at| devices.get(*at)) else {
                continue;
            };
            candidates.push(first.clone());
            let devices = devices.clone();
            plans.insert(first.name.clone(), Plan { devices, start });
        }
    }
    candidates.extend(plain);
    let chosen = data::choose(candidates, boot, log);
    match plans.remove(&chosen.name) {
        None => Ok(chosen),
        Some(plan) => {
            drivers.load_named("raid1", log, watchdog);
            plan.run(&Arrays::default(), log)
        }
    }
}

type Members = BTreeMap<[u8; 16], Vec<(Device, Superblock)>>;

/// Plain partitions, and members by their arrays. Those of a running array are left out: it is
/// among the devices itself.
fn sort(found: Vec<Device>, log: &Log) -> (Vec<Device>, Members) {
    let (mut plain, mut arrays) = (Vec::new(), Members::new());
    for device in found.into_iter().filter(|device| !device.is_held()) {
        match device.superblock() {
            Ok(None) => plain.push(device),
            Ok(Some(superblock)) => {
                arrays.entry(superblock.array).or_default().push((device, superblock));
            }
            // One whose end cannot be read is not known to be alone.
            Err(error) => {
                log.warning(format_args!("{} is not used: {}", device.name, Chain(&error)));
            }
        }
    }
    (plain, arrays)
}

impl Plan {
    fn name(&self, at: usize) -> &str {
        self.devices.get(at).map_or("?", |device| device.name.as_str())
    }

    fn numbers(&self, places: &[usize]) -> Result<Vec<String>> {
        places.iter().filter_map(|at| self.devices.get(*at)).map(Device::numbers).collect()
    }

    fn run(&self, arrays: &Arrays, log: &Log) -> Result<Device> {
        let members = self.numbers(&self.start.members)?;
        if let Err(error) = arrays.start(&members) {
            if members.len() < 2 {
                return Err(error.into());
            }
            let first = self.name(self.start.members[0]);
            log.warning(format_args!(
                "the mirror is started with {first} alone: {}",
                Chain(&error)
            ));
            arrays.start(&members[..1])?;
        }
        let names: Vec<_> = self.start.members.iter().map(|at| self.name(*at)).collect();
        log.info(format_args!("{NAME} is a mirror on {}", names.join(" and ")));
        for at in &self.start.apart {
            log.warning(format_args!(
                "{} has been written without {}, and stays apart: its changes since are not here",
                self.name(*at),
                names.join(" and ")
            ));
        }
        if self.start.missing > 0 {
            self.rebuild(arrays, log)?;
        }
        Device::named(NAME)
    }

    /// The array misses a member: one that is behind becomes it again.
    fn rebuild(&self, arrays: &Arrays, log: &Log) -> Result<()> {
        let Some(stale) = self.start.stale.first() else {
            log.warning("the mirror has lost a disk: `heirloom mirror add` gives it another");
            return Ok(());
        };
        let name = self.name(*stale);
        for number in self.numbers(&[*stale])? {
            match arrays.add(NAME, &number) {
                Ok(()) => log.warning(format_args!("{name} missed writes and is rebuilt")),
                Err(error) => {
                    log.warning(format_args!("{name} is not rebuilt: {}", Chain(&error)));
                }
            }
        }
        Ok(())
    }
}
