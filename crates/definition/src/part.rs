//! What servers and roles have in common.

use std::collections::BTreeMap;
use std::path::Path;

use crate::kernel::Kernel;
use crate::packages::{self, Answer};
use crate::span::Located;
use crate::{
    BesidePath, DebconfQuestion, DistributionName, FirstBoot, Group, KnownSecret, Origin, OwnFile,
    PackageRequest, Permission, Pin, Problem, Problems, StateEntry, User, first_boot, own,
    permissions, read, secrets, state, users,
};

/// The keys that server.toml and role.toml share.
///
/// ```toml
/// [packages]
/// install = ["git", "nginx/bookworm-backports", "postfix=3.7.11-0+deb12u1"]
/// files = ["pkgs/own_1.0_all.deb"]    # package files beside this one
///
/// [packages.debian]               # besides, on Debian; the same for [packages.arch]
/// install = ["openssh-server"]
///
/// [debconf]                       # answers to questions of Debian's packages
/// "postfix/main_mailer_type" = "No configuration"
///
/// [kernel]
/// cmdline = ["quiet"]
/// ```
///
/// and `[users]`, `[groups]` (see [`User`], [`Group`]), `[state]` (see [`StateEntry`]),
/// `[permissions]` (see [`Permission`]), `[first-boot]` (see [`FirstBoot`]) and `[secrets]` (see
/// [`KnownSecret`]).
///
/// Package names without a distribution are for both. A suite after the `/` is one of those of
/// `[archive]`; roles, which do not know the release, write a pocket: `nginx/backports`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub(crate) install: Vec<PackageRequest>,
    pub(crate) install_for: BTreeMap<DistributionName, Vec<PackageRequest>>,
    pub(crate) files: Vec<Located<BesidePath>>,
    pub(crate) files_for: BTreeMap<DistributionName, Vec<Located<BesidePath>>>,
    /// What `files` are, once they are read.
    pub(crate) own: Vec<OwnFile>,
    pub(crate) pins: Vec<Pin>,
    /// Where it is asked for what is recommended, if it is.
    pub(crate) recommends: Option<Origin>,
    pub(crate) debconf: Vec<(DebconfQuestion, String, Origin)>,
    pub(crate) users: Vec<User>,
    pub(crate) groups: Vec<Group>,
    pub(crate) state: Vec<StateEntry>,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) first_boot: Vec<FirstBoot>,
    pub(crate) secrets: Vec<KnownSecret>,
    pub(crate) kernel: Kernel,
    /// The only distributions whose servers it is for; a role's, where it says so.
    pub(crate) distributions: Option<Located<Vec<DistributionName>>>,
}

/// The whole of role.toml: the keys of [`Part`], and `distributions = ["debian"]` of a role that is
/// for servers of these alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleToml(pub(crate) Part);

impl RoleToml {
    /// Reads `text`, the content of `file`.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        read::document(file, text, |mut table| {
            let mut part = Part::read(&mut table, |_, _| {});
            part.kernel = table.table("kernel").map(Kernel::read_role).unwrap_or_default();
            part.distributions = table.value("distributions").and_then(|value| only_for(&value));
            table.finish();
            Some(Self(part))
        })
    }
}

impl Part {
    /// Reads the common tables; `more` reads further keys of `[packages]`.
    pub(crate) fn read(
        table: &mut read::Table<'_, '_>,
        more: impl FnOnce(&mut Self, &mut read::Table<'_, '_>),
    ) -> Self {
        let mut part = Self::default();
        if let Some(mut packages) = table.table("packages") {
            part.read_packages(&mut packages);
            more(&mut part, &mut packages);
            packages.finish();
        }
        if let Some(debconf) = table.table("debconf") {
            part.debconf = read_debconf(&debconf);
        }
        part.users = table.table("users").as_ref().map(users::read_users).unwrap_or_default();
        part.groups = table.table("groups").as_ref().map(users::read_groups).unwrap_or_default();
        part.state = table.table("state").as_ref().map(state::read).unwrap_or_default();
        let permissions = table.table("permissions");
        part.permissions = permissions.as_ref().map(permissions::read).unwrap_or_default();
        let first_boot = table.table("first-boot");
        part.first_boot = first_boot.as_ref().map(first_boot::read).unwrap_or_default();
        part.secrets = table.table("secrets").as_ref().map(secrets::read).unwrap_or_default();
        part
    }

    fn read_packages(&mut self, table: &mut read::Table<'_, '_>) {
        self.install = install(table);
        self.files = files(table);
        for name in DistributionName::ALL {
            if let Some(mut packages) = table.table(name.as_str()) {
                self.install_for.insert(name, install(&mut packages));
                self.files_for.insert(name, files(&mut packages));
                packages.finish();
            }
        }
    }

    /// Reads the keys of `[packages]` that only a server has.
    pub(crate) fn read_choices(&mut self, table: &mut read::Table<'_, '_>) {
        self.pins = table.value("pin").map(|value| packages::pins(&value)).unwrap_or_default();
        if let Some(value) = table.value("recommends")
            && value.boolean() == Some(true)
        {
            self.recommends = Some(value.origin());
        }
    }

    /// Refuses what means nothing on Arch, in a server's own definition. A role may have it, for
    /// the servers of its that are Debian's.
    pub(crate) fn refuse_debians_keys(&self, table: &read::Table<'_, '_>) {
        for (question, _, origin) in &self.debconf {
            let message = format!("`{question}` is a question of Debian's debconf");
            let hint = "Arch's packages ask nothing: write the file that it stands for".to_owned();
            table.report(Problem::new(origin, message).hint(hint));
        }
        if let Some(origin) = &self.recommends {
            let message = "Arch's packages recommend nothing".to_owned();
            let hint = "name the optional dependencies that you want in `install`".to_owned();
            table.report(Problem::new(origin, message).hint(hint));
        }
    }

    /// The package files that it names for servers of `distribution`.
    pub(crate) fn files_on(&self, distribution: DistributionName) -> Vec<Located<BesidePath>> {
        let its = self.files_for.get(&distribution).into_iter().flatten();
        self.files.iter().chain(its).cloned().collect()
    }

    /// What it asks for on `distribution`.
    pub(crate) fn requests(
        &self,
        distribution: DistributionName,
    ) -> impl Iterator<Item = &PackageRequest> {
        self.install.iter().chain(self.install_for.get(&distribution).into_iter().flatten())
    }
}

fn only_for(value: &read::Value<'_, '_>) -> Option<Located<Vec<DistributionName>>> {
    let names = value.texts()?.into_iter().map(|name| name.value).collect();
    Some(Located { value: names, origin: value.origin() })
}

fn install(table: &mut read::Table<'_, '_>) -> Vec<PackageRequest> {
    table.value("install").map(|value| packages::requests(&value)).unwrap_or_default()
}

fn files(table: &mut read::Table<'_, '_>) -> Vec<Located<BesidePath>> {
    table.value("files").map(|value| own::read_files(&value)).unwrap_or_default()
}

fn read_debconf(table: &read::Table<'_, '_>) -> Vec<(DebconfQuestion, String, Origin)> {
    let mut answers = Vec::new();
    for (question, value) in table.entries::<DebconfQuestion>() {
        let answer = if value.is_boolean() {
            value.boolean().map(|answer| answer.to_string())
        } else {
            value.text::<Answer>().map(|answer| answer.value.0)
        };
        if let Some(answer) = answer {
            answers.push((question.value, answer, question.origin));
        }
    }
    answers
}
