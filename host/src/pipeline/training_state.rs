//! What a labeler keeps of a training that has not ended, for another machine to go on with where the run lies in an object store.
//!
//! A labeler writes into a folder of this machine. Its files are copied to the run's place from time to time, and when the training is interrupted.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, SystemTime};

use crate::engine::Stage;
use crate::errors::{FileError, chain};

/// The place of the files within their stage.
const STATE: &str = "training";
/// How often they are copied.
const INTERVAL: Duration = Duration::from_secs(60);
/// Larger ones are made anew by another machine.
const LARGEST: u64 = 256 << 20;

/// Takes up what another machine kept of the training, where this one has nothing; trains; keeps what is done meanwhile.
pub(super) fn kept<T, E>(stage: &Stage, train: impl FnOnce() -> Result<T, E>) -> Result<Result<T, E>, FileError> {
    if !stage.store.is_remote() {
        return Ok(train());
    }
    take_up(stage)?;
    let mut copies = Copies { stage, copied: HashMap::new() };
    let (end, ended) = channel::<()>();
    Ok(std::thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                match ended.recv_timeout(INTERVAL) {
                    Err(RecvTimeoutError::Timeout) => copies.update(),
                    Ok(()) => return copies.update(),
                    // It has ended well: the checkpoint is what counts.
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        let trained = train();
        if trained.is_err() {
            // The thread waits for it.
            let _ = end.send(());
        }
        drop(end);
        trained
    }))
}

/// Forgets what was kept: the training has ended.
pub(super) fn forget(stage: &Stage) -> Result<(), FileError> {
    let prefix = stage.object(STATE);
    if stage.store.is_remote() { stage.store.delete_all(&prefix).map_err(FileError::of("remove", &stage.store.place(&prefix))) } else { Ok(()) }
}

fn take_up(stage: &Stage) -> Result<(), FileError> {
    if files(stage).next().is_some() {
        return Ok(());
    }
    let prefix = stage.object(STATE);
    let failed = || FileError::of("read", &stage.folder);
    for name in stage.store.list(&prefix).map_err(FileError::of("list", &stage.store.place(&prefix)))?.into_keys() {
        stage.store.fetch(&format!("{prefix}/{name}"), &stage.folder.join(&name)).map_err(failed())?;
    }
    Ok(())
}

/// The training's files that are small enough, with the times of their change.
fn files(stage: &Stage) -> impl Iterator<Item = (PathBuf, SystemTime)> {
    let entries = fs::read_dir(&stage.folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let (metadata, path) = (entry.metadata().ok()?, entry.path());
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let wanted = metadata.is_file() && metadata.len() <= LARGEST && !hidden && !convert_formats::whole_file::is_temporary(&path);
        wanted.then_some((path, metadata.modified().ok()?))
    })
}

struct Copies<'a> {
    stage: &'a Stage,
    copied: HashMap<PathBuf, SystemTime>,
}

impl Copies<'_> {
    /// Copies what has changed. What cannot be copied costs another machine time, no more.
    fn update(&mut self) {
        for (path, changed) in files(self.stage) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if self.copied.get(&path) == Some(&changed) {
                continue;
            }
            let key = self.stage.object(&format!("{STATE}/{name}"));
            match self.stage.store.publish(&path, &key).map_err(FileError::of("keep", &path)) {
                Ok(()) => _ = self.copied.insert(path, changed),
                Err(error) => tracing::warn!("{}: it is tried again", chain(&error)),
            }
        }
    }
}
