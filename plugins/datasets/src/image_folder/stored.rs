//! Class folders in an object store: names with slashes, listed anew each time, by 1,000 in a request and of several classes at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use convert_formats::storage::{Object, Storage};
use convert_sdk::{Result, ResultExt};

use super::is_image;
use crate::files;
use crate::roots::at_once;

/// What lies below an address.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// The images of each class folder: names below it, with their revisions.
    pub classes: BTreeMap<String, Vec<(String, u64)>>,
    /// The images in no class folder.
    pub stray: Vec<(String, u64)>,
}

impl Stored {
    /// Lists all images.
    ///
    /// # Errors
    /// What cannot be listed.
    pub fn list(storage: &Storage, address: &str, extensions: &[String]) -> Result<Self> {
        let (mut folders, mut stray) = (BTreeSet::new(), Vec::new());
        let named = || format!("cannot list {address}");
        storage
            .list(address, false, |page| {
                folders.extend(page.folders.into_iter().filter(|name| !name.starts_with('.')));
                stray.extend(page.objects.iter().filter_map(|object| image(object, extensions)));
                Ok(())
            })
            .context(named)?;
        let folders: Vec<String> = folders.into_iter().collect();
        let images = at_once(&folders, |folder| {
            let mut images = Vec::new();
            storage.list(&format!("{address}/{folder}"), true, |page| {
                images.extend(page.objects.iter().filter_map(|object| image(object, extensions)));
                Ok(())
            })?;
            Ok(images)
        });
        let images = images.into_iter().collect::<Result<Vec<_>>>().context(named)?;
        Ok(Self { classes: folders.into_iter().zip(images).collect(), stray })
    }
}

/// An image's name and revision; nothing for what is hidden, or no image.
fn image(object: &Object, extensions: &[String]) -> Option<(String, u64)> {
    let shown = object.name.split('/').all(|part| !part.starts_with('.'));
    (shown && is_image(Path::new(&object.name), extensions)).then(|| (object.name.clone(), files::revision_of_object(object.size, &object.tag)))
}
