//! The new root: layers and memory as one overlay, state bound over it, the data filesystem kept
//! at hand for the agent.
//!
//! ```text
//! /data            the data filesystem; later <root>/run/heirloom/data
//! /layers/1, 2...  the filesystem layers, lowest first; gone once the overlay holds them
//! /memory          tmpfs: upper and work of the overlay, and the state on an ISO or where the
//!                  disk cannot keep it; later <root>/run/heirloom/memory
//! /newroot         the overlay
//! ```

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use digest::Digest;
use generation::cmdline::{Boot, Data};
use generation::filesystem::InMemory;
use generation::{Chain, Config, Filesystem, Layout, Step};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_move, unmount};

use crate::error::{Context, Error, Result};
use crate::log::Log;
use crate::modules::Drivers;
use crate::progress::Trail;
use crate::watchdog::Watchdog;
use crate::{array, clock, data, layer, state, units};

/// Where the data filesystem is until then.
pub(crate) const DATA: &str = "/data";
const LAYERS: &str = "/layers";
pub(crate) const MEMORY: &str = "/memory";
/// Where the new root is while it is put together.
pub(crate) const ROOT: &str = "/newroot";

/// Where the data filesystem is in the new root.
pub(crate) const EXPOSED: &str = "/run/heirloom/data";
/// Where the memory is in the new root that takes all writes.
const EXPOSED_MEMORY: &str = "/run/heirloom/memory";

/// The server's own init, in the new root.
pub(crate) const INIT: &str = "/sbin/init";

/// Puts the root of a generation together at [`ROOT`]; `trail` records how far it came.
pub(crate) fn assemble(
    boot: &Boot,
    trail: &mut Trail<'_>,
    drivers: &mut Drivers<'_>,
    log: &Log,
    watchdog: &mut Watchdog,
) -> Result<()> {
    let found = data::find(boot, drivers, log, watchdog)?;
    let device = array::choose(found, boot, drivers, log, watchdog)?;
    log.info(format_args!("data on {}", device.name));
    let mut found = data::mount_data(&boot.data, &device, log, watchdog)?;
    trail.reached(Step::Data);

    let layout = Layout::open(Path::new(DATA).join("imgs"))?;
    let manifest = layout.manifest(boot.generation)?;
    let config = layout.config(&manifest)?;
    let (server, short) = (&config.server, boot.generation.short());
    let trial = if boot.trial { ", on trial" } else { "" };
    log.info(format_args!("{server}, generation {short}{trial}"));
    clock::at_least(config.epoch, log);
    trail.reached(Step::Manifest);

    // What every machine needs was loaded meanwhile.
    drivers.finish(log, watchdog);
    let mut lower = Vec::new();
    for (number, layer) in (1..).zip(manifest.filesystems()?) {
        watchdog.beat();
        let target = make_directory(&Path::new(LAYERS).join(number.to_string()))?;
        layer::mount(&layer, &layout.blob(layer.digest), &target, boot.trial)?;
        trail.reached(Step::Layer(number));
        lower.push(target);
    }
    overlay(&lower)?;
    check_init()?;
    let run = mount_run()?;
    let mut mounts = bind_state(boot, &config, &mut found, log, watchdog)?;
    trail.reached(Step::State);
    expose(&run, boot.generation, &found)?;
    let what = device.path().to_string_lossy().into_owned();
    mounts.push(units::Mount { place: EXPOSED.into(), what, bound: false });
    let what = "tmpfs".into();
    mounts.push(units::Mount { place: EXPOSED_MEMORY.into(), what, bound: false });
    units::describe(&run, &mounts)
}

/// Takes apart what a failed try has put together.
pub(crate) fn take_apart() {
    let layers = fs::read_dir(LAYERS).into_iter().flatten().flatten().map(|entry| entry.path());
    let mounted = [ROOT, MEMORY, DATA].map(PathBuf::from).into_iter().chain(layers);
    for path in mounted {
        // What was not mounted yet need not go.
        let _ = unmount(&path, UnmountFlags::DETACH);
    }
}

fn overlay(lower: &[PathBuf]) -> Result<()> {
    let memory = make_directory(Path::new(MEMORY))?;
    let root = make_directory(Path::new(ROOT))?;
    mount("tmpfs", &memory, "tmpfs", MountFlags::NODEV, c"mode=0700").on("mount", &memory)?;
    make_directory(&memory.join("work"))?;
    make_directory(&memory.join("upper"))?;
    let options = overlay_options(lower, &memory);
    let options = CString::new(options).map_err(io::Error::from).on("mount", &root)?;
    mount("overlay", &root, "overlay", MountFlags::empty(), &*options).on("mount", &root)?;
    for layer in lower {
        unmount(layer, UnmountFlags::DETACH).on("unmount", layer)?;
    }
    Ok(())
}

/// The highest layer comes first (Documentation/filesystems/overlayfs.rst).
fn overlay_options(lower: &[PathBuf], memory: &Path) -> String {
    let lower: Vec<_> = lower.iter().rev().map(|path| path.display().to_string()).collect();
    let (lower, memory) = (lower.join(":"), memory.display());
    format!("lowerdir={lower},upperdir={memory}/upper,workdir={memory}/work")
}

/// Whether there is something to hand over to is asked while there is a way back.
fn check_init() -> Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, ROOT, flags, Mode::empty()).on("open", ROOT)?;
    openat2(&root, INIT, flags, Mode::empty(), ResolveFlags::IN_ROOT).map(drop).on("find", INIT)
}

/// Binds all state; returns the mounts in the new root. What the disk cannot keep is in memory,
/// and `found` says so.
fn bind_state(
    boot: &Boot,
    config: &Config,
    found: &mut Filesystem,
    log: &Log,
    watchdog: &mut Watchdog,
) -> Result<Vec<units::Mount>> {
    let home = match (&boot.data, &found.read_only) {
        (Data::Iso(_), _) => state::directory(Path::new(MEMORY))?,
        (Data::Ext4(_), Some(_)) => data::state_over_memory(log)?,
        (Data::Ext4(_), None) => state::directory(Path::new(DATA))?,
    };
    let roots = state::Roots::open(Path::new(ROOT), &home)?;
    if let Err(error) = roots.clear_unfinished(&config.state) {
        log.warning(Chain(&error));
    }
    let mut mounts = Vec::new();
    for state in &config.state {
        watchdog.beat_in_time();
        let (bound, what) = match roots.bind(state, log, watchdog) {
            Ok(bound) => (bound, format!("{EXPOSED}/state/{}", state.at)),
            // The bootloader has a generation that may do better.
            Err(error) if boot.trial => return Err(error),
            Err(error) => {
                let why = Chain(&error).to_string();
                log.fatal(format_args!(
                    "{} is in memory and lost at the next boot: {why}",
                    state.path
                ));
                found.in_memory.push(InMemory { path: state.path.clone(), why });
                let home = state::directory(Path::new(MEMORY))?;
                let bound =
                    state::Roots::open(Path::new(ROOT), &home)?.bind(state, log, watchdog)?;
                (bound, format!("{EXPOSED_MEMORY}/state/{}", state.at))
            }
        };
        if bound.made {
            log.info(format_args!("new state for {}", state.path));
        }
        mounts.push(units::Mount { place: bound.place, what, bound: true });
    }
    if found.read_only.is_none() {
        say_unused(&home, config, log);
    }
    Ok(mounts)
}

/// What a generation no longer declares is the owner's to remove.
fn say_unused(home: &Path, config: &Config, log: &Log) {
    match generation::unused(home, &config.state) {
        Ok(unused) => {
            for name in unused {
                let name = name.escape_debug();
                log.info(format_args!("state {name} is not used by this generation; it is kept"));
            }
        }
        Err(error) => log.warning(Chain(&error)),
    }
}

/// The new root's /run: systemd keeps what it finds there.
fn mount_run() -> Result<PathBuf> {
    let run = Path::new(ROOT).join("run");
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", &run, "tmpfs", flags, c"mode=0755,size=20%").on("mount", &run)?;
    Ok(run)
}

/// Leaves in /run what the agent needs: the digest that was booted, what was wrong with the data
/// filesystem, that filesystem and the memory with what was written since; these two only root may
/// enter.
fn expose(run: &Path, generation: Digest, found: &Filesystem) -> Result<()> {
    let here = make_directory(&run.join("heirloom"))?;
    let name = here.join("generation");
    fs::write(&name, format!("{generation}\n")).on("write", &name)?;
    if !found.is_well() {
        let name = here.join(Filesystem::NAME);
        fs::write(&name, found.to_bytes()).on("write", &name)?;
    }
    for (from, name) in [(DATA, "data"), (MEMORY, "memory")] {
        let place = make_directory(&here.join(name))?;
        mount_move(from, &place).on("move to", &place)?;
    }
    Ok(())
}

pub(crate) fn make_directory(path: &Path) -> Result<PathBuf, Error> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).on("make", path)?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_layer_of_the_manifest_is_the_upmost() {
        let lower = ["/layers/1", "/layers/2"].map(PathBuf::from);
        assert_eq!(
            overlay_options(&lower, Path::new("/memory")),
            "lowerdir=/layers/2:/layers/1,upperdir=/memory/upper,workdir=/memory/work"
        );
    }
}
