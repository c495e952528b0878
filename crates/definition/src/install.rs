//! The packages that a server asks for: its parts' and its kernel's, one request a package.

use std::collections::BTreeMap;

use crate::claims::{self, Claim, Family};
use crate::load::ServerFiles;
use crate::names::Refused;
use crate::{
    Archive, AskedFor, Board, Constraint, Distribution, Origin, PackageName, PackageRequest, Part,
    PartName, Pocket, Problem, suggest,
};

/// The packages that bring the kernel: the server's choice, or the board's.
pub(crate) fn kernel(server: &ServerFiles, board: &Board) -> Vec<PackageName> {
    match &server.server.part.kernel.package {
        Some(package) => vec![package.value.clone()],
        None => {
            let distribution = server.server.archive.distribution.name();
            board.kernel_packages(distribution).unwrap_or_default().to_vec()
        }
    }
}

/// The kernel's packages as requests.
fn kernel_requests(
    server: &ServerFiles,
    board: &Board,
    problems: &mut Vec<Problem>,
) -> Vec<PackageRequest> {
    let archive = &server.server.archive;
    let packages = kernel(server, board);
    let kernel = &server.server.part.kernel;
    if packages.is_empty() {
        let name = archive.distribution.name();
        let message = format!("the board `{}` names no kernel for {name}", board.name);
        let hint = format!("[kernel.{name}] packages = [...] in its board.toml");
        problems
            .push(Problem::new(&board.origin, message).and(&server.server.board.origin).hint(hint));
    }
    let mut constraint = Constraint::Any;
    let mut origin = match &kernel.package {
        Some(package) => package.origin.clone(),
        None => board.origin.clone(),
    };
    if let Some(pocket) = &kernel.pocket {
        origin = pocket.origin.clone();
        match &archive.distribution {
            Distribution::Debian(debian) => {
                // Whether it is one of the archive's is checked with all other requests.
                constraint = Constraint::Suite(pocket.value.suite(&debian.suite));
            }
            Distribution::Arch(_) => {
                let problem = Problem::new(&pocket.origin, "Arch has no pockets");
                problems.push(problem.hint("leave `pocket` out".to_owned()));
            }
        }
    }
    let request =
        |name| PackageRequest { name, constraint: constraint.clone(), origin: origin.clone() };
    packages.into_iter().map(request).collect()
}

/// All requests, the kernel's among them: one a package, the one with a constraint if there is one;
/// and who asks.
pub(crate) fn requests<'a>(
    server: &'a ServerFiles,
    board: &Board,
    parts: impl Iterator<Item = (&'a PartName, &'a Part)>,
    family: &Family<'_>,
    problems: &mut Vec<Problem>,
) -> (Vec<PackageRequest>, BTreeMap<PackageName, AskedFor>) {
    let archive = &server.server.archive;
    let distribution = &archive.distribution;
    let mut by_name: BTreeMap<PackageName, Vec<(&PartName, PackageRequest)>> = BTreeMap::new();
    for request in kernel_requests(server, board, problems) {
        by_name.entry(request.name.clone()).or_default().push((&server.name, request));
    }
    for (name, part) in parts {
        for request in part.requests(distribution.name()) {
            let requests = by_name.entry(request.name.clone()).or_default();
            requests.push((name, request.clone()));
        }
    }
    let mut install = Vec::new();
    let mut asked = BTreeMap::new();
    for (name, requests) in by_name {
        if let Some((part, request)) = requests.first() {
            let by = AskedFor { part: (*part).clone(), origin: request.origin.clone() };
            asked.insert(name.clone(), by);
        }
        if let Err(refused) = name.check_for(distribution.name()) {
            let origins = requests.iter().map(|(_, request)| &request.origin);
            problems.extend(origins.map(|origin| impossible(&name, origin, &refused)));
            continue;
        }
        match agreed(&name, requests, archive, family) {
            Ok(request) => install.push(request),
            Err(problem) => problems.push(problem),
        }
    }
    (install, asked)
}

/// Mistakes of the names of pins: a pin of a role is none.
pub(crate) fn check_pins(server: &ServerFiles) -> Vec<Problem> {
    let distribution = server.server.archive.distribution.name();
    let pins = server.server.part.pins.iter();
    let wrong = pins.filter_map(|pin| Some((pin, pin.name.check_for(distribution).err()?)));
    wrong.map(|(pin, refused)| impossible(&pin.name, &pin.origin, &refused)).collect()
}

/// A name that no package of the distribution has.
fn impossible(name: &PackageName, origin: &Origin, refused: &Refused) -> Problem {
    Problem::new(origin, format!("`{name}` {refused}")).hint(refused.hint.clone())
}

/// The one request that stands for all that ask for the package `name`.
fn agreed(
    name: &PackageName,
    requests: Vec<(&PartName, PackageRequest)>,
    archive: &Archive,
    family: &Family<'_>,
) -> Result<PackageRequest, Problem> {
    let mut resolved = Vec::new();
    for (part, request) in requests {
        resolved.push((part, resolve_suite(request, archive)?));
    }
    let constrained = |(_, request): &&(&PartName, PackageRequest)| {
        !matches!(request.constraint, Constraint::Any)
    };
    let mut claims: Vec<Claim<'_, PackageRequest>> = Vec::new();
    for (part, request) in resolved.iter().filter(constrained) {
        let same = |known: &Claim<'_, PackageRequest>| known.value.constraint == request.constraint;
        match claims.iter().find(|known| known.part == *part || same(known)) {
            // Within the server its kernel's pocket and its list of packages can contradict.
            Some(known) if !same(known) => {
                let message = format!("`{}` and `{request}` are asked for", known.value);
                return Err(Problem::new(&request.origin, message).and(known.origin));
            }
            Some(_) => {}
            None => claims.push(Claim { part, origin: &request.origin, value: request }),
        }
    }
    if claims.is_empty() {
        let first = resolved.into_iter().next().map(|(_, request)| request);
        return first.ok_or_else(|| Problem {
            message: format!("nobody asks for `{name}`"),
            places: Vec::new(),
            hint: None,
        });
    }
    let thing = format!("different versions of `{name}` are asked for");
    claims::winner(&thing, &claims, family).map(|claim| claim.value.clone())
}

/// Puts the suite in place of a pocket, and refuses suites that `[archive]` does not have.
fn resolve_suite(
    mut request: PackageRequest,
    archive: &Archive,
) -> Result<PackageRequest, Problem> {
    let Constraint::Suite(suite) = &request.constraint else { return Ok(request) };
    let extras = archive.extras.iter().map(|extra| extra.name.to_string());
    let mut known: Vec<String> = match &archive.distribution {
        Distribution::Debian(debian) => {
            if let Ok(pocket) = suite.as_str().parse::<Pocket>() {
                request.constraint = Constraint::Suite(pocket.suite(&debian.suite));
            }
            debian.suites().into_iter().map(String::from).collect()
        }
        Distribution::Arch(arch) => arch.repositories.iter().cloned().map(String::from).collect(),
    };
    known.extend(extras);
    let Constraint::Suite(suite) = &request.constraint else { return Ok(request) };
    if known.iter().any(|known| known == suite.as_str()) {
        return Ok(request);
    }
    let message =
        format!("`{}` is to come from `{suite}`, which is no part of [archive]", request.name);
    let hint = suggest::hint(
        suite.as_str(),
        "add it to `pockets`; so far [archive] has",
        known.iter().map(String::as_str),
    );
    Err(Problem::new(&request.origin, message).hint(hint))
}
