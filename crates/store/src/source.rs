//! Where files come from, and in which order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use digest::Digest;
use jiff::civil::Date;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::item::Item;
use crate::options::Options;

/// What a URL path may hold as it is (RFC 3986, `unreserved` and the separator). `+` is not among
/// it: some object stores read it as a space.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');

/// Mirrors of archives, by the archive's name, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mirrors(BTreeMap<String, Vec<String>>);

impl Mirrors {
    /// Adds a mirror behind the others, unless it is there.
    pub(crate) fn add(&mut self, archive: &str, url: &str) {
        let url = url.trim_end_matches('/').to_owned();
        let urls = self.0.entry(archive.to_owned()).or_default();
        if !urls.contains(&url) {
            urls.push(url);
        }
    }

    /// Adds all of `other` behind these.
    pub(crate) fn append(&mut self, other: &Self) {
        for (archive, urls) in &other.0 {
            for url in urls {
                self.add(archive, url);
            }
        }
    }

    /// The mirrors of one archive.
    pub(crate) fn of(&self, archive: &str) -> &[String] {
        self.0.get(archive).map_or(&[], Vec::as_slice)
    }

    /// Sorts out what the host's apt uses: a URI that ends in `debian` or `debian-security` is a
    /// mirror of that archive. Most that have the first have the second beside it, so that is asked
    /// too, last.
    pub(crate) fn of_apt(uris: &[String]) -> Self {
        let mut mirrors = Self::default();
        let usable: Vec<&str> = uris
            .iter()
            .map(|uri| uri.trim_end_matches('/'))
            .filter(|uri| location(uri).is_ok())
            .collect();
        for uri in &usable {
            if let Some(archive @ ("debian" | "debian-security")) = uri.rsplit('/').next() {
                mirrors.add(archive, uri);
            }
        }
        for uri in usable.iter().filter(|uri| uri.ends_with("/debian")) {
            mirrors.add("debian-security", &format!("{uri}-security"));
        }
        mirrors
    }
}

/// Something that can be read: over the network, or a file of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// An `http` or `https` URL.
    Url(String),
    /// A file or folder.
    File(PathBuf),
}

/// Reads the URL of a mirror; the error says what is wrong with it.
pub(crate) fn location(url: &str) -> Result<Location, &'static str> {
    if let Some(path) = url.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = percent_decode_str(path).decode_utf8().map_err(|_| "it is not UTF-8")?;
        return if path.starts_with('/') {
            Ok(Location::File(PathBuf::from(path.as_ref())))
        } else {
            Err("a `file:` URL has an absolute path")
        };
    }
    let uri: ureq::http::Uri = url.parse().map_err(|_| "it is not a URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("only http, https and file URLs are read");
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err("it names no host");
    }
    if uri.query().is_some() {
        return Err("a mirror is a folder, without `?`");
    }
    Ok(Location::Url(url.to_owned()))
}

/// A URL without the user and password in it.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

/// One place to ask for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The source, as messages name it.
    pub(crate) source: String,
    /// Where the file would be.
    pub(crate) location: Location,
    /// What kind of source it is.
    pub(crate) kind: Kind,
}

/// Kinds of sources, as far as they are treated differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A folder in the store's own layout.
    Vault,
    /// A mirror of today's archive.
    Mirror,
    /// The same, at a path whose content changes with every update of the archive: other bytes
    /// than those asked for are no fault there.
    Moving,
    /// The archive as it was at a day.
    Dated,
}

/// Where a blob lies under a folder in the store's layout.
pub(crate) fn blob_path(folder: &Path, digest: Digest) -> PathBuf {
    let hex = digest.hex();
    folder.join("sha256").join(&hex[..2]).join(hex)
}

/// Every place to ask for `item`, in order.
pub(crate) fn places_of(item: &Item, options: &Options) -> Vec<Place> {
    let mut places: Vec<Place> = options
        .vaults
        .iter()
        .map(|folder| Place {
            source: folder.display().to_string(),
            location: Location::File(blob_path(folder, item.digest)),
            kind: Kind::Vault,
        })
        .collect();
    let by_hash = item.path_by_hash();
    for url in mirrors_of(&item.archive, options) {
        if let Some(by_hash) = &by_hash {
            places.extend(mirror(url, by_hash, Kind::Mirror));
            places.extend(mirror(url, &item.path, Kind::Moving));
        } else {
            places.extend(mirror(url, &item.path, Kind::Mirror));
        }
    }
    places.extend(dated(&item.archive, &item.path, item.date, options));
    places.retain(|place| allowed(place, options));
    places
}

/// Every place to ask for a file whose hash is not known, in order.
pub(crate) fn places_of_path(
    archive: &str,
    path: &str,
    date: Date,
    options: &Options,
) -> Vec<Place> {
    let mirrors =
        if has_no_date(archive, path) { Vec::new() } else { mirrors_of(archive, options) };
    let mut places: Vec<Place> =
        mirrors.iter().filter_map(|url| mirror(url, path, Kind::Moving)).collect();
    places.extend(dated(archive, path, date, options));
    places.retain(|place| allowed(place, options));
    places
}

/// The mirrors of an archive. One that is called by its URL has that one.
fn mirrors_of<'a>(archive: &'a str, options: &'a Options) -> Vec<&'a str> {
    if archive.contains("://") {
        vec![archive]
    } else {
        options.mirrors.of(archive).iter().map(String::as_str).collect()
    }
}

/// Whether a file does not say itself of which day it is, so that a mirror of today cannot stand for
/// another day: Debian's `InRelease` has a signed date, a database of Arch is a list of packages.
fn has_no_date(archive: &str, path: &str) -> bool {
    archive == "archlinux" && (path.ends_with(".db") || path.ends_with(".db.sig"))
}

fn allowed(place: &Place, options: &Options) -> bool {
    !options.offline || matches!(place.location, Location::File(_))
}

fn mirror(url: &str, path: &str, kind: Kind) -> Option<Place> {
    let location = match location(url).ok()? {
        Location::File(root) => Location::File(root.join(path)),
        Location::Url(url) => Location::Url(format!("{url}/{}", utf8_percent_encode(path, PATH))),
    };
    Some(Place { source: without_credentials(url), location, kind })
}

fn dated(archive: &str, path: &str, date: Date, options: &Options) -> Vec<Place> {
    let place = |root: String, path: &str| mirror(&root, path, Kind::Dated);
    match archive {
        "debian" | "debian-security" => options
            .dated
            .debian
            .iter()
            // The last state of that day: the server goes back to the snapshot before.
            .filter_map(|base| {
                place(format!("{base}/{archive}/{}T235959Z", date.strftime("%Y%m%d")), path)
            })
            .collect(),
        "archlinux" => options
            .dated
            .archlinux
            .iter()
            .flat_map(|base| {
                let day = place(format!("{base}/repos/{}", date.strftime("%Y/%m/%d")), path);
                // A pinned package may be of another day; it is also kept under its name.
                let single = arch_package_path(path)
                    .and_then(|path| place(format!("{base}/packages"), &path));
                [day, single]
            })
            .flatten()
            .collect(),
        _ => Vec::new(),
    }
}

/// `core/os/x86_64/zlib-1:1.3.1-2-x86_64.pkg.tar.zst` is also at `z/zlib/zlib-1:…` (Arch Linux
/// Archive, `/packages`).
fn arch_package_path(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (stem, _) = file.split_once(".pkg.tar.")?;
    let name = stem.rsplitn(4, '-').nth(3)?;
    let initial = name.chars().next()?;
    Some(format!("{initial}/{name}/{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn options() -> Options {
        Options::bare("/cache")
            .mirror("debian", "http://user:secret@b/debian/")
            .mirror("debian", "file:///srv/debian")
            .vault("/vault")
            .dated_archives()
    }

    fn item(archive: &str, path: &str) -> Item {
        Item {
            digest: Digest::of("abc"),
            size: 3,
            name: "abc".into(),
            archive: archive.into(),
            path: path.into(),
            date: date(2026, 11, 1),
        }
    }

    fn shown(places: &[Place]) -> Vec<String> {
        places
            .iter()
            .map(|place| match &place.location {
                Location::Url(url) => url.clone(),
                Location::File(path) => path.display().to_string(),
            })
            .collect()
    }

    #[test]
    fn packages_are_asked_of_vault_mirrors_and_dated_archive_in_this_order() {
        let places = places_of(&item("debian", "pool/main/g/g++/g++_1~2_amd64.deb"), &options());
        let hex = Digest::of("abc").hex();
        assert_eq!(
            shown(&places),
            [
                format!("/vault/sha256/{}/{hex}", &hex[..2]),
                "http://user:secret@b/debian/pool/main/g/g%2B%2B/g%2B%2B_1~2_amd64.deb".into(),
                "/srv/debian/pool/main/g/g++/g++_1~2_amd64.deb".into(),
                "https://snapshot.debian.org/archive/debian/20261101T235959Z/pool/main/g/g%2B%2B/g%2B%2B_1~2_amd64.deb".into(),
            ]
        );
    }

    #[test]
    fn indexes_are_asked_by_hash_first_and_the_plain_path_may_have_moved_on() {
        let path = "dists/bookworm/main/binary-amd64/Packages.xz";
        let options = Options::bare("/cache").mirror("debian", "http://b/debian");
        let places = places_of(&item("debian", path), &options);
        let kinds: Vec<Kind> = places.iter().map(|place| place.kind).collect();
        assert_eq!(kinds, [Kind::Mirror, Kind::Moving]);
        assert!(shown(&places)[0].contains("/by-hash/SHA256/"));
        assert!(shown(&places)[1].ends_with(path));
    }

    #[test]
    fn arch_packages_are_asked_of_their_day_and_under_their_name() {
        let path = "core/os/x86_64/lib32-zlib-1:1.3.1-2-x86_64.pkg.tar.zst";
        let places = places_of(&item("archlinux", path), &options().offline(false));
        assert_eq!(
            shown(&places)[1..],
            [
                format!("https://archive.archlinux.org/repos/2026/11/01/{path}"),
                "https://archive.archlinux.org/packages/l/lib32-zlib/lib32-zlib-1:1.3.1-2-x86_64.pkg.tar.zst".into(),
            ]
        );
    }

    #[test]
    fn arch_databases_are_asked_of_the_dated_archive_alone() {
        let options = options().mirror("archlinux", "http://a/archlinux");
        let asked = |path| shown(&places_of_path("archlinux", path, date(2026, 11, 1), &options));
        for file in ["core/os/x86_64/core.db", "core/os/x86_64/core.db.sig"] {
            let dated = format!("https://archive.archlinux.org/repos/2026/11/01/{file}");
            assert_eq!(asked(file), [dated]);
        }
        let signature = "core/os/x86_64/zlib-1-2-x86_64.pkg.tar.zst.sig";
        assert_eq!(
            asked(signature),
            [
                format!("http://a/archlinux/{signature}"),
                format!("https://archive.archlinux.org/repos/2026/11/01/{signature}"),
                "https://archive.archlinux.org/packages/z/zlib/zlib-1-2-x86_64.pkg.tar.zst.sig"
                    .into(),
            ]
        );
    }

    #[test]
    fn an_archive_that_is_called_by_its_url_is_asked_there_and_of_vaults() {
        let own = item("https://deb.example/own", "pool/a_1_all.deb");
        let hex = Digest::of("abc").hex();
        assert_eq!(
            shown(&places_of(&own, &options())),
            [
                format!("/vault/sha256/{}/{hex}", &hex[..2]),
                "https://deb.example/own/pool/a_1_all.deb".into(),
            ]
        );
        let index = "dists/x/InRelease";
        let asked = places_of_path(&own.archive, index, own.date, &options());
        assert_eq!(shown(&asked), [format!("https://deb.example/own/{index}")]);
        assert!(places_of_path(&own.archive, index, own.date, &options().offline(true)).is_empty());
    }

    #[test]
    fn passwords_are_in_requests_and_in_no_message() {
        let places = places_of(&item("debian", "pool/a.deb"), &options());
        assert!(places.iter().all(|place| !place.source.contains("secret")), "{places:?}");
        assert_eq!(places[1].source, "http://b/debian");
    }

    #[test]
    fn offline_asks_folders_only() {
        let places = places_of(&item("debian", "pool/a.deb"), &options().offline(true));
        assert!(places.iter().all(|place| matches!(place.location, Location::File(_))));
        assert_eq!(places.len(), 2);
    }

    #[test]
    fn of_apt_s_uris_those_of_the_two_archives_are_mirrors() {
        let uris = [
            "https://packages.example/apt",
            "http://a/debian/",
            "cdrom:[Debian",
            "http://s/debian-security",
            "http://u/ubuntu",
            "mirror+file:/etc/apt/mirrors/debian",
        ];
        let mirrors = Mirrors::of_apt(&uris.map(str::to_owned));
        assert_eq!(mirrors.of("debian"), ["http://a/debian"]);
        assert_eq!(
            mirrors.of("debian-security"),
            ["http://s/debian-security", "http://a/debian-security"]
        );
    }
}
