//! Surroundings that no image may depend on, put on by the second build of `verify`.

use rustix::fs::Mode;
use rustix::thread::CpuSet;

/// Another umask, one processor, package trees on disk.
pub(crate) fn make_strange() -> anyhow::Result<()> {
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    if let Some(first) = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)) {
        one.set(first);
        rustix::thread::sched_setaffinity(None, &one)?;
    }
    sandbox::set_scratch_on_disk();
    Ok(())
}
