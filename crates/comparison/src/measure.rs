//! One row: locked, built, compared, built again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use comparison::results::{Answer, Row as Measured};
use comparison::survey::Survey;
use comparison::{allowed, apt, boot, difference, forms, list};
use definition::DistributionName;
use digest::Digest;
use jiff::tz::TimeZone;
use lock::{Lock, Request};
use pipeline::{Session, first_boot, locking};
use rootfs::{debian, packages};
use sandbox::Group;

use super::Column;
use super::error_text::{lines, whole};

/// A row, and what is to be found out of it.
pub(crate) struct Measure<'a> {
    pub(crate) session: &'a Session,
    pub(crate) list: &'a list::List,
    pub(crate) name: &'a str,
    pub(crate) row: &'a list::Row,
    pub(crate) recommends: bool,
    pub(crate) columns: &'a [Column],
    pub(crate) again: bool,
}

/// The architecture that is measured.
const ARCHITECTURE: &str = "amd64";

impl Measure<'_> {
    /// What came of it; `None` if `before` has all of it already.
    pub(crate) fn run(&self, before: Option<&Measured>) -> Result<Option<Measured>> {
        let start = Instant::now();
        let key = self.key()?;
        let mut measured = match before {
            Some(before) if before.key == key && !self.again => before.clone(),
            _ => Measured::new(self.name, self.recommends, key),
        };
        let is_no = |answer: &Option<Answer>| answer.as_ref().is_some_and(|it| !it.holds);
        if is_no(&measured.locked) {
            return Ok(None);
        }
        let subject = format!("{} {}", self.list.suite, self.name);
        let lock = match locking::of_request(&self.session.store, &subject, self.request()) {
            Ok(lock) => lock,
            Err(error) => {
                measured.locked = Some(Answer::of(lines(&error)));
                return Ok(Some(measured));
            }
        };
        let own = first_boot::of_packages(DistributionName::Debian, &lock)?;
        let own = rootfs::first_boot::taken_out(&own);
        let digest = Digest::of(own.join("\n"));
        if measured.own != Some(digest) {
            measured = Measured::new(self.name, self.recommends, measured.key);
            measured.own = Some(digest);
        }
        let has = |column: &Column| match column {
            Column::Locked => measured.locked.is_some(),
            Column::Built => measured.built.is_some(),
            Column::Equal => measured.equal.is_some() && measured.judged == Some(tables()),
            Column::Verified => measured.verified.is_some(),
            Column::Booted => measured.booted.is_some(),
        };
        // Of what could not be built there is no more to find out.
        if is_no(&measured.built) || self.columns.iter().all(has) {
            return Ok(None);
        }
        self.find_out(&lock, &own, &mut measured)?;
        let answers = [
            &measured.locked,
            &measured.built,
            &measured.equal,
            &measured.verified,
            &measured.booted,
        ];
        let words = answers.map(|answer| match answer {
            None => "not run",
            Some(answer) if answer.holds => "yes",
            Some(_) => "no",
        });
        let with = if self.recommends { "with" } else { "without" };
        progress::done(
            "Measured",
            format!(
                "{} {}, {with} Recommends: locked {}, built {}, equal {}, verified {}, booted {}; \
                 {:.0} s",
                self.list.suite,
                self.name,
                words[0],
                words[1],
                words[2],
                words[3],
                words[4],
                start.elapsed().as_secs_f64(),
            ),
        );
        Ok(Some(measured))
    }

    /// Of what a row's answers are a function, besides what of its packages is made at first boot.
    fn key(&self) -> Result<Digest> {
        let tools = self.session.tools()?.key(Group::Mmdebstrap)?;
        let mut hasher = digest::Hasher::new();
        hasher.update(
            format!(
                "{} {:?} {} {} {tools}",
                self.request().digest(),
                self.row.debconf,
                debian::VERSION,
                apt::VERSION,
            )
            .as_bytes(),
        );
        Ok(hasher.finish())
    }

    fn request(&self) -> Request {
        Request::Debian(self.list.request(self.row, ARCHITECTURE, self.recommends))
    }

    fn find_out(&self, lock: &Lock, own: &[String], measured: &mut Measured) -> Result<()> {
        let wants = |column| self.columns.contains(&column);
        measured.locked = Some(Answer::of(vec![]));
        measured.packages = lock.packages.len() as u64;
        if self.columns == [Column::Locked] {
            return Ok(());
        }
        let folder = self.folder(lock);
        let (first, second) = (folder.join("first"), folder.join("second"));
        let digest = Digest::of(own.join("\n"));
        let kept = folder.join(format!("ours-{}-{}.json.zst", debian::VERSION, digest.short()));
        let is_built = measured.built.as_ref().is_some_and(|answer| answer.holds);
        let verify = wants(Column::Verified) && measured.verified.is_none();
        if self.again || verify || !is_built || !kept.exists() {
            self.session.store.fetch(&lock.items())?;
            measured.built = Some(match self.build(lock, own, &first) {
                Ok(()) => Answer::of(vec![]),
                Err(error) => {
                    // Whole: of a script that fails, the commands are shown.
                    fs::write(folder.join("error.txt"), whole(&error))?;
                    Answer::of(lines(&error))
                }
            });
            if first.join(packages::TREE).exists() {
                Survey::of_tar(&first.join(packages::TREE))?.write(&kept)?;
            }
        }
        let is_built = measured.built.as_ref().is_some_and(|answer| answer.holds);
        if is_built && wants(Column::Equal) {
            measured.equal = Some(self.compare(lock, own, &kept, &folder)?);
            measured.judged = Some(tables());
        }
        if is_built && verify {
            measured.verified = Some(match self.build_again(lock, own, &second) {
                Ok(()) => Answer::of(differences(&first, &second)?),
                Err(error) => Answer::of(lines(error.as_ref())),
            });
        }
        if is_built && wants(Column::Booted) && measured.booted.is_none() {
            match self.boot(&folder) {
                Ok(failed) => {
                    measured.failed = Some(failed.iter().map(boot::Failed::last).collect());
                    measured.judge_boot(&self.row.fails);
                }
                Err(error) => measured.booted = Some(Answer::of(lines(error.as_ref()))),
            }
        }
        for done in [first, second] {
            if done.exists() {
                fs::remove_dir_all(&done)?;
            }
        }
        Ok(())
    }

    /// Where what is made on the way lies.
    fn folder(&self, lock: &Lock) -> PathBuf {
        let root = self.session.cache.root().join("comparison");
        root.join(format!("{}-{}-{}", self.list.suite, self.name, lock.packages_digest().short()))
    }

    fn job(&self, lock: &Lock, own: &[String], out: &Path) -> debian::Packages {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let job = debian::Packages::of(lock, &self.session.store, epoch(lock), threads, out);
        debian::Packages { debconf: self.row.debconf.clone(), own: own.to_vec(), ..job }
    }

    fn build(&self, lock: &Lock, own: &[String], out: &Path) -> Result<(), sandbox::Error> {
        let _ = fs::create_dir_all(out);
        let _shown = progress::spinner("Building", format!("{} packages", lock.packages.len()));
        sandbox::in_namespace(&self.job(lock, own, out)).map(drop)
    }

    /// Builds in a process of its own, which has other surroundings.
    fn build_again(&self, lock: &Lock, own: &[String], out: &Path) -> Result<()> {
        fs::create_dir_all(out)?;
        let described = out.join("job.json");
        fs::write(&described, serde_json::to_vec(&self.job(lock, own, out))?)?;
        let _shown = progress::spinner("Building", "again, in other surroundings");
        // This very file, also when another has taken its name since.
        let output = Command::new("/proc/self/exe")
            .arg("--build")
            .arg(&described)
            .current_dir("/usr")
            .envs([("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("HOME", "/nowhere")])
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{said}");
        Ok(())
    }

    /// The units that fail, of a server with these packages. In a process of its own: a testbed
    /// has another program for the sandbox.
    fn boot(&self, folder: &Path) -> Result<Vec<boot::Failed>> {
        fs::create_dir_all(folder)?;
        let described = folder.join("server.toml");
        fs::write(&described, boot::definition(self.list, self.row, self.recommends))?;
        let _shown = progress::spinner("Booting", "a server with these packages");
        let output = Command::new("/proc/self/exe").arg("--boot").arg(&described).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{said}");
        // What they said, for people who look into it.
        fs::write(folder.join("failed.json"), &output.stdout)?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn compare(&self, lock: &Lock, own: &[String], ours: &Path, folder: &Path) -> Result<Answer> {
        let answers = Digest::of(format!("{:?}", self.row.debconf));
        let apts = folder.join(format!("apt-{}-{}.json.zst", apt::VERSION, answers.short()));
        if !apts.exists() {
            let tools = self.session.tools()?.root(Group::Mmdebstrap)?;
            let part = folder.join("apt.part");
            let job = apt::Apt {
                suite: self.list.suite.clone(),
                files: self.job(lock, own, folder).files,
                store: self.session.store.cache_dir().join("store"),
                debconf: self.row.debconf.clone(),
                tools: tools.path().to_owned(),
                epoch: epoch(lock),
                out: part.clone(),
            };
            let _shown = progress::spinner("Installing", "the same packages with apt");
            if let Err(error) = sandbox::in_namespace(&job) {
                return Ok(Answer::of(lines(&error)));
            }
            fs::rename(part, &apts)?;
        }
        let compared =
            difference::compare(&Survey::read(ours)?, &Survey::read(&apts)?.without(own));
        progress::detail("Allowed", format!("{} differences", compared.allowed.len()));
        Ok(Answer::of(compared.open.iter().map(ToString::to_string).collect()))
    }
}

/// What differs between two builds.
fn differences(one: &Path, other: &Path) -> Result<Vec<String>> {
    let [one, other] = [one, other].map(|folder| folder.join(packages::TREE));
    let digest =
        |path: &Path| -> Result<Digest> { Ok(Digest::of_reader(fs::File::open(path)?)?.0) };
    if digest(&one)? == digest(&other)? {
        return Ok(vec![]);
    }
    let (one, other) = (Survey::of_tar(&one)?, Survey::of_tar(&other)?);
    let mut lines: Vec<String> =
        difference::differences(&one, &other).iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        lines.push("times, ids or the order of lines".to_owned());
    }
    Ok(lines.into_iter().map(|line| line.replace("apt's", "the second's")).collect())
}

/// Builds the tree that a file describes, in surroundings that must not matter to it.
pub(crate) fn build_elsewhere(job: &Path) -> Result<()> {
    let job: debian::Packages = serde_json::from_slice(&fs::read(job)?)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let mut one = rustix::thread::CpuSet::new();
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
    one.set(first.context("no processor is allowed")?);
    rustix::thread::sched_setaffinity(None, &one)?;
    sandbox::set_scratch_on_disk();
    sandbox::in_namespace(&job)?;
    Ok(())
}

/// What trees are judged by.
fn tables() -> Digest {
    Digest::of(format!("{:?} {:?}", forms::FORMS, allowed::ALLOWED))
}

fn epoch(lock: &Lock) -> u64 {
    let midnight = lock.date.to_zoned(TimeZone::UTC).map(|day| day.timestamp().as_second());
    midnight.ok().and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default()
}
