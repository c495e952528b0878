//! The indexes of a suite: the signed `InRelease`, and the lists of packages that it vouches for.

use std::io::Read;

use digest::Digest;
use jiff::Timestamp;
use jiff::civil::Date;
use lock::debian::Request;
use lock::{Index, Lock};
use store::Item;

use super::release::Release;
use super::signature::Keyring;
use super::suite::{Of, Suite};
use crate::error::{Error, WhyNot};
use crate::files::Files;

/// No list of packages is larger when unpacked: bookworm's are 50 MB.
const LARGEST: u64 = 1 << 30;

/// A suite as it stood on a day.
#[derive(Debug)]
pub(crate) struct SuiteIndex {
    pub(crate) suite: Suite,
    pub(crate) release: Release,
    /// The digest of `InRelease`.
    pub(crate) sha256: Digest,
    /// The lists of packages, by architecture in the order of the request, then by component.
    pub(crate) lists: Vec<List>,
}

/// A `Packages` file.
#[derive(Debug)]
pub(crate) struct List {
    /// Its path below the suite.
    pub(crate) file: String,
    pub(crate) architecture: String,
    pub(crate) text: String,
}

impl SuiteIndex {
    /// Finds an index that may stand for the request's day, and reads its lists.
    pub(crate) fn load(
        files: &dyn Files,
        keyring: &Keyring,
        suite: Suite,
        components: &[String],
        request: &Request,
        previous: Option<&Lock>,
    ) -> Result<Self, Error> {
        let path = suite.path("InRelease");
        let accept = |bytes: &[u8]| accept(keyring, &suite, request.date, previous, bytes);
        // Where there are no days, what there is now counts.
        let known = previous
            .filter(|lock| lock.date == request.date && suite.of != (Of::Extra { dated: false }))
            .and_then(|lock| lock.indexes.iter().find(|index| suite.is_of(index)))
            .and_then(|index| files.kept(index.sha256))
            .and_then(|bytes| accept(&bytes).ok());
        let (release, sha256) = match known {
            // The index that the lock was made from is its day's, whatever mirrors have by now.
            Some(known) => known,
            None => {
                let mut found = None;
                let mut refusals = Vec::new();
                let asked = files.find(&suite.source, &path, request.date, &mut |bytes| {
                    let accepted = accept(bytes).map_err(|why| {
                        let text = why.to_string();
                        refusals.push(why);
                        text
                    })?;
                    found = Some((accepted, bytes.to_vec()));
                    Ok(())
                });
                match (asked, found) {
                    (Ok(()), Some((accepted, bytes))) => {
                        let keep = files.keep(&bytes);
                        keep.map_err(|source| Error::Fetch { what: path, source })?;
                        accepted
                    }
                    (asked, _) => {
                        let source = asked.err().unwrap_or_else(|| "no source has one".into());
                        let (place, date) = (suite.place.clone(), request.date);
                        let suite = suite.shown().to_owned();
                        return Err(Error::NoIndex { place, suite, date, refusals, source });
                    }
                }
            }
        };
        let mut lists = Vec::new();
        for architecture in &request.architectures {
            for component in components {
                let text = list(files, &suite, &release, component, architecture, request.date)?;
                lists.push(text);
            }
        }
        Ok(Self { suite, release, sha256, lists })
    }

    /// The record of it that a lock keeps.
    pub(crate) fn record(&self) -> Index {
        let (suite, archive) = (self.suite.name.clone(), self.suite.beside());
        Index { suite, signed: self.release.date, sha256: self.sha256, archive }
    }

    /// Whether it is what is meant by `package/NAME`: its codename or its suite, as for apt.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        if self.suite.of != Of::Distribution {
            return self.suite.archive == name;
        }
        [&self.suite.name, &self.release.codename, &self.release.suite].iter().any(|n| *n == name)
    }
}

fn accept(
    keyring: &Keyring,
    suite: &Suite,
    day: Date,
    previous: Option<&Lock>,
    bytes: &[u8],
) -> Result<(Release, Digest), WhyNot> {
    let undated = suite.of == Of::Extra { dated: false };
    let now = undated.then(Timestamp::now);
    let text = keyring.verify_at(bytes, now)?;
    let release = Release::parse(&text).map_err(|error| WhyNot::Malformed(error.to_string()))?;
    if !release.is_of(suite) {
        return Err(WhyNot::OtherSuite(release.codename));
    }
    if let Some(until) = release.valid_until {
        // On its last day it may still be the newest that there is.
        let run_out = match now {
            Some(now) => until < now,
            None => until.to_zoned(jiff::tz::TimeZone::UTC).date() < day,
        };
        if run_out {
            return Err(WhyNot::Expired(until));
        }
    }
    if !undated && !release.stands_for(day) {
        let signed = release.date.to_zoned(jiff::tz::TimeZone::UTC).date();
        return Err(WhyNot::TooNew(signed));
    }
    let seen = previous
        .filter(|lock| day >= lock.date)
        .and_then(|lock| lock.indexes.iter().find(|index| suite.is_of(index)));
    match seen {
        Some(seen) if release.date < seen.signed => {
            Err(WhyNot::Replayed { found: release.date, locked: seen.signed })
        }
        _ => Ok((release, Digest::of(bytes))),
    }
}

fn list(
    files: &dyn Files,
    suite: &Suite,
    release: &Release,
    component: &str,
    architecture: &str,
    date: Date,
) -> Result<List, Error> {
    let folder = format!("{component}/binary-{architecture}");
    let forms = ["Packages.xz", "Packages.gz", "Packages"].map(|form| format!("{folder}/{form}"));
    let listed = forms.iter().find_map(|file| Some((file, release.file(file)?)));
    let Some((file, (digest, size))) = listed else {
        return Err(Error::NoComponent {
            place: suite.place.clone(),
            suite: suite.shown().to_owned(),
            component: component.to_owned(),
            architecture: architecture.to_owned(),
        });
    };
    let item = Item {
        digest,
        size,
        name: format!("{} {file}", suite.shown()),
        archive: suite.source.clone(),
        path: suite.path(file),
        date,
    };
    let bytes =
        files.file(&item).map_err(|source| Error::Fetch { what: suite.path(file), source })?;
    let wrong =
        |what: String| Error::Index { suite: suite.shown().to_owned(), file: file.clone(), what };
    let text = match file.rsplit_once('.') {
        Some((_, "xz")) => unpacked(liblzma::read::XzDecoder::new_multi_decoder(&*bytes)),
        Some((_, "gz")) => unpacked(flate2::read::MultiGzDecoder::new(&*bytes)),
        _ => Ok(bytes),
    };
    let text = text.map_err(wrong)?;
    let text = String::from_utf8(text).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    Ok(List { file: file.clone(), architecture: architecture.to_owned(), text })
}

fn unpacked(packed: impl Read) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read =
        packed.take(LARGEST + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if read as u64 > LARGEST {
        return Err(format!("it is larger than {LARGEST} bytes when unpacked"));
    }
    Ok(text)
}
