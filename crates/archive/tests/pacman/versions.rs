//! The order of versions.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;

use libtest_mimic::Failed;
use lock::arch::compare;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::pacman::{Pacman, database};

pub(crate) fn versions_of_the_databases_are_ordered_as_pacman_orders_them() -> Result<(), Failed> {
    let mut versions: Vec<String> = versions().into_iter().collect();
    versions.sort_by(|a, b| compare(a, b));
    let mut pairs: Vec<_> = versions.windows(2).map(|w| (w[0].clone(), w[1].clone())).collect();
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    for _ in 0..4000 {
        let mut any = || versions.choose(&mut random).unwrap().clone();
        pairs.push((any(), any()));
    }
    agree(&pairs)
}

pub(crate) fn odd_versions_are_ordered_as_pacman_orders_them() -> Result<(), Failed> {
    let mut odd: Vec<String> = [
        "0",
        "00",
        "1",
        "01",
        "1.",
        ".1",
        "1..1",
        "1.1",
        "1_1",
        "1-1",
        "1-",
        "-1",
        "1-1-1",
        "1:",
        ":1",
        "0:1",
        "1:1",
        "01:1",
        "a:1",
        "1.a",
        "1a",
        "a1",
        "a",
        "alpha",
        "1.0rc",
        "1.0.rc",
        "1.0+rc",
        "1.0~rc",
        "1.0",
        "1.0.",
        "1.0-a",
        "1.0-1.1",
        "1.0-10",
        "18446744073709551616",
        "18446744073709551617",
        "1:2:3",
        "r1",
        "r10",
        "r9",
        "1.é",
        "+",
        "~",
        "1+",
        "1~1",
        "1.0.0.a",
    ]
    .map(str::to_owned)
    .to_vec();
    // What chance makes of the characters that matter.
    let mut random = rand::rngs::StdRng::seed_from_u64(2);
    for _ in 0..120 {
        let length = random.gen_range(1..8);
        odd.push(
            (0..length).map(|_| *b"0129aZ.-_:+~".choose(&mut random).unwrap() as char).collect(),
        );
    }
    let mut pairs = Vec::new();
    for (at, one) in odd.iter().enumerate() {
        pairs.extend(odd[at..].iter().map(|other| (one.clone(), other.clone())));
    }
    agree(&pairs)
}

fn agree(pairs: &[(String, String)]) -> Result<(), Failed> {
    let mut text = String::new();
    for pairs in pairs.chunks(2000) {
        for ((one, other), pacman) in pairs.iter().zip(Pacman::shared()?.compare(pairs)?) {
            let ours = compare(one, other);
            if ours != pacman {
                writeln!(text, "{one:?} {other:?}: pacman says {pacman:?}, we say {ours:?}")
                    .unwrap();
            }
        }
    }
    if text.is_empty() { Ok(()) } else { Err(text.into()) }
}

/// All versions of the databases, those in relations too.
fn versions() -> BTreeSet<String> {
    let mut versions = BTreeSet::new();
    for repository in ["core", "extra"] {
        let packed = std::fs::File::open(database(repository)).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
        for file in archive.entries().unwrap() {
            let mut text = String::new();
            file.unwrap().read_to_string(&mut text).unwrap();
            let mut lines = text.lines();
            while let Some(line) = lines.next() {
                match line {
                    "%VERSION%" => versions.extend(lines.next().map(str::to_owned)),
                    "%DEPENDS%" | "%PROVIDES%" | "%CONFLICTS%" | "%REPLACES%" => {
                        let relations = lines.by_ref().take_while(|line| !line.is_empty());
                        versions.extend(relations.filter_map(|relation| {
                            let at = relation.find(['<', '>', '='])?;
                            let version = relation[at..].trim_start_matches(['<', '>', '=']);
                            Some(version.to_owned())
                        }));
                    }
                    _ => {}
                }
            }
        }
    }
    versions
}
