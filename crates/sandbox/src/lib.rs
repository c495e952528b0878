//! Namespaces, the pinned tool root, and the one place that starts programs.
