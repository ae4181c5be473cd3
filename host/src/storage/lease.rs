//! Who works in a place that several machines reach: one of them at a time, kept by an object that it renews.
//!
//! No clock is compared with another's. A holder is taken to be gone when its object did not change while somebody watched it for [`Terms::silence`] by his own clock; a holder
//! that could not renew it for as long by its own takes itself to be replaced.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Creation, Store, Version};

/// How a lease is kept.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Between two renewals.
    pub beat: Duration,
    /// A holder that was not heard of for so long is gone.
    pub silence: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { beat: Duration::from_secs(10), silence: Duration::from_secs(60) }
    }
}

/// A process that works in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// The process's id there.
    pub process: u32,
    /// A number that only this holder has: names and ids are often the same.
    pub token: String,
}

impl Holder {
    /// This process; each time another holder.
    pub fn this() -> Self {
        use std::hash::{BuildHasher, Hasher};
        let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self { host: super::host_name(), process: std::process::id(), token: format!("{:016x}{:016x}", random(), random()) }
    }
}

/// What the object holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    holder: Holder,
    /// How often it was renewed, so that it changes.
    beats: u64,
    /// When it was taken, by the holder's clock: for people.
    since: String,
}

impl Record {
    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record is JSON")
    }
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("{}", held(.place, .by.as_deref(), *.silence))]
    Held {
        /// Whose place it is.
        place: PathBuf,
        /// The holder and since when, where its record can be read.
        by: Option<Box<(Holder, String)>>,
        /// When it would be taken over.
        silence: Duration,
    },
    /// The store does not do it.
    #[error("cannot lock {}", .place.display())]
    Store {
        /// The object.
        place: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn held(place: &std::path::Path, by: Option<&(Holder, String)>, silence: Duration) -> String {
    let place = place.display();
    match by {
        Some((Holder { host, process, .. }, since)) => {
            format!("{host} (process {process}) has worked in {place} since {since}; it is taken over when it was silent for {} s", silence.as_secs())
        }
        None => format!("another version of this program works in {place}; it is taken over when it was silent for {} s", silence.as_secs()),
    }
}

/// The sole right to work in a place, for as long as it is [renewed](Terms::beat). Dropped, it is given back.
#[derive(Debug)]
pub struct Lease {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    key: String,
    record: Record,
    terms: Terms,
    lost: Arc<AtomicBool>,
    heard: Mutex<Heard>,
    changed: Condvar,
}

/// What the threads of a lease tell each other.
#[derive(Debug)]
struct Heard {
    /// When the last renewal that succeeded began.
    at: Instant,
    /// Whether the lease is given back.
    over: bool,
}

impl Lease {
    /// Takes the lease of a place. Where somebody has it: at once an error, or, `patient`, as soon as the holder is seen to live; one that is silent is replaced.
    ///
    /// # Errors
    /// [`LeaseError::Held`]; a store that cannot be read or written.
    pub fn take(store: Arc<dyn Store>, key: &str, holder: Holder, terms: Terms, patient: bool) -> Result<Self, LeaseError> {
        let record = Record { holder, beats: 0, since: now() };
        let place = store.place(key);
        let begun = acquire(&*store, key, &record, terms, patient).map_err(|source| LeaseError::Store { place: place.clone(), source })?;
        let begun = begun.map_err(|other| {
            let by = other.map(|record| Box::new((record.holder, record.since)));
            LeaseError::Held { place: place.parent().unwrap_or(&place).to_owned(), by, silence: terms.silence }
        })?;
        let (lost, heard) = (Arc::new(AtomicBool::new(false)), Mutex::new(Heard { at: begun, over: false }));
        let shared = Arc::new(Shared { store, key: key.to_owned(), record, terms, lost, heard, changed: Condvar::new() });
        // The one may wait for the store; the other sees that it does so for too long.
        let threads = [Shared::beat as fn(&Shared), Shared::watch].map(|work| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || work(&shared))
        });
        Ok(Self { shared, threads: threads.into() })
    }

    /// Becomes true when the lease is another's, or may be: the caller's work has to end.
    pub fn lost(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.lost)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.heard().over = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let Shared { store, key, lost, .. } = &*self.shared;
        // Nobody takes it over between the two: it was renewed a moment ago.
        if !lost.load(Ordering::SeqCst) && matches!(store.get(key), Ok(Some(bytes)) if self.shared.is_ours(&bytes)) {
            let _ = store.delete(key);
        }
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, or less where the lease is given back; whether it is not.
    fn wait(&self, time: Duration) -> bool {
        let (heard, _) = self.changed.wait_timeout_while(self.heard(), time, |heard| !heard.over).unwrap_or_else(PoisonError::into_inner);
        !heard.over
    }

    fn is_ours(&self, bytes: &[u8]) -> bool {
        read(bytes).is_some_and(|record| record.holder == self.record.holder)
    }

    /// Renews the lease until it is given back or lost.
    fn beat(&self) {
        let mut beats = 0;
        while self.wait(self.terms.beat) && !self.lost.load(Ordering::SeqCst) {
            beats += 1;
            let begun = Instant::now();
            match self.renew(beats) {
                Ok(true) => self.heard().at = begun,
                Ok(false) => self.lose("another has taken it over"),
                // Perhaps the next one succeeds in time.
                Err(error) => tracing::warn!("cannot renew {}: {error}", self.store.place(&self.key).display()),
            }
        }
    }

    fn renew(&self, beats: u64) -> io::Result<bool> {
        match self.store.get_version(&self.key)? {
            Some((bytes, version)) if self.is_ours(&bytes) => {
                self.store.replace_version(&self.key, &Record { beats, ..self.record.clone() }.bytes(), &version)
            }
            _ => Ok(false),
        }
    }

    /// Sees to it that a lease that could not be renewed for too long counts as lost.
    fn watch(&self) {
        loop {
            let left = self.terms.silence.saturating_sub(self.heard().at.elapsed());
            if left.is_zero() {
                return self.lose("it could not be renewed in time");
            }
            if !self.wait(left) || self.lost.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    fn lose(&self, why: &str) {
        if !self.lost.swap(true, Ordering::SeqCst) {
            tracing::warn!("lost {}: {why}", self.store.place(&self.key).display());
        }
    }
}

/// When the lease was taken, by our clock; or who has it.
fn acquire(store: &dyn Store, key: &str, record: &Record, terms: Terms, patient: bool) -> io::Result<Result<Instant, Option<Record>>> {
    let bytes = record.bytes();
    let mut watched: Option<(Version, Instant)> = None;
    loop {
        let begun = Instant::now();
        let Some((there, version)) = store.get_version(key)? else {
            if store.create(key, &bytes)? == Creation::Created {
                return Ok(Ok(begun));
            }
            continue;
        };
        let other = read(&there);
        // An answer that got lost: it is ours.
        if other.as_ref().is_some_and(|other| other.holder == record.holder) {
            return Ok(Ok(begun));
        }
        let silent = match &watched {
            _ if !patient => return Ok(Err(other)),
            Some((before, _)) if *before != version => return Ok(Err(other)),
            Some((_, since)) => since.elapsed(),
            None => {
                tracing::info!("{}: waiting {} s to see whether its holder lives", store.place(key).display(), terms.silence.as_secs());
                watched = Some((version.clone(), Instant::now()));
                Duration::ZERO
            }
        };
        if silent >= terms.silence {
            let begun = Instant::now();
            if store.replace_version(key, &bytes, &version)? {
                return Ok(Ok(begun));
            }
            // Another was faster: the next look tells who.
            continue;
        }
        std::thread::sleep((terms.beat / 2).min(terms.silence - silent));
    }
}

fn read(bytes: &[u8]) -> Option<Record> {
    serde_json::from_slice(bytes).ok()
}

/// The time, as `2026-05-04 13:02:01 UTC`.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    Utc(seconds).to_string()
}

/// Seconds since 1970.
struct Utc(u64);

impl fmt::Display for Utc {
    /// The calendar's days by Hinnant's `civil_from_days`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400 + 719_468, self.0 % 86_400);
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        let year = era * 400 + year + u64::from(month <= 2);
        write!(f, "{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3_600, second / 60 % 60, second % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LocalStore;
    use super::*;

    /// Short, but long enough for a busy machine.
    const TERMS: Terms = Terms { beat: Duration::from_millis(100), silence: Duration::from_millis(1500) };
    const KEY: &str = "lease.json";

    fn store() -> (tempfile::TempDir, Arc<dyn Store>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::new(folder.path()));
        (folder, store)
    }

    fn take(store: &Arc<dyn Store>, patient: bool) -> Result<Lease, LeaseError> {
        Lease::take(Arc::clone(store), KEY, Holder::this(), TERMS, patient)
    }

    /// Puts in the place of any other a holder that is gone, with a clock a century ahead.
    fn gone(store: &Arc<dyn Store>) {
        let holder = Holder { host: "node-7".into(), process: 41, token: "t".into() };
        let bytes = Record { holder, beats: 3, since: "2126-05-04 13:02:01 UTC".into() }.bytes();
        while !match store.get_version(KEY).unwrap() {
            Some((_, version)) => store.replace_version(KEY, &bytes, &version).unwrap(),
            None => store.create(KEY, &bytes).unwrap() == Creation::Created,
        } {}
    }

    #[test]
    fn one_of_many_has_it_and_the_next_after_it() {
        let (_folder, store) = store();
        let first = take(&store, false).unwrap();
        let message = take(&store, true).unwrap_err().to_string();
        assert!(message.contains(&format!("(process {}) has worked in ", std::process::id())), "{message}");
        assert!(message.ends_with("; it is taken over when it was silent for 1 s"), "{message}");
        drop(first);
        assert_eq!(store.get(KEY).unwrap(), None, "given back");
        let winners = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| take(&store, false).ok())).collect();
            let leases: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            leases.iter().flatten().count()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn a_silent_holder_is_replaced_whatever_its_clock_says() {
        let (_folder, store) = store();
        gone(&store);
        let message = take(&store, false).unwrap_err().to_string();
        assert!(message.starts_with("node-7 (process 41) has worked in ") && message.contains(" since 2126-05-04 13:02:01 UTC; "), "{message}");
        let begun = Instant::now();
        let winners = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| take(&store, true))).collect();
            let leases: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(begun.elapsed() >= TERMS.silence, "it is watched first");
            leases.iter().flatten().filter(|lease| !lease.lost().load(Ordering::SeqCst)).count()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn whoever_is_replaced_learns_it_and_leaves_the_other_alone() {
        let (_folder, store) = store();
        let lease = take(&store, false).unwrap();
        let lost = lease.lost();
        gone(&store);
        let begun = Instant::now();
        while !lost.load(Ordering::SeqCst) {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not learn it");
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(lease);
        assert_eq!(read(&store.get(KEY).unwrap().unwrap()).unwrap().holder.host, "node-7");
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let check = |seconds, text: &str| assert_eq!(Utc(seconds).to_string(), text);
        check(0, "1970-01-01 00:00:00 UTC");
        check(951_782_399, "2000-02-28 23:59:59 UTC");
        check(951_868_799, "2000-02-29 23:59:59 UTC");
        check(4_102_444_800, "2100-01-01 00:00:00 UTC");
    }
}
