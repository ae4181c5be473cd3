//! Work on numbered items by several threads, handed over in their order.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use convert_sdk::{Error, Result};

/// Makes the items 0 to `count` - 1 on `threads` threads and gives them to `take` in their order, on the calling thread.
///
/// At most `ahead` items are being made or wait to be taken, so that memory is bounded however slow `take` is. What `make` gives must depend on the number alone;
/// then nothing depends on the threads.
///
/// # Errors
/// What `take` says; nothing more is made then.
pub fn in_order<T: Send>(
    threads: usize,
    count: usize,
    ahead: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let (threads, ahead) = (threads.clamp(1, count.max(1)), ahead.max(1));
    let queue = Queue { state: Mutex::new(State { begun: 0, taken: 0, made: VecDeque::new(), stopped: false }), changed: Condvar::new() };
    let work = || {
        let _stop = StopOnPanic(&queue);
        while let Some(number) = queue.begin(count, ahead) {
            queue.finish(number, make(number));
        }
    };
    std::thread::scope(|scope| {
        // Whatever ends this, an error or a panic of `take`: the threads must not wait for room for ever.
        let _stop = Stop(&queue);
        (0..threads).for_each(|_| {
            scope.spawn(work);
        });
        for number in 0..count {
            take(number, queue.next()?)?;
        }
        Ok(())
    })
}

struct State<T> {
    begun: usize,
    taken: usize,
    /// From `taken` on; `None` is still being made.
    made: VecDeque<Option<T>>,
    stopped: bool,
}

struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next number to make, once there is room.
    fn begin(&self, count: usize, ahead: usize) -> Option<usize> {
        let mut state = self.lock();
        while !state.stopped && state.begun < count && state.begun >= state.taken + ahead {
            state = self.wait(state);
        }
        if state.stopped || state.begun == count {
            return None;
        }
        state.begun += 1;
        state.made.push_back(None);
        Some(state.begun - 1)
    }

    fn finish(&self, number: usize, item: T) {
        let mut state = self.lock();
        let at = number - state.taken;
        state.made[at] = Some(item);
        drop(state);
        self.changed.notify_all();
    }

    fn next(&self) -> Result<T> {
        let mut state = self.lock();
        loop {
            if let Some(Some(_)) = state.made.front()
                && let Some(Some(item)) = state.made.pop_front()
            {
                state.taken += 1;
                drop(state);
                self.changed.notify_all();
                return Ok(item);
            }
            if state.stopped {
                return Err(Error::invalid("a thread that worked ahead has ended"));
            }
            state = self.wait(state);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

struct Stop<'a, T>(&'a Queue<T>);

impl<T> Drop for Stop<'_, T> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

struct StopOnPanic<'a, T>(&'a Queue<T>);

impl<T> Drop for StopOnPanic<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn items_come_in_order_and_never_more_than_so_many_ahead() {
        let (taken, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let make = |number: usize| {
            most.fetch_max(number - taken.load(Ordering::SeqCst).min(number), Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(if number.is_multiple_of(7) { 900 } else { 20 }));
            number * 3
        };
        let mut got = Vec::new();
        in_order(4, 100, 6, make, |number, item| {
            taken.store(number, Ordering::SeqCst);
            got.push((number, item));
            Ok(())
        })
        .unwrap();
        assert_eq!(got, (0..100).map(|number| (number, number * 3)).collect::<Vec<_>>());
        // Between an item's being taken and this test's noting it another one may begin.
        assert!((4..=7).contains(&most.into_inner()));
        in_order(3, 0, 1, |_| (), |_, ()| panic!("there is none")).unwrap();
    }

    #[test]
    fn an_error_and_a_panic_end_the_work() {
        let made = AtomicUsize::new(0);
        let count = |number: usize| {
            made.fetch_add(1, Ordering::SeqCst);
            number
        };
        let error = in_order(2, 1_000_000, 4, count, |number, _| if number == 5 { Err(Error::invalid("enough")) } else { Ok(()) });
        assert_eq!(error.unwrap_err().message, "enough");
        assert!(made.into_inner() < 20);
        let panicking = || in_order(2, 100, 4, |number| assert_ne!(number, 9, "a bad item"), |_, ()| Ok(()));
        assert!(std::panic::catch_unwind(panicking).is_err());
    }
}
