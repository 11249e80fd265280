//! Work on many items side by side.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does `work` for every item, at most `limit` at a time (at least one). The results come in the order of the items.
pub fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    limit: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let workers = limit.min(items.len());
    if workers < 2 {
        return items.iter().map(work).collect();
    }
    let next = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((index, item)) = take() {
                    let result = work(item);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..20).collect();
        for limit in [0, 1, 8, 100] {
            assert_eq!(
                side_by_side(&items, limit, |n| n * 2),
                (0..20).map(|n| n * 2).collect::<Vec<_>>()
            );
        }
        assert!(side_by_side(&[], 8, |n: &u64| *n).is_empty());
    }

    #[test]
    fn as_many_as_allowed_work_at_once_and_no_more() {
        // Each waits for two more, so this ends only if three work at once.
        let together = Barrier::new(3);
        let (working, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        side_by_side(&[(); 9], 3, |()| {
            let now = working.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            together.wait();
            working.fetch_sub(1, Ordering::SeqCst);
        });
        assert_eq!(most.into_inner(), 3);
    }
}
