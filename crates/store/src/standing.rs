//! What is thought of each source while a command runs.
//!
//! A mirror that cannot be reached, or has failed a few times, is not asked for the hundreds of
//! files to come: each of them would wait for the same failure.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::refusal::Reason;

/// After so many faults a source is set aside.
const FAULTS: u32 = 3;

/// Sources and their faults.
#[derive(Debug, Default)]
pub(crate) struct Standing(Mutex<HashMap<String, Record>>);

#[derive(Debug, Default)]
struct Record {
    faults: u32,
    set_aside: Option<String>,
}

impl Standing {
    /// Why a source is not to be asked any more.
    pub(crate) fn set_aside(&self, source: &str) -> Option<String> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.get(source)?.set_aside.clone()
    }

    /// Notes a fault. True when the source is set aside by it.
    pub(crate) fn note(&self, source: &str, reason: &Reason) -> bool {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.entry(source.to_owned()).or_default();
        record.faults += 1;
        let out = matches!(reason, Reason::Unreachable(_)) || record.faults >= FAULTS;
        if !out || record.set_aside.is_some() {
            return false;
        }
        record.set_aside = Some(format!("it {reason}"));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_cannot_be_reached_is_set_aside_at_once() {
        let standing = Standing::default();
        assert!(standing.note("a", &Reason::Unreachable("refused".into())));
        assert!(standing.set_aside("a").is_some_and(|why| why.contains("refused")));
        assert!(!standing.note("a", &Reason::Unreachable("refused".into())), "said once");
        assert_eq!(standing.set_aside("b"), None);
    }

    #[test]
    fn one_bad_file_does_not_condemn_a_source_and_three_do() {
        let standing = Standing::default();
        let bad = Reason::Truncated { found: 1, expected: 2 };
        assert!(!standing.note("a", &bad));
        assert!(!standing.note("a", &bad));
        assert_eq!(standing.set_aside("a"), None);
        assert!(standing.note("a", &bad));
        assert!(standing.set_aside("a").is_some());
    }
}
