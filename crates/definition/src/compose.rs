//! A server out of its own definition, its roles and its board.

use std::collections::{BTreeMap, BTreeSet};

use crate::claims::{self, Claim, Family};
use crate::install;
use crate::kernel::LONGEST_CMDLINE;
use crate::load::{RoleFiles, ServerFiles};
use crate::span::Located;
use crate::{
    Board, DebconfQuestion, DistributionName, KernelArgument, Laid, Origin, OverlayEntry, Part,
    PartName, Problem, Problems, Server, StateEntry,
};

/// Puts a server together. The order of `roles` does not matter.
pub fn compose(
    server: &ServerFiles,
    roles: &[RoleFiles],
    board: &Board,
) -> Result<Server, Problems> {
    let members = Members::new(server, roles);
    let mut problems = not_for(&members, server.server.archive.distribution.name());
    let requests = members.in_order.iter().map(|member| (member.name, member.part));
    let (install, asked) =
        install::requests(server, board, requests, &members.family, &mut problems);
    let kernel = install::kernel(server, board);
    let cmdline = cmdline(board, &members, &mut problems);
    let overlay = overlay(&members, &mut problems);
    let state = state(&members, &mut problems);
    let debconf = debconf(&members, &mut problems);
    let named = |what: &str, name: &str| format!("the {what} `{name}` is declared");
    let users = members.merge(
        |part| &part.users,
        |user| (user.name.as_str(), &user.origin),
        |name| named("user", name),
        &mut problems,
    );
    let groups = members.merge(
        |part| &part.groups,
        |group| (group.name.as_str(), &group.origin),
        |name| named("group", name),
        &mut problems,
    );
    let permissions = members.merge(
        |part| &part.permissions,
        |permission| (permission.path.as_str(), &permission.origin),
        |path| format!("permissions of `{path}` are set"),
        &mut problems,
    );
    let first_boot = members.merge(
        |part| &part.first_boot,
        |row| (row.path.as_str(), &row.origin),
        |path| format!("`{path}` is made at first boot"),
        &mut problems,
    );
    let secrets = members.merge(
        |part| &part.secrets,
        |secret| (secret.path.as_str(), &secret.origin),
        |path| format!("the secret `{path}` is known"),
        &mut problems,
    );
    let toml = &server.server;
    let parts = members.in_order.iter().flat_map(|member| &member.part.own);
    let mut own: Vec<_> = parts.cloned().collect();
    own.sort_by(|a, b| a.path.cmp(&b.path));
    problems.extend(install::check_pins(server));
    let mut pins = toml.part.pins.clone();
    pins.sort();
    let roles_bytes: u64 = roles.iter().map(|role| role.bytes).sum();
    let dirs: BTreeSet<_> = roles.iter().map(|role| role.dir.clone()).collect();
    let inputs = std::iter::once(server.dir.clone())
        .chain(dirs)
        .chain(std::iter::once(board.dir.clone()))
        .collect();
    let composed = Server {
        name: server.name.clone(),
        dir: server.dir.clone(),
        hostname: toml.hostname.clone(),
        board: board.clone(),
        archive: toml.archive.clone(),
        install,
        asked,
        own,
        pins,
        recommends: toml.part.recommends.is_some(),
        kernel,
        cmdline,
        editable_cmdline: toml.part.kernel.editable,
        debconf,
        overlay,
        users,
        groups,
        state,
        permissions,
        first_boot,
        secrets,
        health: toml.health,
        layers: toml.layers,
        parts: members.in_order.iter().map(|member| member.name.clone()).collect(),
        definition_bytes: server.bytes + roles_bytes + board.bytes,
        inputs,
    };
    Problems::none_or(problems, Some(composed))
}

/// A role or the server itself.
struct Member<'a> {
    name: &'a PartName,
    part: &'a Part,
    laid: Vec<&'a Laid>,
}

/// All parts, in the order in which they are laid.
struct Members<'a> {
    in_order: Vec<Member<'a>>,
    family: Family<'a>,
}

impl<'a> Members<'a> {
    fn new(server: &'a ServerFiles, roles: &'a [RoleFiles]) -> Self {
        let distribution = server.server.archive.distribution.name();
        let mut members: BTreeMap<&PartName, Member<'a>> = BTreeMap::new();
        for role in roles {
            let laid = laid_on(distribution, &role.laid, &role.laid_for);
            members.insert(&role.name, Member { name: &role.name, part: &role.role.0, laid });
        }
        let laid = laid_on(distribution, &server.laid, &server.laid_for);
        let member = Member { name: &server.name, part: &server.server.part, laid };
        members.insert(&server.name, member);
        let depends = roles.iter().map(|role| (&role.name, &role.depends));
        let family = Family::new(depends.chain(std::iter::once((&server.name, &server.depends))));
        let order = family.laying_order();
        let in_order = order.into_iter().filter_map(|name| members.remove(name)).collect();
        Self { in_order, family }
    }

    /// The things of one kind that all parts declare, each as the part says that has the say.
    fn merge<T: Clone + 'a>(
        &self,
        of: impl Fn(&'a Part) -> &'a Vec<T>,
        key: impl Fn(&'a T) -> (&'a str, &'a Origin),
        thing: impl Fn(&str) -> String,
        problems: &mut Vec<Problem>,
    ) -> Vec<T> {
        let claims = self.in_order.iter().flat_map(|member| {
            of(member.part).iter().map(|value| {
                let (key, origin) = key(value);
                (key, Claim { part: member.name, origin, value })
            })
        });
        let standing = claims::winners(claims, |key| thing(key), &self.family, problems);
        standing.into_iter().cloned().collect()
    }
}

/// The roles that are not for servers of `distribution`, and say so.
fn not_for(members: &Members<'_>, distribution: DistributionName) -> Vec<Problem> {
    let said = members.in_order.iter().filter_map(|member| {
        let only = member.part.distributions.as_ref()?;
        (!only.value.contains(&distribution)).then_some((member.name, only))
    });
    let problem = |(role, only): (&PartName, &Located<Vec<DistributionName>>)| {
        let names: Vec<&str> = only.value.iter().map(|name| name.as_str()).collect();
        let message = format!(
            "the role `{role}` is for servers of {} only, this one is of {distribution}",
            names.join(" and ")
        );
        let hint = "take the role out of the server's `[dependencies]`, and name the packages that \
                    it stands for";
        Problem::new(&only.origin, message).hint(hint.to_owned())
    };
    said.map(problem).collect()
}

/// What a part lays on servers of `distribution`: what it has for that one wins over what it has
/// for all.
fn laid_on<'a>(
    distribution: DistributionName,
    laid: &'a [Laid],
    laid_for: &'a BTreeMap<DistributionName, Vec<Laid>>,
) -> Vec<&'a Laid> {
    let its = laid_for.get(&distribution).map_or(&[][..], Vec::as_slice);
    let covered = |laid: &Laid| {
        its.iter()
            .any(|its| its.path == laid.path && its.kind.is_directory() == laid.kind.is_directory())
    };
    laid.iter().filter(|laid| !covered(laid)).chain(its).collect()
}

/// The board's arguments, then those of the parts in the order of laying; none twice.
fn cmdline(
    board: &Board,
    members: &Members<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<KernelArgument> {
    let board = board.cmdline.iter().map(|argument| (argument, &board.origin));
    let parts = members.in_order.iter().flat_map(|member| &member.part.kernel.cmdline);
    let parts = parts.map(|argument| (&argument.value, &argument.origin));
    let mut arguments: Vec<KernelArgument> = Vec::new();
    let mut length = 0;
    for (argument, origin) in board.chain(parts) {
        if arguments.contains(argument) {
            continue;
        }
        let fits = length <= LONGEST_CMDLINE;
        length += usize::from(!arguments.is_empty()) + argument.as_str().len();
        if fits && length > LONGEST_CMDLINE {
            let message = format!(
                "the kernel's command line has more than {LONGEST_CMDLINE} bytes from here on"
            );
            let hint = "kernels read no longer one: leave some arguments out".to_owned();
            problems.push(Problem::new(origin, message).hint(hint));
        }
        arguments.push(argument.clone());
    }
    arguments
}

fn overlay(members: &Members<'_>, problems: &mut Vec<Problem>) -> Vec<OverlayEntry> {
    let mut by_path: BTreeMap<&str, Vec<Claim<'_, Laid>>> = BTreeMap::new();
    for member in &members.in_order {
        for laid in member.laid.iter().copied() {
            let claim = Claim { part: member.name, origin: &laid.origin, value: laid };
            by_path.entry(laid.path.as_str()).or_default().push(claim);
        }
    }
    let mut overlay = Vec::new();
    for (path, claims) in by_path {
        match laid_by(path, &claims, &members.family) {
            Ok(claim) => overlay.push(OverlayEntry {
                path: claim.value.path.clone(),
                source: claim.value.source.clone(),
                kind: claim.value.kind.clone(),
                part: claim.part.clone(),
            }),
            Err(problem) => problems.push(problem),
        }
    }
    overlay
}

/// Directories go together; anything else is laid by one part.
fn laid_by<'a>(
    path: &str,
    claims: &[Claim<'a, Laid>],
    family: &Family<'_>,
) -> Result<Claim<'a, Laid>, Problem> {
    let directory = claims.iter().find(|claim| claim.value.kind.is_directory());
    let other = claims.iter().find(|claim| !claim.value.kind.is_directory());
    match (directory, other) {
        (Some(directory), None) => Ok(*directory),
        (Some(directory), Some(other)) => {
            let message = format!(
                "`{path}` is a directory in `{}` and none in `{}`",
                directory.part, other.part
            );
            let hint = "a part overrides files, not whole directories".to_owned();
            Err(Problem::new(directory.origin, message).and(other.origin).hint(hint))
        }
        _ => claims::winner(&format!("`{path}` is laid"), claims, family),
    }
}

fn state(members: &Members<'_>, problems: &mut Vec<Problem>) -> Vec<StateEntry> {
    let state = members.merge(
        |part| &part.state,
        |entry| (entry.path.as_str(), &entry.origin),
        |path| format!("`{path}` is declared as state"),
        problems,
    );
    for (index, entry) in state.iter().enumerate() {
        for earlier in &state[..index] {
            if entry.path.is_within(earlier.path.as_str()) {
                let message = format!("`{}` lies within the state `{}`", entry.path, earlier.path);
                let hint = "it is kept with it: leave the inner one out".to_owned();
                let problem = Problem::new(&entry.origin, message).and(&earlier.origin);
                problems.push(problem.hint(hint));
            } else if entry.at.overlaps(&earlier.at) {
                let message = format!(
                    "`{}` and `{}` are kept in one place below /state",
                    entry.path, earlier.path
                );
                let hint = "give each a directory of its own".to_owned();
                let problem = Problem::new(&entry.origin, message).and(&earlier.origin);
                problems.push(problem.hint(hint));
            }
        }
    }
    state
}

fn debconf(
    members: &Members<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<DebconfQuestion, String> {
    let answers = members.merge(
        |part| &part.debconf,
        |(question, _, origin)| (question.as_str(), origin),
        |question| format!("`{question}` is answered"),
        problems,
    );
    answers.into_iter().map(|(question, answer, _)| (question, answer)).collect()
}
