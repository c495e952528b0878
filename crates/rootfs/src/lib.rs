//! The package tree and the config layer.
