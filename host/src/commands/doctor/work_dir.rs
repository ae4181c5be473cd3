//! `convert doctor --work-dir`: whether a run could lie in a place.

use std::io;
use std::time::{Duration, Instant};

use crate::errors::{FileError, may_pass};
use crate::failure::Failure;
use crate::storage::{Creation, Holder, LocalStore, ObjectStorage, Store};

/// Somebody waits: a service that does not answer is given up sooner than in a run.
const PATIENCE: Duration = Duration::from_secs(20);

/// Does to one object all that a run does to its own, and prints a line for each.
///
/// # Errors
/// What does not work there, and what to do.
pub fn try_work_dir(place: &str) -> Result<(), Failure> {
    let store: Box<dyn Store> = if ObjectStorage::is_address(place) {
        Box::new(ObjectStorage::open_for(place, PATIENCE).map_err(Failure::usage)?)
    } else {
        Box::new(LocalStore::new(place))
    };
    let folder = format!("doctor-{}", Holder::this().token);
    answer!("{:<10} {}", "work_dir", place);
    let tried = try_store(&*store, &folder);
    let removed = timed("delete", "remove", &*store, &folder, "", || store.delete_all(&folder).map(|()| true));
    tried.and(removed)
}

fn try_store(store: &dyn Store, folder: &str) -> Result<(), Failure> {
    const ALONE: &str = "it wrote an object where there was one: several machines cannot share a run there, choose another service";
    const OTHER: &str = "it gives other bytes than were written: choose another service";
    let key = format!("{folder}/probe");
    let try_it = |name, doing, wrong, work: &dyn Fn() -> io::Result<bool>| timed(name, doing, store, &key, wrong, work);
    try_it("create", "write", OTHER, &|| Ok(store.create(&key, b"first")? == Creation::Created))?;
    try_it("once only", "write", ALONE, &|| Ok(store.create(&key, b"again")? == Creation::AlreadyThere))?;
    try_it("read", "read", OTHER, &|| Ok(store.get(&key)?.is_some_and(|bytes| bytes == "first")))?;
    try_it("range", "read", OTHER, &|| Ok(store.get_range(&key, 1..3)? == "ir"))?;
    try_it("list", "list", "it does not list what was written: choose another service", &|| Ok(store.list(folder)?.get("probe") == Some(&5)))?;
    try_it("version", "write", ALONE, &|| {
        let Some((_, first)) = store.get_version(&key)? else { return Ok(false) };
        Ok(store.replace_version(&key, b"second", &first)? && !store.replace_version(&key, b"third", &first)?)
    })
}

fn timed(name: &str, doing: &'static str, store: &dyn Store, key: &str, wrong: &str, work: impl Fn() -> io::Result<bool>) -> Result<(), Failure> {
    let (begun, place) = (Instant::now(), store.place(key));
    match work() {
        Ok(true) => {
            answer!("{name:<10} {} ms", begun.elapsed().as_millis());
            Ok(())
        }
        Ok(false) => Err(Failure::usage(format!("{}: {wrong}", place.display()))),
        Err(error) => {
            let error = FileError::of(doing, &place)(error);
            Err(if may_pass(&error) { error.into() } else { Failure::usage(error) })
        }
    }
}
