//! Shards read ahead by several threads, and taken in order.

use std::sync::mpsc::{Receiver, sync_channel};

/// Reads shards on so many threads and gives them to `take` one after the other, in order. A thread is ahead by two shards at most. The first error, of whichever shard comes
/// first, ends it.
///
/// # Errors
/// What `read` and `take` say.
pub fn read_ahead<T: Send, E: Send>(
    threads: usize,
    shards: usize,
    read: impl Fn(usize) -> Result<T, E> + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.clamp(1, shards.max(1));
    std::thread::scope(|scope| {
        let begin = |first: usize| -> Receiver<Result<T, E>> {
            let (sender, receiver) = sync_channel(1);
            let read = &read;
            scope.spawn(move || {
                for shard in (first..shards).step_by(threads) {
                    let result = read(shard);
                    let last = result.is_err();
                    // The one who takes may have ended.
                    if sender.send(result).is_err() || last {
                        return;
                    }
                }
            });
            receiver
        };
        let receivers: Vec<Receiver<Result<T, E>>> = (0..threads).map(begin).collect();
        for shard in 0..shards {
            // A thread ends early after an error, which was received, or a panic, which goes on when the scope ends.
            let Ok(result) = receivers[shard % threads].recv() else { break };
            take(shard, result?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn shards_come_in_order_and_few_are_read_ahead() {
        for (threads, shards) in [(1, 5), (3, 20), (8, 3), (2, 0)] {
            let (reading, mut taken) = (AtomicUsize::new(0), Vec::new());
            let read = |shard: usize| {
                reading.fetch_add(1, Ordering::SeqCst);
                Ok::<_, ()>(shard * 10)
            };
            let take = |shard: usize, value| {
                assert!(reading.load(Ordering::SeqCst) <= shard + 1 + 2 * threads + threads, "too far ahead");
                taken.push((shard, value));
                Ok(())
            };
            read_ahead(threads, shards, read, take).unwrap();
            assert_eq!(taken, (0..shards).map(|shard| (shard, shard * 10)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_in_order_counts_and_ends_it() {
        let read = |shard: usize| if shard >= 7 { Err(shard) } else { Ok(shard) };
        let mut taken = 0;
        let count = |_, _| {
            taken += 1;
            Ok(())
        };
        assert_eq!((read_ahead(4, 100, read, count), taken), (Err(7), 7));
        assert_eq!(read_ahead(4, 100, Ok, |shard, _| if shard == 3 { Err("enough") } else { Ok(()) }), Err("enough"));
    }
}
