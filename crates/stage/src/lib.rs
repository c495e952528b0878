//! Stages: pure functions of their inputs, run once a key.
