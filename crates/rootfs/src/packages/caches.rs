//! Caches that packages' scripts make, and that fit only the times and the clock of the build:
//! made again for the times that the image has.

use std::path::Path;
use std::time::{Duration, SystemTime};

use sandbox::RootCommand;
use sha1::{Digest as _, Sha1};
use unpack::Inside;

use crate::error::Error;

/// Makes each cache of the tree what it would be on a server that has the image.
pub(crate) fn refresh(tree: &Path, inside: &Inside, epoch: u64) -> Result<(), Error> {
    fonts(tree, inside, epoch)?;
    haskell(tree, inside, epoch)?;
    java(inside, epoch)
}

/// What GHC knows of installed libraries, as Debian has it.
const HASKELL: &str = "var/lib/ghc/package.conf.d";

/// Makes GHC's cache of its libraries anew. `ghc-pkg recache` writes them in the order in which the
/// directory has its files, which is the file system's; registered one by one, they come in the
/// order of their names.
fn haskell(tree: &Path, inside: &Inside, epoch: u64) -> Result<(), Error> {
    let program = "usr/bin/ghc-pkg";
    if !inside.has(program) || !inside.has(format!("{HASKELL}/package.cache")) {
        return Ok(());
    }
    let script = format!(
        "cd /{HASKELL}\nghc-pkg init /tmp/ghc\nfor library in *.conf; do\n\
         ghc-pkg --global-package-db=/tmp/ghc --global --force -v0 update \"$library\"\n\
         done\ncat /tmp/ghc/package.cache > package.cache\n"
    );
    let command = RootCommand::new(tree, "/bin/sh").args(["-ec", &script]).epoch(epoch);
    command.run().map(drop).map_err(|source| Error::Program {
        doing: "cannot make GHC's cache of libraries".to_owned(),
        source: Box::new(source),
    })
}

/// The directories of fonts.conf(5), as Debian and Arch have it.
const FONTS: [&str; 3] = ["usr/share/fonts", "usr/local/share/fonts", "usr/share/X11/fonts"];

/// fontconfig's caches hold the times of directories, and are stale where these are others: every
/// program that looks for a font would then read all fonts and write the cache anew.
fn fonts(tree: &Path, inside: &Inside, epoch: u64) -> Result<(), Error> {
    let program = "usr/bin/fc-cache";
    if !inside.has(program) || !inside.has("var/cache/fontconfig") {
        return Ok(());
    }
    // In the image each directory has the epoch as its time.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
    for directory in FONTS {
        set_times(inside, directory, time)?;
    }
    let command = RootCommand::new(tree, Path::new("/").join(program)).args(["-s", "-f"]);
    command.epoch(epoch).run().map(drop).map_err(|source| Error::Program {
        doing: "cannot make the cache of fonts".to_owned(),
        source: Box::new(source),
    })
}

/// Gives a directory and those below it a time.
fn set_times(inside: &Inside, path: &str, time: SystemTime) -> Result<(), Error> {
    let Some(directory) = inside.directory(path)? else { return Ok(()) };
    std::fs::File::from(directory)
        .set_modified(time)
        .map_err(|source| Error::Write { path: inside.shown(path), source })?;
    for name in inside.directories(path)? {
        set_times(inside, &format!("{path}/{name}"), time)?;
    }
    Ok(())
}

/// The certificates of ca-certificates, for Java.
const KEYSTORE: &str = "etc/ssl/certs/java/cacerts";

/// Java's store of certificates says of each when it was put in.
fn java(inside: &Inside, epoch: u64) -> Result<(), Error> {
    let Some(bytes) = inside.bytes(KEYSTORE)? else { return Ok(()) };
    if let Some(undated) = undated(&bytes, epoch).filter(|undated| *undated != bytes) {
        inside.write(KEYSTORE, undated)?;
    }
    Ok(())
}

/// The password that Java's own stores of certificates have.
const PASSWORD: &str = "changeit";
/// What a store of the type `JKS` begins with: sun.security.provider.JavaKeyStore.
const MAGIC: [u8; 8] = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2];
/// The tag of a trusted certificate.
const CERTIFICATE: [u8; 4] = [0, 0, 0, 2];
/// The length of the sum at the end.
const SUM: usize = 20;

/// A store of certificates with the epoch as their times, sorted by their names. None for what is
/// no such store, or has keys.
fn undated(store: &[u8], epoch: u64) -> Option<Vec<u8>> {
    let (content, sum) = store.split_at_checked(store.len().checked_sub(SUM)?)?;
    let (head, mut rest) = content.split_at_checked(MAGIC.len() + 4)?;
    if !head.starts_with(&MAGIC) || self::sum(content) != sum {
        return None;
    }
    let time = epoch.checked_mul(1000)?.to_be_bytes();
    let count = u32::from_be_bytes(head[MAGIC.len()..].try_into().ok()?);
    let mut entries = Vec::new();
    for _ in 0..count {
        let tag = take(&mut rest, 4)?;
        if tag != CERTIFICATE {
            return None;
        }
        let name = text(&mut rest)?;
        take(&mut rest, time.len())?;
        let kind = text(&mut rest)?;
        let length = take(&mut rest, 4)?;
        let certificate =
            take(&mut rest, usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?)?;
        entries.push((name, [tag, name, &time, kind, length, certificate].concat()));
    }
    if !rest.is_empty() {
        return None;
    }
    entries.sort();
    let mut new = head.to_vec();
    new.extend(entries.into_iter().flat_map(|(_, entry)| entry));
    let sum = self::sum(&new);
    new.extend(sum);
    Some(new)
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

/// A text as java.io.DataOutput.writeUTF() writes it, with the length before it.
fn text<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(from.get(..2)?.try_into().ok()?);
    take(from, 2 + usize::from(length))
}

fn sum(content: &[u8]) -> [u8; SUM] {
    let mut hasher = Sha1::new();
    hasher.update(PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>());
    hasher.update("Mighty Aphrodite");
    hasher.update(content);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(entries: &[(&str, u64, u8)]) -> Vec<u8> {
        let mut store = MAGIC.to_vec();
        store.extend(u32::try_from(entries.len()).unwrap().to_be_bytes());
        for (name, time, tag) in entries {
            store.extend([0, 0, 0, *tag, 0, u8::try_from(name.len()).unwrap()]);
            store.extend(name.as_bytes());
            store.extend(time.to_be_bytes());
            store.extend([0, 5]);
            store.extend(b"X.509");
            store.extend([0, 0, 0, 3, 1, 2, 3]);
        }
        let sum = sum(&store);
        store.extend(sum);
        store
    }

    #[test]
    fn a_store_of_certificates_has_one_form_whenever_it_was_made() {
        let one = undated(&store(&[("debian:b", 17, 2), ("debian:a", 18, 2)]), 5).unwrap();
        assert_eq!(one, store(&[("debian:a", 5000, 2), ("debian:b", 5000, 2)]));
        assert_eq!(undated(&one, 5).unwrap(), one);
    }

    #[test]
    fn what_is_no_store_of_certificates_stays_as_it_is() {
        let whole = store(&[("debian:a", 1, 2)]);
        for length in 0..whole.len() {
            assert_eq!(undated(&whole[..length], 5), None);
        }
        assert_eq!(undated(&store(&[("debian:a", 1, 1)]), 5), None);
        let mut damaged = whole;
        damaged[20] ^= 1;
        assert_eq!(undated(&damaged, 5), None);
    }
}
