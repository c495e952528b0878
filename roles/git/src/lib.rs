//! The role `git`. Nothing of its own runs: its health is that of the role `ssh`.
