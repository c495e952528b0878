//! Kernel modules of the initramfs: those that init needs on any machine, and those that the
//! devices of this one ask for, as udev would load them.
//!
//! Which module is for what says the table `/modules` ([`generation::modules`]), written when the
//! initramfs was made. A device may appear when the driver of another is loaded, or seconds later:
//! the kernel is asked after each module, and as long as a disk is waited for.
//!
//! Devices have turns ([`turn`]): drivers of controllers that need long are loaded only where the
//! data filesystem was not found without them. What is left then is for udev in the server. What
//! every machine needs is loaded while the disk is looked at.

mod devices;
mod parameters;
mod queue;
mod turn;

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use generation::{Chain, Modules};
use rustix::io::Errno;
use rustix::system::finit_module;

use crate::error::{Context, Result};
use crate::log::Log;
use crate::watchdog::Watchdog;
use devices::Devices;
pub(crate) use queue::Queue;
use turn::Turn;

/// Where the files are.
const FOLDER: &str = "/lib/modules";

/// So many modules at a time, whatever the number of processors: one may wait for its hardware, as
/// AHCI for the links of its ports, or hang before the watchdog's is loaded.
pub(crate) const WORKERS: usize = 4;

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
    /// What [`work`] loads meanwhile.
    queue: &'a Queue<'a>,
    devices: Devices,
    /// Whose turn it is.
    turn: Turn,
    /// Aliases of devices whose turn has not come.
    later: Vec<String>,
    /// Modules that were loaded, or cannot be, or are in the queue.
    tried: BTreeSet<&'a str>,
    /// Modules that devices asked for.
    for_devices: BTreeSet<&'a str>,
    /// Modules in the queue without which a disk cannot be looked at.
    awaited: BTreeSet<&'a str>,
}

impl<'a> Drivers<'a> {
    pub(crate) fn new(table: &'a Modules, cmdline: &'a str, queue: &'a Queue<'a>) -> Self {
        let (devices, turn, later) = Default::default();
        let (tried, for_devices, awaited) = Default::default();
        Self { table, cmdline, queue, devices, turn, later, tried, for_devices, awaited }
    }

    /// Begins to load what every machine needs, and loads the filesystem `filesystem` of the data
    /// and what devices ask for whose turn is the first. A watchdog is before all others, so that a
    /// module that hangs is covered by it.
    pub(crate) fn load(&mut self, filesystem: Option<&str>, log: &Log, watchdog: &mut Watchdog) {
        let table = self.table;
        self.add_for_devices();
        let filesystem = filesystem.into_iter().flat_map(|name| table.named(name)).collect();
        self.begin(filesystem);
        let plan = self.new_of(table.always.iter().map(String::as_str).collect());
        self.queue.add_last(plan);
        self.wait(|it| it.awaited.is_empty(), log, watchdog);
    }

    /// Whether there are devices whose turn has not come.
    pub(crate) fn has_more(&self) -> bool {
        !self.later.is_empty()
    }

    /// Loads what the devices of the next turns ask for, until there is something to load. Whether
    /// there was.
    pub(crate) fn load_next(&mut self, log: &Log, watchdog: &mut Watchdog) -> bool {
        while self.has_more() {
            self.turn = self.turn.next();
            self.add_for_devices();
            if !self.awaited.is_empty() {
                self.wait(|it| it.awaited.is_empty(), log, watchdog);
                return true;
            }
        }
        false
    }

    /// Loads what devices ask for that have appeared since, whatever their turn.
    pub(crate) fn load_for_new_devices(&mut self, log: &Log, watchdog: &mut Watchdog) {
        self.turn = Turn::LAST;
        self.add_for_devices();
        self.wait(|it| it.awaited.is_empty(), log, watchdog);
    }

    /// Waits until all that was begun is loaded.
    pub(crate) fn finish(&mut self, log: &Log, watchdog: &mut Watchdog) {
        self.wait(|_| false, log, watchdog);
    }

    /// Nothing is loaded any more: its threads end.
    pub(crate) fn end(self) {
        self.queue.close();
    }

    /// Loads what `alias` names, where the initramfs has it: else the kernel may.
    pub(crate) fn load_named(&mut self, alias: &str, log: &Log, watchdog: &mut Watchdog) {
        self.begin(self.table.named(alias).into_iter().collect());
        self.wait(|it| it.awaited.is_empty(), log, watchdog);
    }

    /// What helps to find out why a disk is not there.
    pub(crate) fn describe(&self) -> String {
        let drivers: Vec<_> = self.for_devices.iter().copied().collect();
        let without = self.devices.without_driver();
        let none = |list: String| if list.is_empty() { "none".to_owned() } else { list };
        let (drivers, without) = (none(drivers.join(", ")), none(without.join(", ")));
        format!("drivers loaded: {drivers}; devices without a driver: {without}")
    }

    /// Begins to load `names`, without which a disk cannot be looked at.
    fn begin(&mut self, names: Vec<&'a str>) {
        let plan = self.new_of(names);
        self.awaited.extend(&plan);
        self.queue.add_last(plan);
    }

    /// Waits until `enough`, or until nothing is loaded any more.
    fn wait(&mut self, enough: impl Fn(&Self) -> bool, log: &Log, watchdog: &mut Watchdog) {
        while !enough(self) {
            let Some(finished) = self.queue.finished(LOOK) else { break };
            // Where none is finished there is no sign of life: a module hangs.
            if !finished.is_empty() {
                self.awaited.retain(|name| !finished.contains(name));
                watchdog.beat();
                watchdog.arm(log);
                // Behind a driver there may be other devices.
                self.add_for_devices();
            }
        }
    }

    /// Puts the modules into the queue that devices ask for whose turn has come, a watchdog's
    /// first.
    fn add_for_devices(&mut self) {
        let aliases = self.devices.look();
        self.add_for(aliases);
    }

    fn add_for(&mut self, new: Vec<String>) {
        let mut aliases = std::mem::take(&mut self.later);
        aliases.extend(new);
        let (now, later): (Vec<_>, Vec<_>) =
            aliases.into_iter().partition(|alias| Turn::of(alias) <= self.turn);
        // What has no module here is nothing to wait for.
        self.later = later;
        self.later.retain(|alias| !self.table.for_device(alias).is_empty());
        let names = now.iter().flat_map(|alias| self.table.for_device(alias));
        let names: BTreeSet<_> =
            names.filter(|name| !parameters::is_blacklisted(self.cmdline, name)).collect();
        self.for_devices.extend(&names);
        let first = self.table.first.iter().map(String::as_str).filter(|name| names.contains(name));
        let names = first.chain(names.iter().copied()).collect();
        let plan = self.new_of(names);
        self.awaited.extend(&plan);
        self.queue.add(plan);
    }

    /// What loading `names` takes, without what was loaded before.
    fn new_of(&mut self, names: Vec<&'a str>) -> Vec<&'a str> {
        let mut plan = self.table.plan(names);
        plan.retain(|name| self.tried.insert(*name));
        plan
    }
}

/// Loads what is put into the queue, until it is closed: the work of one of [`WORKERS`] threads.
pub(crate) fn work(queue: &Queue<'_>, cmdline: &str, log: &Log) {
    while let Some(name) = queue.take() {
        if let Err(error) = load(name, &parameters::of(cmdline, name)) {
            log.warning(Chain(&error));
        }
        queue.finish(name);
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
        let queue = Queue::new(&table);
        let mut drivers = Drivers::new(&table, "", &queue);
        let none = "drivers loaded: none; devices without a driver: none";
        assert_eq!(drivers.describe(), none);
        drivers.for_devices = BTreeSet::from(["nvme", "ahci"]);
        assert!(drivers.describe().starts_with("drivers loaded: ahci, nvme; "));
    }

    #[test]
    fn a_module_is_loaded_once() {
        let table = Modules::parse("module a b\nmodule b\nmodule c b\n");
        let queue = Queue::new(&table);
        let mut drivers = Drivers::new(&table, "", &queue);
        assert_eq!(drivers.new_of(vec!["a"]), ["b", "a"]);
        assert_eq!(drivers.new_of(vec!["c", "a"]), ["c"]);
    }

    #[test]
    fn a_controller_that_needs_long_waits_until_the_disk_is_not_found_without_it() {
        const AHCI: &str = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";
        const STICK: &str = "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30";
        let table = Modules::parse(&format!(
            "module virtio_blk\nmodule ahci\nmodule xhci_pci\nalias virtio:d00000002v* virtio_blk\n\
             alias {AHCI} ahci\nalias {STICK} xhci_pci\n"
        ));
        let queue = Queue::new(&table);
        let mut drivers = Drivers::new(&table, "", &queue);
        drivers.devices.look();
        let devices = ["virtio:d00000002v00001AF4", STICK, AHCI, "pci:v1bc01sc06"];
        drivers.add_for(devices.map(str::to_owned).to_vec());
        assert_eq!(drivers.awaited, BTreeSet::from(["virtio_blk"]));
        // The last device is nobody's here.
        assert_eq!(drivers.later, [STICK, AHCI]);
        let (log, mut watchdog) = (Log::nowhere(), Watchdog::asleep());
        let turns = std::thread::scope(|scope| {
            scope.spawn(|| {
                while let Some(name) = queue.take() {
                    queue.finish(name);
                }
            });
            let turns = [(); 3].map(|()| {
                let more = drivers.load_next(&log, &mut watchdog);
                (more, drivers.for_devices.iter().copied().collect::<Vec<_>>())
            });
            drivers.end();
            turns
        });
        let all = vec!["ahci", "virtio_blk", "xhci_pci"];
        assert_eq!(turns, [(true, vec!["ahci", "virtio_blk"]), (true, all.clone()), (false, all)]);
    }
}
