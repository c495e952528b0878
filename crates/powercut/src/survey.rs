//! All states judged: a table of what they start, and where that went wrong.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Result;
use crate::judge::{Choice, Judge};
use crate::plan::Cut;
use crate::state::State;

/// So many failures are kept with their cuts.
const KEPT: usize = 20;

/// What judging many states has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many states were judged.
    pub states: u64,
    /// How many of them start which entry, whole.
    pub starts: BTreeMap<String, u64>,
    /// How many failed: they start nothing, half of something, or what is not expected.
    pub failed: u64,
    /// The first of these, and why.
    pub failures: Vec<(Cut, String)>,
}

impl Survey {
    /// Judges `states`. `expected` says what is wrong with starting this entry at this cut, when
    /// something is: an entry that was not armed yet, or one that was given up.
    ///
    /// # Errors
    /// Those of the states and of [`Judge::judge`]. A failure is none.
    pub fn of(
        states: impl IntoIterator<Item = Result<State>>,
        judge: &mut Judge<'_>,
        mut expected: impl FnMut(&Cut, &Choice) -> std::result::Result<(), String>,
    ) -> Result<Self> {
        let mut survey = Self::default();
        for state in states {
            let state = state?;
            let verdict = judge.judge(&state)?;
            survey.states += 1;
            let wrong = match verdict.whole() {
                None => Some(verdict.to_string()),
                Some(choice) => {
                    *survey.starts.entry(choice.entry.clone()).or_default() += 1;
                    expected(state.cut(), choice).err().map(|why| format!("{verdict}: {why}"))
                }
            };
            if let Some(why) = wrong {
                survey.failed += 1;
                if survey.failures.len() < KEPT {
                    survey.failures.push((state.cut().clone(), why));
                }
            }
        }
        Ok(survey)
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8}  states", self.states)?;
        for (entry, states) in &self.starts {
            writeln!(f, "{states:>8}  start {entry}")?;
        }
        write!(f, "{:>8}  failed", self.failed)?;
        for (cut, why) in &self.failures {
            write!(f, "\n{cut}\n    {why}")?;
        }
        Ok(())
    }
}
