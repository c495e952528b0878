//! Modules that wait to be loaded, and what may be loaded at the same time: most of the time that a
//! module takes is spent on its signature, which processors can check side by side.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use generation::Modules;

/// The queue of all that load.
pub(crate) struct Queue<'a> {
    table: &'a Modules,
    state: Mutex<State<'a>>,
    changed: Condvar,
}

#[derive(Default)]
struct State<'a> {
    /// Those to be loaded first stand first.
    waiting: Vec<&'a str>,
    running: BTreeSet<&'a str>,
    /// Those that were loaded since the last look.
    finished: Vec<&'a str>,
    closed: bool,
}

impl<'a> Queue<'a> {
    pub(crate) fn new(table: &'a Modules) -> Self {
        Self { table, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Puts modules before all others that wait.
    pub(super) fn add(&self, plan: Vec<&'a str>) {
        self.state().waiting.splice(0..0, plan);
        self.changed.notify_all();
    }

    /// Puts modules behind all others that wait.
    pub(super) fn add_last(&self, plan: Vec<&'a str>) {
        self.state().waiting.extend(plan);
        self.changed.notify_all();
    }

    /// The next module that can be loaded; waits for it; none once the queue is closed.
    pub(super) fn take(&self) -> Option<&'a str> {
        let mut state = self.state();
        while !state.closed {
            if let Some(name) = state.take(self.table) {
                return Some(name);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// A module was loaded, or cannot be.
    pub(super) fn finish(&self, name: &'a str) {
        let mut state = self.state();
        state.running.remove(name);
        state.finished.push(name);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for modules that are finished, for `time` at most: none when nothing is loaded any
    /// more, and an empty list when none came so far.
    pub(super) fn finished(&self, time: Duration) -> Option<Vec<&'a str>> {
        let mut state = self.state();
        if state.finished.is_empty() {
            if state.waiting.is_empty() && state.running.is_empty() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, time);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(std::mem::take(&mut state.finished))
    }

    /// Nothing comes any more.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> State<'a> {
    /// The first that needs nothing that is still to be loaded; where needs are circular the first.
    fn take(&mut self, table: &Modules) -> Option<&'a str> {
        let is_open = |name: &String| {
            self.running.contains(name.as_str()) || self.waiting.contains(&name.as_str())
        };
        let needs_nothing = |name: &&str| {
            table.modules.get(*name).is_none_or(|around| !around.before.iter().any(is_open))
        };
        let circular = self.running.is_empty() && !self.waiting.is_empty();
        let at = self.waiting.iter().position(needs_nothing).or(circular.then_some(0))?;
        let name = self.waiting.remove(at);
        self.running.insert(name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn what_needs_nothing_that_is_open_is_loaded_at_the_same_time() {
        let table = Modules::parse("module a\nmodule b a\nmodule c\nmodule d c b\n");
        let queue = Queue::new(&table);
        queue.add(table.plan(["d"]));
        assert_eq!((queue.take(), queue.take()), (Some("c"), Some("a")));
        queue.finish("c");
        assert_eq!(queue.finished(NOW), Some(vec!["c"]));
        assert_eq!(queue.finished(NOW), Some(vec![]));
        queue.finish("a");
        assert_eq!(queue.take(), Some("b"));
        queue.finish("b");
        assert_eq!(queue.take(), Some("d"));
        queue.finish("d");
        assert_eq!(queue.finished(NOW), Some(vec!["a", "b", "d"]));
        assert_eq!(queue.finished(NOW), None);
        queue.close();
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn needs_in_a_circle_keep_nobody_waiting() {
        let table = Modules::parse("module a b\nmodule b a\n");
        let queue = Queue::new(&table);
        queue.add(table.plan(["a"]));
        assert_eq!(queue.take(), Some("b"));
        queue.finish("b");
        assert_eq!(queue.take(), Some("a"));
    }

    #[test]
    fn what_is_added_later_goes_first_where_it_can() {
        let table = Modules::parse("module a\nmodule b a\nmodule c b\nmodule watchdog\n");
        let queue = Queue::new(&table);
        queue.add(vec!["a", "b"]);
        queue.add(vec!["watchdog", "c"]);
        assert_eq!((queue.take(), queue.take()), (Some("watchdog"), Some("a")));
        queue.finish("watchdog");
        queue.finish("a");
        assert_eq!(queue.take(), Some("b"));
        queue.finish("b");
        assert_eq!(queue.take(), Some("c"));
    }
}
