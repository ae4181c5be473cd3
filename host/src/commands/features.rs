//! `convert features`: the patch features of images as a file.

use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use convert_formats::files;
use convert_sdk::Role;
use convert_sdk::{Context, Error, ErrorKind, Extractor, FeatureMap, Image, Result as PluginResult, ResultExt, Settings};
use rayon::prelude::*;
use serde_json::{Value as Json, json};

use super::weights::with_files;
use super::{cancel_on_ctrl_c, writable};
use crate::engine::images::{self, Decoding};
use crate::engine::{Progress, replace_file};
use crate::failure::Failure;
use crate::pipeline::HostSide;
use crate::plugins::Catalog;
use crate::recipe::config_of_option;

/// The plugin that knows the backbones.
const PLUGIN: &str = "patch-features";
/// Images in memory at once.
const GROUP: usize = 64;

/// Where and how the features are computed.
pub struct Options {
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Images at once on a CPU; all cores by default.
    pub threads: Option<usize>,
    /// Whether published weights may be fetched without asking.
    pub yes: bool,
    /// Where that is shown.
    pub progress: Progress,
}

/// The extractor that an option names, and the rest of it: `{"plugin": "python", "entry": "mine.py:Blocks"}`.
fn plugin_of(backbone: &str) -> (String, String) {
    if let Ok(Json::Object(mut option)) = serde_json::from_str(backbone)
        && let Some(Json::String(name)) = option.remove("plugin")
    {
        return (name, Json::Object(option).to_string());
    }
    (PLUGIN.to_owned(), backbone.to_owned())
}

/// Writes the features of images, in their order, as one tensor `features` [images, patches, numbers]; the metadata holds `rows` and `columns` of the grid,
/// `images` (a JSON list of the files) and `backbone` (the option as it was understood).
pub fn features(backbone: &str, files: &[PathBuf], output: &Path, options: &Options, catalog: &Catalog) -> Result<(), Failure> {
    let (name, backbone) = plugin_of(backbone);
    let plugin = catalog.find(Role::Extractor, &name).ok_or_else(|| {
        Failure::usage(format!(
            "the extractor {name} is not installed{}: build it with `make build`, or name a folder with --plugin-dir",
            catalog.refused_summary()
        ))
    })?;
    let target = writable(output)?;
    let config = with_files(options.yes, &options.progress, || config_of_option("--backbone", &backbone, plugin, "backbone"))?;
    let cancel = cancel_on_ctrl_c()?;
    let context = context(&name, &options.device, options.threads.unwrap_or(1), &cancel);
    let extractor = plugin.builder.extractor(&config.to_string(), &context).map_err(|error| Failure::usage(format!("--backbone: {error}")))?;
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = options.threads {
        pool = pool.num_threads(threads);
    }
    let pool = pool.build().map_err(|error| Failure::run(format!("cannot start threads: {error}")))?;
    let at_once = AtomicUsize::new(GROUP);
    let group_of = |group: &[PathBuf]| -> Result<Vec<FeatureMap>, Failure> {
        if cancel.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted { file: output.to_owned() });
        }
        Ok(pool.install(|| extract(extractor.as_ref(), group, (options.device != "cpu").then_some(&at_once)))?)
    };
    let mut problem = None;
    let written = replace_file(&target, |file| {
        let mut writer = Writer { file: std::io::BufWriter::new(file), files, config: &config, form: None };
        for group in files.chunks(GROUP) {
            let maps = group_of(group).map_err(|failure| {
                problem = Some(failure);
                "no features"
            })?;
            maps.iter().try_for_each(|map| writer.write(map))?;
        }
        Ok(writer.file.flush()?)
    });
    match problem {
        Some(failure) => Err(failure),
        None => Ok(written?),
    }
}

/// What an extractor is built with.
pub(super) fn context(plugin: &str, device: &str, threads: usize, cancel: &Arc<AtomicBool>) -> Context {
    let settings = Settings {
        plugin: plugin.to_owned(),
        profile: "paper".to_owned(),
        seed: 0,
        threads,
        device: device.to_owned(),
        cache_folder: std::env::temp_dir(),
        classes: Vec::new(),
        rescan: false,
    };
    Context::new(settings, Arc::new(HostSide::new(Arc::clone(cancel))))
}

/// The features of some images: `at_once` of them together on a device that gains by it, else on all threads.
fn extract(extractor: &dyn Extractor, files: &[PathBuf], at_once: Option<&AtomicUsize>) -> PluginResult<Vec<FeatureMap>> {
    let load = |file: &PathBuf| {
        let named = || format!("cannot read the image {}", file.display());
        images::decode(&files::read(file, files::MAX_IMAGE).map_err(Error::from).context(named)?, Decoding::default()).context(named)
    };
    let checked = |(map, file): (FeatureMap, &PathBuf)| match map.values().iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::numeric(format!("the features of {} have the value {value}", file.display()))),
        None => Ok(map),
    };
    if let Some(at_once) = at_once {
        let maps = together(extractor, &files.par_iter().map(load).collect::<PluginResult<Vec<_>>>()?, at_once)?;
        return maps.into_iter().zip(files).map(checked).collect();
    }
    let maps = files.par_iter().map(|file| {
        let maps = extractor.extract(&[load(file)?]).context(|| format!("no features of {}", file.display()))?;
        let map = maps.into_iter().next().ok_or_else(|| Error::invalid("the extractor gave nothing"))?;
        checked((map, file))
    });
    maps.collect()
}

/// The features of images, so many at once; half as many from the first time that memory does not suffice.
fn together(extractor: &dyn Extractor, images: &[Image<'_>], at_once: &AtomicUsize) -> PluginResult<Vec<FeatureMap>> {
    let mut maps = Vec::with_capacity(images.len());
    while maps.len() < images.len() {
        let count = at_once.load(Ordering::Relaxed).min(images.len() - maps.len());
        match extractor.extract(&images[maps.len()..][..count]) {
            Ok(more) => maps.extend(more),
            Err(error) if error.kind == ErrorKind::OutOfMemory && count > 1 => {
                tracing::warn!("{count} images at once are too many, {} from here on: {error}", count / 2);
                at_once.store(count / 2, Ordering::Relaxed);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(maps)
}

/// A safetensors file that grows image by image; its header is written with the first one.
struct Writer<'a> {
    file: std::io::BufWriter<&'a fs::File>,
    files: &'a [PathBuf],
    config: &'a Json,
    form: Option<[u32; 3]>,
}

impl Writer<'_> {
    fn write(&mut self, map: &FeatureMap) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let form = [map.rows(), map.columns(), map.dimension()];
        if *self.form.get_or_insert(form) != form {
            return Err(format!("features of {form:?} do not fit beside those of {:?}", self.form.unwrap_or_default()).into());
        }
        if self.file.buffer().is_empty() && self.file.get_mut().stream_position()? == 0 {
            self.header(form)?;
        }
        map.values().iter().try_for_each(|value| self.file.write_all(&value.to_le_bytes()))?;
        Ok(())
    }

    /// The format's header: a length, then JSON, padded so that the numbers are aligned.
    fn header(&mut self, [rows, columns, dimension]: [u32; 3]) -> std::io::Result<()> {
        let shape = [self.files.len() as u64, u64::from(rows) * u64::from(columns), u64::from(dimension)];
        let names: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let metadata = json!({ "rows": rows.to_string(), "columns": columns.to_string(), "images": json!(names).to_string(), "backbone": self.config.to_string() });
        let bytes = 4 * shape.iter().product::<u64>();
        let mut header = json!({ "__metadata__": metadata, "features": { "dtype": "F32", "shape": shape, "data_offsets": [0, bytes] } }).to_string();
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        self.file.write_all(&(header.len() as u64).to_le_bytes())?;
        self.file.write_all(header.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Holds so many images at once, notes how many it was asked for, and fails of another kind on an image of its width.
    struct Card {
        room: usize,
        asked: Mutex<Vec<usize>>,
        fails_at: u32,
    }

    impl Extractor for Card {
        fn extract(&self, images: &[Image<'_>]) -> PluginResult<Vec<FeatureMap>> {
            self.asked.lock().unwrap().push(images.len());
            if images.len() > self.room {
                return Err(Error::new(ErrorKind::OutOfMemory, "too many"));
            }
            if images.iter().any(|image| image.width() == self.fails_at) {
                return Err(Error::new(ErrorKind::Device, "broken"));
            }
            images.iter().map(|image| FeatureMap::new(1, 1, 1, vec![image.width() as f32])).collect()
        }
    }

    fn run(room: usize, fails_at: u32) -> (PluginResult<Vec<f32>>, Vec<usize>) {
        let card = Card { room, asked: Mutex::default(), fails_at };
        let images: Vec<Image<'_>> = (1..=7).map(|width| Image::new(width, 1, vec![0; 3 * width as usize]).unwrap()).collect();
        let at_once = AtomicUsize::new(4);
        let maps = [&images[..5], &images[5..]].map(|group| together(&card, group, &at_once));
        let values = maps.into_iter().map(|maps| Ok(maps?.iter().map(|map| map.values()[0]).collect::<Vec<_>>())).collect::<PluginResult<Vec<_>>>();
        (values.map(|groups| groups.concat()), card.asked.into_inner().unwrap())
    }

    #[test]
    fn memory_that_does_not_suffice_halves_the_batch_for_good_and_other_failures_end_it() {
        let all: Vec<f32> = (1..=7).map(|width| width as f32).collect();
        assert_eq!(run(4, 0), (Ok(all.clone()), vec![4, 1, 2]));
        assert_eq!(run(2, 0), (Ok(all.clone()), vec![4, 2, 2, 1, 2]));
        assert_eq!(run(1, 0), (Ok(all), vec![4, 2, 1, 1, 1, 1, 1, 1, 1]));
        assert_eq!(run(0, 0).0.unwrap_err().kind, ErrorKind::OutOfMemory);
        assert_eq!(run(4, 3).0.unwrap_err().kind, ErrorKind::Device);
    }
}
