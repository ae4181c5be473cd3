//! Files of this machine to an object store and back, in parts: the memory it takes does not depend on their size.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path as FilePath;

use bytes::Bytes;
use convert_formats::whole_file;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{Error, ObjectStoreExt, PutPayload};

use super::refusal::Doing;
use super::{ObjectStorage, absent_is_none, cut_off};

/// A part at least; services take 5 MB at least, and 10,000 parts at most.
const PART: u64 = 8 << 20;
const MAX_PARTS: u64 = 9_000;
/// Parts on their way at once.
const AT_ONCE: usize = 4;

/// Copies a file to an object.
pub(super) fn publish(storage: &ObjectStorage, file: &FilePath, key: &str) -> io::Result<()> {
    let path = storage.path(key)?;
    let mut source = File::open(file)?;
    let size = source.metadata()?.len();
    if size <= PART {
        let mut bytes = Vec::with_capacity(size as usize);
        source.read_to_end(&mut bytes)?;
        return storage.put(key, &bytes, &object_store::PutMode::Overwrite).map_err(|failed| failed.error);
    }
    let part = PART.max(size.div_ceil(MAX_PARTS));
    // What goes wrong while the file is read is not the service's.
    let broken = RefCell::new(None);
    let result = storage.persist(Doing::Write, || async {
        let read = |number: u64| read_part(file, number * part, part.min(size - number * part)).map_err(|error| note(&broken, error));
        let mut upload = storage.store.put_multipart(&path).await?;
        let sent = async {
            let mut on_their_way = FuturesUnordered::new();
            for number in 0..size.div_ceil(part) {
                if on_their_way.len() == AT_ONCE {
                    on_their_way.next().await.transpose()?;
                }
                on_their_way.push(upload.put_part(PutPayload::from(read(number)?)));
            }
            on_their_way.try_for_each(|()| std::future::ready(Ok(()))).await?;
            upload.complete().await
        };
        let sent = sent.await;
        if sent.is_err() {
            // Parts that are left cost, until a rule of the bucket removes them.
            let _ = upload.abort().await;
        }
        sent.map(|_| ())
    });
    match broken.into_inner() {
        Some(error) if result.is_err() => Err(error),
        _ => result,
    }
}

fn read_part(file: &FilePath, start: u64, length: u64) -> io::Result<Bytes> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

/// Copies an object to a file; whether there is one.
pub(super) fn fetch(storage: &ObjectStorage, key: &str, file: &FilePath) -> io::Result<bool> {
    let path = storage.path(key)?;
    // What goes wrong while the file is written is not the service's.
    let broken = RefCell::new(None);
    let written = whole_file::write(file, |target| {
        let result = storage.settled(Doing::Read, || async {
            let result = storage.store.get(&path).await?;
            let (size, mut pieces) = (result.meta.size, result.into_stream());
            let mut file = target;
            // A try before may have written some.
            file.set_len(0).and_then(|()| file.rewind()).map_err(|error| note(&broken, error))?;
            let mut came = 0;
            while let Some(piece) = pieces.try_next().await? {
                came += piece.len() as u64;
                file.write_all(&piece).map_err(|error| note(&broken, error))?;
            }
            if came == size { Ok(()) } else { Err(cut_off(came, size)) }
        });
        match broken.take() {
            Some(error) => Err(Unwritten::Failed(error)),
            None => absent_is_none(result)?.ok_or(Unwritten::NotThere),
        }
    });
    match written {
        Ok(()) => Ok(true),
        Err(Unwritten::NotThere) => Ok(false),
        Err(Unwritten::Failed(error)) => Err(error),
    }
}

/// Why a file is not written.
enum Unwritten {
    NotThere,
    Failed(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Keeps an error of this machine, and ends the call, which would not go better another time.
fn note(broken: &RefCell<Option<io::Error>>, error: io::Error) -> Error {
    let told = Error::NotSupported { source: error.to_string().into() };
    *broken.borrow_mut() = Some(error);
    told
}
