//! What is kept of a lock that cannot be read, as after a merge that left its marks in it: the ids.
//! Everything else is resolved anew, but the files on a server belong to the numbers that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::de::DeTable;

use crate::check::{check_form, check_id};
use crate::read::{invalid, invalid_toml};
use crate::{Error, Lock};

/// What begins the lines that git leaves where two sides differ (git-merge(1), "How conflicts are
/// presented").
const MARKS: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];

/// The ids of a lock, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// Of users.
    pub users: BTreeMap<String, u32>,
    /// Of groups.
    pub groups: BTreeMap<String, u32>,
}

impl Ids {
    /// The ids in the text of a lock whose other tables nobody can read: what stands below `[users]`
    /// and `[groups]`, on both sides of a merge. `path` is for messages.
    ///
    /// # Errors
    /// When that is no TOML either, gives a name two ids, or one that is not given out, and when the
    /// lock is of another form: with line and column.
    pub fn salvage(text: &str, path: &Path) -> Result<Self, Error> {
        let head = text.lines().take_while(|line| !line.starts_with('['));
        let form =
            head.filter_map(|line| line.strip_prefix("version = ")?.trim().parse().ok()).next();
        form.map_or(Ok(()), check_form).map_err(|what| invalid(path, text, 0, what))?;
        Ok(Self { users: table(text, "[users]", path)?, groups: table(text, "[groups]", path)? })
    }
}

impl Lock {
    /// The ids that it gives.
    pub fn ids(&self) -> Ids {
        Ids { users: self.users.clone(), groups: self.groups.clone() }
    }
}

fn table(text: &str, header: &str, path: &Path) -> Result<BTreeMap<String, u32>, Error> {
    let text = alone(text, header);
    let of = |error| invalid_toml(path, &text, &error);
    let ids: BTreeMap<String, u32> = toml::from_str(&text).map_err(of)?;
    let places = DeTable::parse(&text).map_err(of)?.into_inner();
    for (name, id) in &ids {
        let at = places.get(name.as_str()).map_or(0, |value| value.span().start);
        check_id(name, *id).map_err(|what| invalid(path, &text, at, what))?;
    }
    Ok(ids)
}

/// The lines below `header`, each once. All others are empty, so that lines keep their numbers.
fn alone(text: &str, header: &str) -> String {
    let mut below = false;
    let mut seen = BTreeSet::new();
    let mut alone = String::new();
    for line in text.lines() {
        if line.starts_with('[') {
            below = line.trim_end() == header;
        } else if below && !MARKS.iter().any(|mark| line.starts_with(mark)) && seen.insert(line) {
            alone.push_str(line);
        }
        alone.push('\n');
    }
    alone
}
