//! The day of a build in a finished tree: two builds have it in common, so that comparing them does
//! not find it.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rootfs::tarball::{self, Header, Kind};

const DAY: i64 = 86_400;

/// The places of a tree that have the day on which it was built, or today's. Files that are as
/// their packages brought them, and so keep an older time than the lock's, cannot have it.
pub(crate) fn dated(tar: &Path, epoch: u64) -> io::Result<Vec<String>> {
    let built = Timestamp::try_from(tar.metadata()?.modified()?).map_err(io::Error::other)?;
    let days = [built, Timestamp::now()].map(|time| time.as_second().div_euclid(DAY));
    // On the lock's own day every tree has it, rightly.
    let own = epoch as i64 / DAY;
    let spelt: Vec<Spelt> = days.into_iter().filter(|day| *day != own).map(Spelt::new).collect();
    let mut found = Vec::new();
    tarball::read(BufReader::new(File::open(tar)?), |header: Header, content| -> io::Result<()> {
        if matches!(header.kind, Kind::File(_)) && header.mtime == epoch as i64 {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            let texts = spelt.iter().filter_map(|spelt| spelt.find(&bytes));
            found.extend(texts.map(|text| format!("{}: {text}", header.shown())));
        }
        Ok(())
    })?;
    found.dedup();
    Ok(found)
}

/// Tells whether what comes behind a word makes a day of it.
type Behind = fn(&[u8]) -> bool;

/// A day in the spellings that programs have for it.
struct Spelt {
    /// Whatever stands around them.
    texts: Vec<String>,
    /// With no letter or digit around them, each with what must come behind.
    words: Vec<(String, Behind)>,
    /// The seconds since 1970 that the day has.
    first: i64,
}

impl Spelt {
    fn new(day: i64) -> Self {
        let zoned = TimeZone::UTC.to_datetime(Timestamp::UNIX_EPOCH) + jiff::Span::new().days(day);
        let date: Date = zoned.date();
        let spelt = |format: &str| date.strftime(format).to_string();
        Self {
            texts: vec![
                format!(":{day}:"), // shadow(5)
                spelt("%Y-%m-%d"),
                spelt("%Y/%m/%d"),
                spelt("%b %e, %Y"),
                spelt("%d %b %Y"),
                spelt("%B %-d, %Y"),
            ],
            words: vec![
                (spelt("%Y%m%d"), |_| true),
                // As date(1), ctime(3) and syslog have it, with the time behind.
                (spelt("%b %e "), |rest| {
                    rest.len() > 2 && rest[..2].iter().all(u8::is_ascii_digit) && rest[2] == b':'
                }),
            ],
            first: day * DAY,
        }
    }

    /// What of it stands in a file.
    fn find(&self, bytes: &[u8]) -> Option<String> {
        let text = self.texts.iter().find(|text| positions(bytes, text).next().is_some());
        let word = self.words.iter().find(|(word, is_rest)| {
            positions(bytes, word).any(|at| {
                let rest = &bytes[at + word.len()..];
                let ends = word.ends_with(' ') || !continues(rest.first());
                ends && is_rest(rest) && !continues(at.checked_sub(1).map(|at| &bytes[at]))
            })
        });
        text.cloned().or_else(|| Some(word?.0.clone())).or_else(|| self.seconds(bytes))
    }

    /// Seconds since 1970, in a number of ten digits or with more behind them.
    fn seconds(&self, bytes: &[u8]) -> Option<String> {
        let numbers = bytes.split(|byte| !byte.is_ascii_alphanumeric());
        let digits = numbers.filter(|number| {
            [10, 13, 16, 19].contains(&number.len()) && number.iter().all(u8::is_ascii_digit)
        });
        digits
            .filter_map(|number| std::str::from_utf8(number).ok())
            .find(|number| {
                let seconds = number[..10].parse::<i64>();
                seconds.is_ok_and(|seconds| (self.first..self.first + DAY).contains(&seconds))
            })
            .map(str::to_owned)
    }
}

fn continues(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_alphanumeric)
}

/// Where a text stands in a file.
fn positions<'b>(bytes: &'b [u8], text: &'b str) -> impl Iterator<Item = usize> + 'b {
    let text = text.as_bytes();
    let first = text[0];
    let starts = bytes.iter().enumerate().filter(move |(_, byte)| **byte == first);
    starts.map(|(at, _)| at).filter(move |at| bytes[*at..].starts_with(text))
}

/// That a day is found in each of its spellings, and another day is not.
pub(crate) fn spellings() -> Result<(), libtest_mimic::Failed> {
    // 26 November 2026.
    let spelt = Spelt::new(20_783);
    for text in [
        "root:*:20783:0:99999:7:::",
        "on 2026-11-26T09:00",
        "build 20261126",
        "Thu Nov 26 09:19:23 UTC 2026",
        "Nov 26, 2026",
        "Thu, 26 Nov 2026",
        "November 26, 2026",
        "%INSTALLDATE%\n1795684763\n",
        "TIMESTAMP_NSEC=1795684763000000000",
    ] {
        assert!(spelt.find(text.as_bytes()).is_some(), "{text}");
    }
    for text in [
        "root:*:20779:0:99999:7:::",
        "2026-11-22",
        "a20261126",
        "Nov 26 is no day",
        "1795305600",
        "f1795684763",
    ] {
        assert_eq!(spelt.find(text.as_bytes()), None, "{text}");
    }
    // A day of one digit is padded.
    assert!(Spelt::new(20_789).find(b"Dec  2 09:19:23 server x").is_some());
    Ok(())
}
