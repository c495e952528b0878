//! Package trees measured by what apt makes of the same packages.
//!
//! ```text
//! list         rows of packages, of a release and a day
//! apt          the job: mmdebstrap installs exactly the locked files
//! survey       a tree as it is compared: by names instead of ids, with its small texts
//! forms        texts of which two spellings say the same
//! allowed      the differences that are meant, each with its reason
//! difference   two surveys, compared
//! boot         the row's packages as a server in QEMU
//! results      what came of each row; table: the same for people
//! ```
//!
//! `docs/reference/package-tree.md` has both tables, [`forms::FORMS`] and [`allowed::ALLOWED`].

pub mod allowed;
pub mod apt;
pub mod boot;
pub mod difference;
mod error;
pub mod forms;
pub mod list;
mod pattern;
pub mod results;
pub mod survey;
pub mod table;

pub use error::Error;
