//! What the program `archive` is asked, and how it says that it could not.
//!
//! It reads one [`Order`] as JSON from standard input and writes the answer to standard output, as
//! JSON of `Result<Lock, Failure>` for [`Job::Resolve`] and [`Job::Update`], of
//! `Result<(), Failure>` for [`Job::Verify`]. What it shows meanwhile goes to standard error.

use serde::{Deserialize, Serialize};

use crate::{Lock, Request};

/// A job, and where files come from while it is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// How the store is opened.
    pub store: store::Options,
    /// What a person is to see.
    pub console: progress::Settings,
    /// What to do.
    pub job: Job,
}

/// What there is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Resolve a request; of `previous` the ids of users are kept, and that an index is no older.
    Resolve {
        /// Whose it is, for people.
        subject: String,
        /// What is asked for.
        request: Request,
        /// The lock that there is.
        previous: Option<Lock>,
    },
    /// The same, where only `moving` and what they need leave the versions of `previous`.
    Update {
        /// Whose it is, for people.
        subject: String,
        /// What is asked for.
        request: Request,
        /// The lock that there is.
        previous: Lock,
        /// Names of packages.
        moving: Vec<String>,
    },
    /// Check the signatures of Arch's packages, which are in the store.
    Verify {
        /// The packages.
        lock: Lock,
        /// Fingerprints of the main keys; Arch's own where there are none.
        main_keys: Vec<String>,
    },
}

/// An error with its causes, as another process met it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    cause: Option<Box<Self>>,
}

impl Failure {
    /// Everything that `error` and its causes say; `hint` knows what each of them advises.
    pub fn of(
        error: &(dyn std::error::Error + 'static),
        hint: &dyn Fn(&(dyn std::error::Error + 'static)) -> Option<String>,
    ) -> Self {
        Self {
            message: error.to_string(),
            hint: hint(error),
            cause: error.source().map(|cause| Box::new(Self::of(cause, hint))),
        }
    }

    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone().or_else(|| self.cause.as_ref()?.hint())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.cause.as_deref()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_in_another_process_what_its_error_said() {
        let cause = std::io::Error::other("no such host");
        let error = crate::Error::Read { path: "/w/server.lock".into(), source: cause };
        let advised = |error: &(dyn std::error::Error + 'static)| {
            error.is::<std::io::Error>().then(|| "look at the network".to_owned())
        };
        let sent = serde_json::to_string(&Failure::of(&error, &advised)).unwrap();
        let met: Failure = serde_json::from_str(&sent).unwrap();
        assert_eq!(met.to_string(), "cannot read the lock /w/server.lock");
        assert_eq!(std::error::Error::source(&met).unwrap().to_string(), "no such host");
        assert_eq!(met.hint().unwrap(), "look at the network");
    }
}
