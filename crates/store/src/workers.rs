//! The same work over many things, on a few threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Calls `work` on every one of `items`, on at most `threads` threads; the results are in the order
/// of the items. Stops handing out items after the first error, and returns it.
pub(crate) fn map<T: Sync, R: Send, E: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let failed: Mutex<Option<E>> = Mutex::new(None);
    let run = || {
        while let Some((index, item)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).map(|item| (index, item))
        } {
            match work(item) {
                Ok(result) => {
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
                Err(error) => {
                    next.store(items.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(run);
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// As many threads as there are processors.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled: Result<Vec<u32>, ()> = map(7, &items, |item| Ok(item * 2));
        assert_eq!(doubled.unwrap(), items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_ends_the_work() {
        let done = AtomicUsize::new(0);
        let items = vec![(); 100_000];
        let result: Result<Vec<()>, &str> = map(2, &items, |()| {
            done.fetch_add(1, Ordering::Relaxed);
            Err("no")
        });
        assert_eq!(result, Err("no"));
        assert!(done.load(Ordering::Relaxed) <= 2);
    }

    #[test]
    fn no_items_are_no_work() {
        assert_eq!(map(4, &[] as &[u8], |_| Err::<(), ()>(())), Ok(Vec::new()));
    }
}
