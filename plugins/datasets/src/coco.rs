//! `coco`: the images of a COCO file, each with one label found from its annotations.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use convert_formats::coco::{self, CocoCategory, CocoImage, CocoReader, Segmentation, class_order};
use convert_sdk::{
    Context, Dataset, Deserialize, Error, ErrorKind, ImageData, InputFile, InputFolder, JsonSchema, Plugin, Result, ResultExt, Sample, TruthObject,
    config,
};

use convert_sdk::serde::de::{DeserializeOwned, IgnoredAny};

use crate::classes::ClassList;
use crate::files::{self, Listed};
use crate::labels::{Incomplete, LeftOut};
use crate::listing::Listing;
use crate::places::Places;
use crate::truth::{Truth, TruthReader};

/// The images of a COCO file, each with one label: the category that its annotations have in common, or the one that takes the most room.
///
/// A sample's id is the image's `file_name`; the classes are the categories in the order of their ids. The exporters `coco` and `cutler-coco` give images and
/// categories the ids that they have in this file. An image with a `category_id` of its own, as this project's
/// exports have it, has that label whatever its annotations say.
#[config]
#[derive(Clone, Debug)]
pub struct CocoConfig {
    /// The COCO file: JSON with `images`, `annotations` and `categories`.
    pub file: InputFile,
    /// The folder that the `file_name`s are relative to. Default: the folder of the file.
    #[serde(default)]
    pub root: Option<InputFolder>,
    /// Which category is an image's label.
    #[serde(default)]
    pub label: LabelRule,
    /// Whether annotations with `iscrowd: 1` count.
    #[serde(default)]
    pub crowds: bool,
    /// What is done with images that have no label: without annotations, or with several categories where `label` is `only`.
    #[serde(default)]
    pub incomplete: Incomplete,
    /// Whether the annotations are all the true objects of the images: the run then scores its labels and masks. About 250 bytes an annotation stay in memory.
    #[serde(default)]
    #[schemars(extend("x-identity" = false))]
    pub truth: bool,
}

/// Which category is an image's label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum LabelRule {
    /// The only one that its annotations have.
    #[default]
    Only,
    /// That of its largest annotation.
    LargestObject,
    /// The one whose annotations are largest together.
    LargestArea,
}

/// The dataset `coco`.
#[derive(Debug)]
pub struct Coco {
    root: PathBuf,
    classes: ClassList,
    /// The categories' ids, by class.
    category_ids: Vec<u64>,
    /// The images' ids, by name.
    image_ids: Places<u64>,
    /// What `new` listed, until it is first asked for.
    listed: Listing,
    truth: Truth,
    config: CocoConfig,
    context: Context,
}

#[derive(Deserialize)]
#[serde(crate = "convert_sdk::serde", bound = "S: Outline")]
struct Annotation<S> {
    image_id: u64,
    category_id: u64,
    #[serde(default)]
    area: Option<f64>,
    /// x, y, width, height.
    #[serde(default)]
    bbox: Option<[f64; 4]>,
    #[serde(default)]
    iscrowd: u8,
    #[serde(default)]
    segmentation: Option<S>,
}

/// An annotation's segmentation, where the true objects are wanted; else nobody looks into it.
trait Outline: DeserializeOwned {
    const WANTED: bool;
    fn segmentation(self) -> Option<Segmentation>;
}

impl Outline for Segmentation {
    const WANTED: bool = true;
    fn segmentation(self) -> Option<Segmentation> {
        Some(self)
    }
}

impl Outline for IgnoredAny {
    const WANTED: bool = false;
    fn segmentation(self) -> Option<Segmentation> {
        None
    }
}

/// As much of an annotation as a label needs.
struct Noted {
    image: u64,
    category: u64,
    crowd: bool,
    area: Option<f64>,
}

/// What a file holds: it is read once.
struct Contents {
    categories: Vec<CocoCategory>,
    images: Vec<CocoImage>,
    annotations: Vec<Noted>,
    truth: Option<TruthReader>,
}

struct Reader<S> {
    contents: Contents,
    segmentation: PhantomData<S>,
}

impl<S: Outline> Reader<S> {
    fn read(file: &Path) -> Result<Contents> {
        let truth = if S::WANTED { Some(TruthReader::new(file)?) } else { None };
        let contents = Contents { categories: Vec::new(), images: Vec::new(), annotations: Vec::new(), truth };
        let mut reader = Self { contents, segmentation: PhantomData };
        coco::read(file, &mut reader)?;
        Ok(reader.contents)
    }
}

impl<S: Outline> CocoReader for Reader<S> {
    type Image = CocoImage;
    type Annotation = Annotation<S>;
    type Category = CocoCategory;

    fn image(&mut self, image: CocoImage) -> Result<()> {
        self.contents.truth.iter_mut().for_each(|truth| truth.add_image(&image));
        self.contents.images.push(CocoImage { labels: None, ..image });
        Ok(())
    }

    fn annotation(&mut self, annotation: Annotation<S>) -> Result<()> {
        let Annotation { image_id: image, category_id: category, area, bbox, iscrowd, segmentation } = annotation;
        let crowd = iscrowd != 0;
        if let Some(truth) = &mut self.contents.truth {
            truth.add_object(image, category, segmentation.and_then(S::segmentation), crowd)?;
        }
        let area = area.or(bbox.map(|[_, _, width, height]| width * height));
        self.contents.annotations.push(Noted { image, category, crowd, area });
        Ok(())
    }

    fn category(&mut self, category: CocoCategory) -> Result<()> {
        self.contents.truth.iter_mut().for_each(|truth| truth.add_category(&category));
        self.contents.categories.push(category);
        Ok(())
    }
}

/// An image, and how much of it each class takes by the rule.
struct Annotated {
    id: u64,
    name: String,
    label: Option<u32>,
    area_of_class: BTreeMap<u32, f64>,
}

impl Plugin for Coco {
    type Config = CocoConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        let named = || format!("cannot use {}", config.file.display());
        let root = match &config.root {
            Some(root) => root.to_path_buf(),
            None => config.file.parent().unwrap_or(Path::new("")).to_path_buf(),
        };
        let contents = if config.truth { Reader::<Segmentation>::read(&config.file) } else { Reader::<IgnoredAny>::read(&config.file) };
        let Contents { categories, images, annotations, truth } = contents.context(named)?;
        let (classes, class_of) = classes(categories).context(named)?;
        let images = annotated(images, annotations, &config, &class_of).context(named)?;
        let image_ids = Places::new(images.iter().map(|image| (image.name.as_str(), image.id)));
        let samples = samples(images, &classes, &root, &config, &context)?;
        let mut category_ids: Vec<u64> = class_of.into_keys().collect();
        category_ids.sort_unstable();
        let truth = truth
            .map_or(Ok(Truth::default()), |truth| truth.finish(&classes))
            .context(|| format!("cannot use the truth file {}", config.file.display()))?;
        Ok(Self { root, classes, category_ids, image_ids, listed: Listing::new(samples), truth, config, context })
    }
}

impl Dataset for Coco {
    fn classes(&self) -> Vec<String> {
        self.classes.names().to_vec()
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        self.listed.take(|| Self::new(self.config.clone(), self.context.clone())?.samples())
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        self.listed.let_go();
        files::read_image(&self.root.join(id))
    }

    fn class_numbers(&self) -> Vec<u64> {
        self.category_ids.clone()
    }

    fn sample_number(&self, id: &str) -> Result<Option<u64>> {
        Ok(self.image_ids.find(id))
    }

    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        self.truth.of_sample(id)
    }
}

/// The classes, and the index of each category id.
fn classes(mut categories: Vec<CocoCategory>) -> Result<(ClassList, HashMap<u64, u32>)> {
    if categories.len() < 2 {
        return Err(Error::config(format!("it has {} categories: at least 2 are needed to tell objects apart", categories.len())));
    }
    let order = class_order(&categories);
    categories.sort_by_key(|category| category.id);
    if let Some(pair) = categories.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(Error::config(format!("two of its categories have the id {}: give one another id", pair[0].id)));
    }
    let name = |category: CocoCategory| category.name.ok_or_else(|| Error::config(format!("its category {} has no name", category.id)));
    let names = categories.into_iter().map(name).collect::<Result<Vec<_>>>()?;
    let classes = ClassList::new(names)
        .map_err(|(first, second)| Error::config(format!("its categories {} and {} have the same name: rename one", order[first], order[second])))?;
    Ok((classes, order.into_iter().zip(0..).collect()))
}

/// The images with what their annotations say, in the file's order.
fn annotated(listed: Vec<CocoImage>, annotations: Vec<Noted>, config: &CocoConfig, class_of: &HashMap<u64, u32>) -> Result<Vec<Annotated>> {
    let class = |id: u64, of: &dyn Fn() -> String| {
        class_of.get(&id).copied().ok_or_else(|| Error::config(format!("{} is of the category {id}, which the file does not list", of())))
    };
    let (mut images, mut by_id, mut names) = (Vec::with_capacity(listed.len()), HashMap::new(), BTreeSet::new());
    for image in listed {
        if by_id.insert(image.id, images.len()).is_some() {
            return Err(Error::config(format!("two images have the id {}", image.id)));
        }
        if !names.insert(image.file_name.clone()) {
            return Err(Error::config(format!("two images are named {:?}: a file name is a sample's id", image.file_name)));
        }
        let label = image.category_id.map(|id| class(id, &|| format!("the image {:?}", image.file_name))).transpose()?;
        images.push(Annotated { id: image.id, name: image.file_name, label, area_of_class: BTreeMap::new() });
    }
    if images.is_empty() {
        return Err(Error::config("it lists no images: a COCO file has `images`, `annotations` and `categories`"));
    }
    for (annotation, at) in annotations.into_iter().zip(1..) {
        let image = by_id.get(&annotation.image).map(|index| &mut images[*index]);
        let image =
            image.ok_or_else(|| Error::config(format!("annotation {at} is of the image {}, which the file does not list", annotation.image)))?;
        let class = class(annotation.category, &|| format!("annotation {at}"))?;
        if annotation.crowd && !config.crowds {
            continue;
        }
        let area = match (annotation.area, config.label) {
            (Some(area), _) if area.is_finite() => area,
            (_, LabelRule::Only) => 0.0,
            _ => return Err(Error::config(format!("annotation {at} has no `area` and no `bbox`: only `label: only` can do without"))),
        };
        let of_class = image.area_of_class.entry(class).or_default();
        *of_class = if config.label == LabelRule::LargestArea { *of_class + area } else { of_class.max(area) };
    }
    Ok(images)
}

/// The images that have a label, with their files looked at.
fn samples(images: Vec<Annotated>, classes: &ClassList, root: &Path, config: &CocoConfig, context: &Context) -> Result<Vec<Sample>> {
    let file = config.file.display();
    let mut left_out = LeftOut::new(config.incomplete);
    let mut samples = Vec::with_capacity(images.len());
    let mut listed = Listed::default();
    for (at, image) in images.into_iter().enumerate() {
        if at % 4096 == 0 && context.cancelled() {
            return Err(Error::new(ErrorKind::Interrupted, format!("interrupted while looking at the images of {file}")));
        }
        let Some(label) = image.label.or_else(|| largest(&image.area_of_class, config.label)) else {
            left_out.add(|| unlabelled(&image, classes, &config.file))?;
            continue;
        };
        let revision = listed.revision_of(&root.join(&image.name));
        samples.push(Sample { id: image.name, label, revision });
    }
    left_out.report();
    let Some(first) = samples.first() else {
        return Err(Error::config(format!(
            "no image of {file} has a label: {}",
            "its annotations may all be crowds, or of several categories an image"
        )));
    };
    listed.check(|| {
        let (count, first) = (samples.len(), root.join(&first.id));
        Error::config(format!("none of the {count} images of {file} exists, the first of them {}: check `root`", first.display()))
    })?;
    if samples.iter().all(|sample| sample.label == first.label) {
        let name = &classes.names()[first.label as usize];
        return Err(Error::config(format!("{file} has images of one class only, {name:?}: a labeler needs at least two")));
    }
    Ok(samples)
}

/// The class with the largest area; of equal ones the first. Nothing where there is none, or several and the rule wants one.
fn largest(area_of_class: &BTreeMap<u32, f64>, rule: LabelRule) -> Option<u32> {
    if rule == LabelRule::Only && area_of_class.len() > 1 {
        return None;
    }
    // `max_by` gives the last of equal ones, hence the reversal.
    area_of_class.iter().rev().max_by(|a, b| a.1.total_cmp(b.1)).map(|(class, _)| *class)
}

fn unlabelled(image: &Annotated, classes: &ClassList, file: &Path) -> String {
    let names: Vec<&str> = image.area_of_class.keys().map(|class| classes.names()[*class as usize].as_str()).collect();
    let name = &image.name;
    match names.len() {
        0 => format!("the image {name:?} of {} has no annotations, and so no label", file.display()),
        count => format!(
            "the image {name:?} of {} has {count} categories ({}), and so no label by `label: only`: `largest-object` and `largest-area` choose one",
            file.display(),
            names.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
