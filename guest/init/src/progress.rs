//! What a trial leaves behind in case it never returns ([`generation::progress`]).
//!
//! Each step is on the disk before the next begins, so after a reset the agent of the generation
//! that was fallen back to can say how far this one came. It is a record and no more: what cannot
//! be written is said, and the server boots all the same.

use std::path::{Path, PathBuf};

use digest::Digest;
use generation::cmdline::{Boot, Data};
use generation::{Chain, Progress, Step};

use crate::error::Error;
use crate::log::Log;
use crate::root::{DATA, EXPOSED, ROOT};

/// The steps of one try to boot.
pub(crate) struct Trail<'a> {
    log: &'a Log,
    /// The generation on trial; nothing where no trail is left.
    generation: Option<Digest>,
    /// The last step that was reached.
    last: Option<Step>,
    /// Where the data filesystem can be: it moves with the root.
    places: Vec<PathBuf>,
}

impl<'a> Trail<'a> {
    /// The trail of a boot, which is none unless it is a trial from a medium that can be written.
    pub(crate) fn of(boot: &Boot, log: &'a Log) -> Self {
        let exposed = PathBuf::from(format!("{ROOT}{EXPOSED}"));
        let places = vec![PathBuf::from(DATA), exposed, PathBuf::from(EXPOSED)];
        let writable = matches!(boot.data, Data::Ext4(_));
        let generation = (boot.trial && writable).then_some(boot.generation);
        Self { log, generation, last: None, places }
    }

    /// Records that `step` is done.
    pub(crate) fn reached(&mut self, step: Step) {
        self.last = Some(step.clone());
        if let Some(generation) = self.generation {
            self.leave(&Progress::new(generation, step));
        }
    }

    /// Records why the boot does not get further. Before the data filesystem is mounted there is
    /// nowhere to leave it.
    pub(crate) fn failed(&self, error: &Error) {
        if let (Some(generation), Some(step)) = (self.generation, self.last.clone()) {
            self.leave(&Progress::new(generation, step).failed(&Chain(error).to_string()));
        }
    }

    fn leave(&self, progress: &Progress) {
        let written = match self.imgs() {
            Some(imgs) => progress.write(&imgs).map_err(|error| Chain(&error).to_string()),
            None => Err("the data filesystem has no imgs".into()),
        };
        if let Err(why) = written {
            self.log.warning(format_args!("progress is not recorded: {why}"));
        }
    }

    fn imgs(&self) -> Option<PathBuf> {
        self.places.iter().map(|place| place.join("imgs")).find(|imgs| Path::is_dir(imgs))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn boot() -> Boot {
        let uuid = "0f1e2d3c-4b5a-8978-8695-a4b3c2d1e0f0";
        Boot { generation: Digest::of("m"), data: Data::Ext4(uuid.into()), trial: true }
    }

    /// A trail at the places `names` of a directory; the first has a data filesystem.
    fn trail<'a>(boot: &Boot, log: &'a Log, directory: &Path, names: &[&str]) -> Trail<'a> {
        fs::create_dir_all(directory.join(names[0]).join("imgs")).unwrap();
        let places = names.iter().map(|name| directory.join(name)).collect();
        Trail { places, ..Trail::of(boot, log) }
    }

    fn left(directory: &Path, name: &str) -> Option<Progress> {
        Progress::read(&directory.join(name).join("imgs")).unwrap()
    }

    #[test]
    fn each_step_is_left_and_the_reason_why_it_was_the_last() {
        let (temporary, log) = (tempfile::tempdir().unwrap(), Log::nowhere());
        let mut trail = trail(&boot(), &log, temporary.path(), &["data"]);
        let generation = boot().generation;
        for step in [Step::Data, Step::Manifest, Step::Layer(1)] {
            trail.reached(step.clone());
            assert_eq!(left(temporary.path(), "data"), Some(Progress::new(generation, step)));
        }
        let error = Error::State { path: "/x".into(), why: "is gone".into() };
        trail.failed(&error);
        let progress = left(temporary.path(), "data").unwrap();
        assert_eq!(progress.step, Step::Layer(1));
        assert_eq!(progress.error.as_deref(), Some("state /x: is gone"));
    }

    #[test]
    fn it_follows_the_data_filesystem_into_the_new_root() {
        let (temporary, log) = (tempfile::tempdir().unwrap(), Log::nowhere());
        let mut trail = trail(&boot(), &log, temporary.path(), &["data", "newroot"]);
        trail.reached(Step::State);
        fs::rename(temporary.path().join("data"), temporary.path().join("newroot")).unwrap();
        fs::create_dir(temporary.path().join("data")).unwrap();
        trail.reached(Step::Handover);
        assert_eq!(left(temporary.path(), "newroot").unwrap().step, Step::Handover);
    }

    #[test]
    fn only_a_trial_on_a_disk_leaves_anything() {
        for other in [
            Boot { trial: false, ..boot() },
            Boot { data: Data::Iso("MAILSERVER".into()), ..boot() },
        ] {
            let (temporary, log) = (tempfile::tempdir().unwrap(), Log::nowhere());
            let mut trail = trail(&other, &log, temporary.path(), &["data"]);
            trail.reached(Step::Data);
            trail.failed(&Error::State { path: "/x".into(), why: "is gone".into() });
            assert_eq!(left(temporary.path(), "data"), None);
        }
    }

    #[test]
    fn a_disk_that_takes_nothing_stops_nothing() {
        let (temporary, log) = (tempfile::tempdir().unwrap(), Log::nowhere());
        let mut trail = trail(&boot(), &log, temporary.path(), &["data"]);
        fs::remove_dir(temporary.path().join("data/imgs")).unwrap();
        trail.failed(&Error::State { path: "/x".into(), why: "nothing was reached".into() });
        trail.reached(Step::Data);
    }
}
