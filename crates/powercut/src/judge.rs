//! Whether a server would start from what a power cut has left, and from what.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use digest::Digest;
use sandbox::ToolRoot;

use crate::data::DataView;
use crate::error::Result;
use crate::fat::BootView;
use crate::partitions::Partitions;
use crate::state::State;

/// What a bootloader would start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The name of the boot entry, for those who read a verdict.
    pub entry: String,
    /// The generation that its command line names.
    pub generation: Digest,
    /// The kernel's path in the boot partition.
    pub kernel: String,
    /// The initramfs's path in the boot partition.
    pub initramfs: String,
}

/// What a state is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server starts from this entry, and everything that it needs is there.
    Whole(Choice),
    /// It starts from this entry, and something is not there or not what it should be.
    Half {
        /// The entry.
        choice: Choice,
        /// What is lacking.
        lacks: Vec<String>,
    },
    /// It does not start.
    Nothing {
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// The entry that is started, when it is whole.
    pub fn whole(&self) -> Option<&Choice> {
        match self {
            Self::Whole(choice) => Some(choice),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(choice) => write!(f, "starts {choice}"),
            Self::Half { choice, lacks } => {
                write!(f, "starts {choice}, which lacks {}", lacks.join(", "))
            }
            Self::Nothing { why } => write!(f, "does not start: {why}"),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.entry, self.generation.short())
    }
}

/// Judges states, one after the other; what two of them have in common is looked at once.
pub struct Judge<'a> {
    choose: &'a dyn Fn(&BootView) -> Option<Choice>,
    data: Option<(ToolRoot, PathBuf)>,
    /// By the fingerprint of the boot partition.
    boots: HashMap<Digest, Boot>,
    /// By that of the data partition, and the generation that is started.
    datas: HashMap<(Digest, Digest), Data>,
}

/// What the boot partition says.
#[derive(Clone)]
enum Boot {
    Starts { choice: Choice, kernel: Option<Digest>, initramfs: Option<Digest> },
    Not(String),
}

/// What the data partition says of the generation that is started.
#[derive(Clone)]
struct Data {
    lacks: Vec<String>,
    /// Kernel and initramfs, by the manifest.
    kernels: Option<(Digest, Digest)>,
}

impl<'a> Judge<'a> {
    /// Judges the boot partition: `choose` says, as firmware and bootloader would, what is started
    /// from its files.
    pub fn new(choose: &'a dyn Fn(&BootView) -> Option<Choice>) -> Self {
        Self { choose, data: None, boots: HashMap::new(), datas: HashMap::new() }
    }

    /// Judges the data partition too: its filesystem, every generation of its index, the one that
    /// is started, and whether kernel and initramfs are that one's. `tools` is the root of the
    /// group Image; a copy of the partition lies in `scratch` meanwhile.
    pub fn with_data(mut self, tools: &ToolRoot, scratch: impl Into<PathBuf>) -> Self {
        self.data = Some((tools.clone(), scratch.into()));
        self
    }

    /// What `state` is worth.
    ///
    /// # Errors
    /// A file or a tool of this host fails. Whatever is wrong with the state is a verdict.
    pub fn judge(&mut self, state: &State) -> Result<Verdict> {
        let partitions = match Partitions::of(state) {
            Ok(partitions) => partitions,
            Err(why) => return Ok(Verdict::Nothing { why: format!("partition table: {why}") }),
        };
        let boot = self.boot(state, &partitions);
        let (choice, kernel, initramfs) = match boot {
            Boot::Not(why) => return Ok(Verdict::Nothing { why }),
            Boot::Starts { choice, kernel, initramfs } => (choice, kernel, initramfs),
        };
        let mut lacks = Vec::new();
        for (found, path) in [(kernel, &choice.kernel), (initramfs, &choice.initramfs)] {
            if found.is_none() {
                lacks.push(path.clone());
            }
        }
        if let Some(data) = self.data(state, &partitions, choice.generation)? {
            lacks.extend(data.lacks);
            if let Some(own) = data.kernels {
                let found =
                    [(kernel, own.0, &choice.kernel), (initramfs, own.1, &choice.initramfs)];
                for (found, own, path) in found {
                    if found.is_some_and(|found| found != own) {
                        lacks.push(format!("the content of {path}"));
                    }
                }
            }
        }
        match lacks.is_empty() {
            true => Ok(Verdict::Whole(choice)),
            false => Ok(Verdict::Half { choice, lacks }),
        }
    }

    fn boot(&mut self, state: &State, partitions: &Partitions) -> Boot {
        let fingerprint = state.fingerprint(partitions.boot.clone());
        let choose = self.choose;
        let look = || {
            let view = match BootView::open(state, partitions.boot.clone()) {
                Ok(view) => view,
                Err(why) => return Boot::Not(format!("boot partition: {why}")),
            };
            let Some(choice) = choose(&view) else {
                return Boot::Not("no boot entry".into());
            };
            let [kernel, initramfs] =
                [&choice.kernel, &choice.initramfs].map(|path| view.digest(path));
            Boot::Starts { choice, kernel, initramfs }
        };
        self.boots.entry(fingerprint).or_insert_with(look).clone()
    }

    fn data(
        &mut self,
        state: &State,
        partitions: &Partitions,
        generation: Digest,
    ) -> Result<Option<Data>> {
        let Some((tools, scratch)) = &self.data else { return Ok(None) };
        let key = (state.fingerprint(partitions.data.clone()), generation);
        if let Some(known) = self.datas.get(&key) {
            return Ok(Some(known.clone()));
        }
        let view = DataView::open(tools, state, partitions.data.clone(), scratch)?;
        let data = Data::of(&view, generation)?;
        self.datas.insert(key, data.clone());
        Ok(Some(data))
    }
}

impl Data {
    fn of(view: &DataView, generation: Digest) -> Result<Self> {
        if let Some(damage) = view.damage() {
            let lacks = vec![format!("a data partition without damage ({damage})")];
            return Ok(Self { lacks, kernels: None });
        }
        let mut lacks = Vec::new();
        let mut generations = vec![generation];
        match view.index() {
            None => lacks.push("/imgs/index.json".to_owned()),
            Some(index) => generations.extend(index.manifests.iter().map(|entry| entry.digest)),
        }
        generations.sort();
        generations.dedup();
        for one in generations {
            let of = format!(" of generation {}", one.short());
            lacks.extend(view.lacks(one)?.into_iter().map(|lack| lack + &of));
        }
        let kernels = view.manifest(generation)?.and_then(|manifest| {
            Some((manifest.kernel().ok()?.digest, manifest.initramfs().ok()?.digest))
        });
        Ok(Self { lacks, kernels })
    }
}
