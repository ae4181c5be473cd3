//! Going through what stages stored of all samples, in order, with shards read ahead on all threads.

use serde::de::DeserializeOwned;

use super::error::PipelineError;
use super::session::Session;
use crate::engine::{Stage, read_ahead};

/// So many shards at least are read at once from an object store, where reading is mostly waiting.
const REMOTE_READERS: usize = 8;

impl Session {
    /// Gives every stored result of a stage to `take`, with its sample's index, in the samples' order.
    ///
    /// # Errors
    /// Stored results that cannot be read, and what `take` says.
    pub(super) fn for_each_stored<T: DeserializeOwned + Send>(
        &self,
        stage: &Stage,
        mut take: impl FnMut(usize, T) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let read = |shard| Ok(stage.read::<T>(&self.samples, shard)?);
        self.for_each_shard(read, |rows: Vec<(usize, T)>| rows.into_iter().try_for_each(|(index, row)| take(index, row)))
    }

    /// Reads something of every shard, and gives it to `take` in order.
    ///
    /// # Errors
    /// What `read` and `take` say.
    pub(super) fn for_each_shard<T: Send>(
        &self,
        read: impl Fn(usize) -> Result<T, PipelineError> + Sync,
        mut take: impl FnMut(T) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let threads = self.runner.pool.current_num_threads();
        let readers = if self.recipe.store.is_remote() { threads.max(REMOTE_READERS) } else { threads };
        read_ahead(readers, self.samples.shards(), read, |_, value| take(value))
    }
}
