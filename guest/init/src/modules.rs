//! Kernel modules of the initramfs: those that init needs on any machine, and those that the
//! devices of this one ask for, as udev would load them.
//!
//! Which module is for what says the table `/modules` ([`generation::modules`]), written when the
//! initramfs was made. A device may appear when the driver of another is loaded, or seconds later:
//! the kernel is asked after each module, and as long as a disk is waited for.

mod devices;
mod parameters;
mod queue;

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use generation::{Chain, Modules};
use rustix::io::Errno;
use rustix::system::finit_module;

use crate::error::{Context, Result};
use crate::log::Log;
use crate::watchdog::Watchdog;
use devices::Devices;
use queue::Queue;

/// Where the files are.
const FOLDER: &str = "/lib/modules";

/// So many modules at a time, whatever the number of processors: one may wait for its hardware, as
/// AHCI for the links of its ports, or hang before the watchdog's is loaded.
const WORKERS: usize = 4;

/// The longest time until it is asked again whether a module is loaded.
const LOOK: Duration = Duration::from_secs(1);

/// The table of this initramfs. Without one there are no modules, and the log says so.
pub(crate) fn table(log: &Log) -> Modules {
    let path = Path::new("/").join(Modules::NAME);
    match fs::read_to_string(&path).on("read", &path) {
        Ok(text) => Modules::parse(&text),
        Err(error) => {
            log.warning(Chain(&error));
            Modules::default()
        }
    }
}

/// What was loaded of a table, and what for.
pub(crate) struct Drivers<'a> {
    table: &'a Modules,
    cmdline: &'a str,
    devices: Devices,
    /// Modules that were loaded, or cannot be.
    tried: BTreeSet<&'a str>,
    /// Modules that devices asked for.
    for_devices: BTreeSet<&'a str>,
}

impl<'a> Drivers<'a> {
    pub(crate) fn new(table: &'a Modules, cmdline: &'a str) -> Self {
        let (tried, for_devices) = Default::default();
        Self { table, cmdline, devices: Devices::default(), tried, for_devices }
    }

    /// Loads what every machine needs, among it the filesystem `filesystem` of the data, and what
    /// this machine's devices ask for. A watchdog is the first, so that a module that hangs is
    /// covered by it.
    pub(crate) fn load(&mut self, filesystem: Option<&str>, log: &Log, watchdog: &mut Watchdog) {
        let table = self.table;
        let always = table.always.iter().map(String::as_str);
        let filesystem = filesystem.into_iter().flat_map(|name| table.named(name));
        self.run(always.chain(filesystem).collect(), log, watchdog);
    }

    /// Loads what devices ask for that have appeared since.
    pub(crate) fn load_for_new_devices(&mut self, log: &Log, watchdog: &mut Watchdog) {
        self.run(Vec::new(), log, watchdog);
    }

    /// Loads what `alias` names, where the initramfs has it: else the kernel may.
    pub(crate) fn load_named(&mut self, alias: &str, log: &Log, watchdog: &mut Watchdog) {
        self.run(self.table.named(alias).into_iter().collect(), log, watchdog);
    }

    /// What helps to find out why a disk is not there.
    pub(crate) fn describe(&self) -> String {
        let drivers: Vec<_> = self.for_devices.iter().copied().collect();
        let without = self.devices.without_driver();
        let none = |list: String| if list.is_empty() { "none".to_owned() } else { list };
        let (drivers, without) = (none(drivers.join(", ")), none(without.join(", ")));
        format!("drivers loaded: {drivers}; devices without a driver: {without}")
    }

    /// Loads `wanted` and what devices ask for, until they ask for no more.
    fn run(&mut self, wanted: Vec<&'a str>, log: &Log, watchdog: &mut Watchdog) {
        let (queue, cmdline) = (Queue::new(self.table), self.cmdline);
        let mut plan = self.new_of(wanted);
        if plan.is_empty() {
            plan = self.new_for_devices();
        }
        if plan.is_empty() {
            return;
        }
        queue.add(plan);
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some(name) = queue.take() {
                        if let Err(error) = load(name, &parameters::of(cmdline, name)) {
                            log.warning(Chain(&error));
                        }
                        queue.finish(name);
                    }
                });
            }
            // Meanwhile: it takes as long as some modules.
            queue.add(self.new_for_devices());
            while let Some(finished) = queue.finished(LOOK) {
                // Where none is finished there is no sign of life: a module hangs.
                if !finished.is_empty() {
                    watchdog.beat();
                    watchdog.arm(log);
                    // Behind a driver there may be other devices.
                    queue.add(self.new_for_devices());
                }
            }
            queue.close();
        });
    }

    /// The modules that devices ask for which were not there before, a watchdog's first.
    fn new_for_devices(&mut self) -> Vec<&'a str> {
        let aliases = self.devices.look();
        let names = aliases.iter().flat_map(|alias| self.table.for_device(alias));
        let names: BTreeSet<_> =
            names.filter(|name| !parameters::is_blacklisted(self.cmdline, name)).collect();
        self.for_devices.extend(&names);
        let first = self.table.first.iter().map(String::as_str).filter(|name| names.contains(name));
        let names = first.chain(names.iter().copied()).collect();
        self.new_of(names)
    }

    /// What loading `names` takes, without what was loaded before.
    fn new_of(&mut self, names: Vec<&'a str>) -> Vec<&'a str> {
        let mut plan = self.table.plan(names);
        plan.retain(|name| self.tried.insert(*name));
        plan
    }
}

/// Loads one module. That the kernel has it already, or that its hardware is not there, is no
/// error.
fn load(name: &str, parameters: &str) -> Result<()> {
    let path = PathBuf::from(FOLDER).join(format!("{name}.ko"));
    let file = File::open(&path).on("open", &path)?;
    let parameters = CString::new(parameters).map_err(io::Error::from).on("load", &path)?;
    match finit_module(&file, &parameters, 0) {
        // EEXIST: loaded or built in. ENODEV: a driver that found nothing to drive. ENOENT: it
        // builds upon such a driver; were it for another reason, the kernel names the symbols.
        Ok(()) | Err(Errno::EXIST | Errno::NODEV | Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno).on("load", &path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_disk_the_drivers_that_were_loaded_are_named() {
        let table = Modules::parse("module ahci\nmodule nvme\n");
        let mut drivers = Drivers::new(&table, "");
        let none = "drivers loaded: none; devices without a driver: none";
        assert_eq!(drivers.describe(), none);
        drivers.for_devices = BTreeSet::from(["nvme", "ahci"]);
        assert!(drivers.describe().starts_with("drivers loaded: ahci, nvme; "));
    }

    #[test]
    fn a_module_is_loaded_once() {
        let table = Modules::parse("module a b\nmodule b\nmodule c b\n");
        let mut drivers = Drivers::new(&table, "");
        assert_eq!(drivers.new_of(vec!["a"]), ["b", "a"]);
        assert_eq!(drivers.new_of(vec!["c", "a"]), ["c"]);
    }
}
