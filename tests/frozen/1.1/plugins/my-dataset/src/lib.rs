//! A dataset: the images of one folder, whose names begin with their class.
use std::collections::BTreeSet;
use std::path::PathBuf;

use convert_sdk::*;

/// The images of a folder, named after their classes: `cat_017.jpg` shows the class `cat`.
#[config]
struct Config {
    /// The folder of the images.
    folder: InputFolder,
    /// What stands between an image's class and the rest of its name.
    #[serde(default = "underscore")]
    separator: String,
}

fn underscore() -> String {
    "_".into()
}

struct MyDatasetDataset {
    folder: PathBuf,
    /// The class names, sorted.
    classes: Vec<String>,
    samples: Vec<Sample>,
}

impl Plugin for MyDatasetDataset {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        if config.separator.is_empty() {
            return Err(Error::config("separator is empty: give the text between class and number, such as _"));
        }
        let folder = config.folder.to_path_buf();
        let mut named = Vec::new();
        for entry in std::fs::read_dir(&folder).context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            let is_image =
                [".jpg", ".jpeg", ".png", ".webp"].iter().any(|ending| entry.file_name().to_string_lossy().to_lowercase().ends_with(ending));
            let Some(name) = entry.file_name().to_str().filter(|_| is_image).map(str::to_owned) else { continue };
            let Some((class, _)) = name.split_once(&config.separator) else {
                return Err(Error::config(format!(
                    "the image {name:?} has no {:?} behind its class: rename it, or set `separator`",
                    config.separator
                )));
            };
            // A changed size is a changed image: what was computed for the old one is computed anew.
            named.push((class.to_owned(), name.clone(), entry.metadata()?.len()));
        }
        let classes: Vec<String> = named.iter().map(|(class, ..)| class.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let label = |class: &String| classes.binary_search(class).map_or(0, |at| at as u32);
        let samples = named.iter().map(|(class, name, size)| Sample { id: name.clone(), label: label(class), revision: *size }).collect();
        Ok(Self { folder, classes, samples })
    }
}

impl Dataset for MyDatasetDataset {
    fn classes(&self) -> Vec<String> {
        self.classes.clone()
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        Ok(self.samples.clone())
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        let path = self.folder.join(id);
        Ok(ImageData::Encoded(std::fs::read(&path).context(|| format!("cannot read {}", path.display()))?))
    }
}

export_plugins! { dataset "my-dataset" => MyDatasetDataset }

