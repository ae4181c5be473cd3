//! Trying again what failed for the world's sake: a file server that is away, a permission, descriptors that ran out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use convert_sdk::{Error, ErrorKind};

/// How long is waited before each new try, 5 s in all: a restarting file server is back by then, and one that is gone for good costs no more.
const WAITS: [Duration; 4] = [Duration::from_millis(200), Duration::from_millis(600), Duration::from_millis(1400), Duration::from_millis(2800)];
/// An interruption is seen this soon.
const GLANCE: Duration = Duration::from_millis(50);

/// Calls `attempt` until it succeeds, fails for another reason than [`ErrorKind::Io`], or has failed five times in 5 s; `what` names it in the log.
///
/// # Errors
/// What the last try gave.
pub fn patiently<T>(cancel: &AtomicBool, what: impl Fn() -> String, mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut result = attempt();
    for wait in WAITS {
        match &result {
            Err(error) if error.kind == ErrorKind::Io && !cancel.load(Ordering::SeqCst) => {
                tracing::warn!("{}: {error}: trying again in {} ms", what(), wait.as_millis());
            }
            _ => return result,
        }
        let begun = Instant::now();
        while begun.elapsed() < wait && !cancel.load(Ordering::SeqCst) {
            std::thread::sleep(GLANCE.min(wait));
        }
        result = attempt();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(kind: ErrorKind, fails: usize, cancelled: bool) -> (usize, Result<(), ErrorKind>) {
        let mut count = 0;
        let result = patiently(
            &AtomicBool::new(cancelled),
            || "a.png".into(),
            || {
                count += 1;
                if count <= fails { Err(Error::new(kind, "away")) } else { Ok(()) }
            },
        );
        (count, result.map_err(|error| error.kind))
    }

    #[test]
    fn only_the_worlds_failures_are_tried_again_and_not_after_an_interruption() {
        assert_eq!(tries(ErrorKind::Io, 2, false), (3, Ok(())));
        assert_eq!(tries(ErrorKind::InvalidInput, 2, false), (1, Err(ErrorKind::InvalidInput)));
        assert_eq!(tries(ErrorKind::Io, 2, true), (1, Err(ErrorKind::Io)));
        assert_eq!(tries(ErrorKind::Io, 9, false), (5, Err(ErrorKind::Io)));
    }
}
