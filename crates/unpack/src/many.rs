//! Many packages at once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Options;
use crate::claims::Claims;
use crate::control::Control;
use crate::deb::Deb;
use crate::error::Error;
use crate::extract::{Extraction, Living};
use crate::laid::Package;
use crate::links;
use crate::rules::Rules;
use crate::tree::Tree;

/// How packages stand to one another.
#[derive(Clone, Copy)]
pub struct Relations<'a> {
    /// Whether a first package replaces files of a second one: one that replaces all others which
    /// have a path has it.
    pub replaces: &'a dyn Fn(&Control, &Control) -> bool,
    /// Whether a first package is unpacked before a second one by dpkg, which keeps a directory
    /// where a later package has a link.
    pub precedes: &'a dyn Fn(&Control, &Control) -> bool,
}

impl Relations<'static> {
    /// Of packages that must have no path in common but directories.
    pub const NONE: Self = Self { replaces: &|_, _| false, precedes: &|_, _| false };
}

/// Lays package files into a tree, `threads` at a time, and settles its directories. The packages
/// come back in the order of `files`, which also decides whose directories they are.
pub fn packages(
    files: &[PathBuf],
    tree: &Tree,
    options: &Options,
    threads: usize,
    relations: &Relations<'_>,
) -> Result<Vec<Package>, Error> {
    let mut packages = Vec::new();
    let mut claims = lay(files, &mut packages, tree, options, threads, None)?;
    links::lay(&mut claims, tree, &mut packages, 0, options, relations)?;
    claims.settle(tree, &mut packages, relations.replaces)?;
    tree.settle(&packages, options)?;
    Ok(packages)
}

/// Lays more packages into a tree that has some already, which scripts may have changed since: as
/// dpkg does it. `laid` are those that are there, and gets the others behind them.
///
/// What `rules` divert is laid elsewhere. A file that is no package's is overwritten, but a conffile
/// that is there stays, with the package's beside it (`.dpkg-new`) for dpkg to decide. A directory
/// that is there keeps its owner and mode. Of two packages, whenever they were laid, that have one
/// path, one replaces the other, or it is an error.
pub fn more_packages(
    files: &[PathBuf],
    laid: &mut Vec<Package>,
    tree: &Tree,
    options: &Options,
    threads: usize,
    rules: &Rules,
    relations: &Relations<'_>,
) -> Result<(), Error> {
    let before = laid.len();
    rules.follow(laid, options.usr_merge)?;
    let mut claims = lay(files, laid, tree, options, threads, Some(rules))?;
    links::lay(&mut claims, tree, laid, before, options, relations)?;
    claims.settle(tree, laid, relations.replaces)?;
    tree.settle_new(&laid[before..], options)
}

/// Lays packages and gives what they claim; nothing is decided yet.
fn lay(
    files: &[PathBuf],
    laid: &mut Vec<Package>,
    tree: &Tree,
    options: &Options,
    threads: usize,
    rules: Option<&Rules>,
) -> Result<Claims, Error> {
    let claims = Claims::of(laid);
    let first = laid.len();
    let order = largest_first(files);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<Package, Error>>>> =
        Mutex::new((0..files.len()).map(|_| None).collect());
    let work = || {
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = one(&files[index], first + index, tree, options, rules, &claims);
            if result.is_err() {
                next.store(order.len(), Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let packages: Vec<Package> = results.into_iter().flatten().collect::<Result<_, _>>()?;
    laid.extend(packages);
    Ok(claims)
}

fn one(
    file: &Path,
    index: usize,
    tree: &Tree,
    options: &Options,
    rules: Option<&Rules>,
    claims: &Claims,
) -> Result<Package, Error> {
    let deb = Deb::open(file)?;
    let name = deb.name.clone();
    let (control, data) = deb.into_data()?;
    let package = control.package().to_owned();
    Extraction::new(tree, options, claims, index, rules.map(|rules| Living { rules, package }))
        .run(control, data)
        .map_err(|cause| Error::new(name, cause))
}

/// The order in which threads take packages: a large one taken last would be waited for alone.
fn largest_first(files: &[PathBuf]) -> Vec<usize> {
    let size = |index: &usize| files[*index].metadata().map_or(0, |metadata| metadata.len());
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_cached_key(|index| (std::cmp::Reverse(size(index)), *index));
    order
}
