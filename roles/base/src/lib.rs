//! What every server has.
