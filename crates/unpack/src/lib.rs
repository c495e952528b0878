//! Package files laid into a tree that they cannot leave.
