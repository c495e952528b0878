//! server.toml, role.toml, board.toml: types, validation, composition along the Cargo graph.
//!
//! A server is a Cargo package with a `server.toml`; the roles that it is made of are packages
//! with a `role.toml` that it depends on; a board is a folder with a `board.toml`. Every key is
//! documented beside the struct that holds it: [`server_toml`](ServerToml), [`role_toml`](RoleToml),
//! [`board`](Board), and what servers and roles have in common, [`Part`].
//!
//! Reading and deciding are apart. [`Workspace`] touches the disk, Cargo and git; the
//! rest turns text into types and types into a [`Server`] and does nothing else:
//!
//! ```text
//! text ──parse──► ServerToml, RoleToml, Board ──compose──► Server
//! ```
//!
//! This crate knows nothing of package archives, images or sandboxes. It never follows a symlink
//! under a `rootfs/`: what is laid over a server's packages is data until the server runs.

mod archiso;
mod archive;
mod board;
mod claims;
mod compose;
pub mod edit;
mod epoch;
mod error;
mod extra;
mod first_boot;
mod git;
mod graph;
mod ignored;
mod install;
mod kernel;
mod keys;
mod layers;
mod load;
mod names;
mod new;
mod overlay;
mod own;
mod packages;
mod part;
mod paths;
mod permissions;
mod place;
mod problem;
mod read;
mod replaced;
mod secrets;
mod server;
mod span;
mod state;
mod suggest;
mod summary;
mod users;
mod workspace;

pub use archiso::{Decision, Left, LeftOut, Migration, from_archiso};
pub use archive::{
    Arch, Archive, Component, Debian, Distribution, DistributionName, Fingerprint, Pocket,
    SuiteName,
};
pub use board::{Architecture, Board, Drivers, Firmware, Initramfs, Module};
pub use compose::compose;
pub use epoch::{EPOCH_VARIABLE, Epoch};
pub use error::Error;
pub use extra::{Extra, ExtraName, ExtraSuite, ExtraUrl};
pub use first_boot::{Argument, FileName, FirstBoot, HOSTNAME, NEW, UnitName};
pub use ignored::Ignored;
pub use kernel::{Kernel, KernelArgument, LONGEST_CMDLINE};
pub use layers::LayerFormat;
pub use load::{RoleFiles, ServerFiles};
pub use names::{GroupName, Hostname, PartName, Refused, UserName};
pub use new::new_server;
pub use overlay::{Kind, Laid, OverlayEntry};
pub use own::{BesidePath, OwnFile};
pub use packages::{
    AskedFor, Constraint, DebconfQuestion, PackageName, PackageRequest, Pin, Version,
};
pub use part::{Part, RoleToml};
pub use paths::{RootPath, StateDir, StatePath};
pub use permissions::{Mode, Permission};
pub use problem::{Problem, Problems};
pub use secrets::KnownSecret;
pub use server::{Deadline, Server, ServerToml};
pub use span::Origin;
pub use state::{StateEntry, StateOption};
pub use summary::Summary;
pub use users::{Group, User};
pub use workspace::Workspace;
