//! Predicted labels of images, from a file of any known form.

use std::path::Path;

use super::image_name::NameIndex;
use super::json::{CocoLabels, LabelFile, NamedLabels};
use super::multilabel_tsv::read_multilabel_tsv;
use super::truth::is_tsv;
use convert_sdk::{ClassScore, Error, Probability, Result};

/// The predicted labels of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedImage {
    /// The image's name.
    pub id: String,
    /// The original single label, where the file knows it.
    pub label: Option<u32>,
    /// Classes with their probabilities, sorted by class, each once; a class that is not listed has 0.
    pub scores: Vec<ClassScore>,
}

/// The predicted labels of a file, in its order.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// The images.
    pub images: Vec<PredictedImage>,
    /// How many classes there are, as far as the file knows.
    pub classes: u32,
}

impl Predictions {
    /// Reads the authors' tsv or training JSON, or a COCO file: an image's `labels` (this project's export), else for each category the best `score` of its annotations.
    ///
    /// # Errors
    /// A file that cannot be read, is of another form, or names an image twice.
    pub fn read(path: &Path) -> Result<Self> {
        let mut read = Self { images: Vec::new(), classes: 0 };
        if is_tsv(path)? {
            for image in read_multilabel_tsv(path)? {
                let image = image?;
                read.push(image.id, Some(image.label), image.scores);
            }
        } else {
            match LabelFile::read(path)? {
                LabelFile::Ordered(_) => {
                    return Err(Error::invalid(format!("{} holds ReaL's labels, which are a truth and no predictions", path.display())));
                }
                LabelFile::Coco(coco) => read.add_coco(&coco)?,
                LabelFile::Named(images) => {
                    for (name, labels) in images {
                        match labels {
                            NamedLabels::Classes(list) => {
                                read.push(name, None, list.into_iter().map(|class| ClassScore { class, probability: Probability::ONE }).collect());
                            }
                            NamedLabels::Scores { scores, classes, label } => {
                                let scores = scores.into_iter().map(|(class, score)| scored(class, score)).collect::<Result<_>>()?;
                                read.push(name, Some(label), scores);
                                read.classes = read.classes.max(classes);
                            }
                        }
                    }
                }
            }
        }
        let mut names = NameIndex::default();
        match read.images.iter().zip(0..).find(|(image, at)| !names.insert(&image.id, *at)) {
            Some((image, _)) => Err(Error::invalid(format!("{} has two entries for the image `{}`", path.display(), image.id))),
            None => Ok(read),
        }
    }

    fn push(&mut self, id: String, label: Option<u32>, mut scores: Vec<ClassScore>) {
        // Of two entries of a class the higher one counts.
        scores.sort_by(|a, b| (a.class, b.probability.get()).partial_cmp(&(b.class, a.probability.get())).unwrap_or(std::cmp::Ordering::Equal));
        scores.dedup_by_key(|score| score.class);
        let highest = scores.last().map(|score| score.class).max(label);
        self.classes = self.classes.max(highest.map_or(0, |class| class + 1));
        self.images.push(PredictedImage { id, label, scores });
    }

    fn add_coco(&mut self, coco: &CocoLabels) -> Result<()> {
        let classes = coco.classes();
        self.classes = classes.len() as u32;
        let class = |id: u64| classes.get(&id).copied().ok_or_else(|| Error::invalid(format!("the category {id} is not among the categories")));
        let mut of_annotations = std::collections::HashMap::<u64, Vec<ClassScore>>::new();
        for annotation in &coco.annotations {
            let score = scored(class(annotation.category_id)?, annotation.score.unwrap_or(1.0))?;
            of_annotations.entry(annotation.image_id).or_default().push(score);
        }
        for image in &coco.images {
            let scores = match &image.labels {
                Some(labels) => labels.iter().map(|label| scored(class(label.category_id)?, label.probability)).collect::<Result<_>>()?,
                None => of_annotations.remove(&image.id).unwrap_or_default(),
            };
            self.push(image.file_name.clone(), image.category_id.map(class).transpose()?, scores);
        }
        Ok(())
    }
}

fn scored(class: u32, score: f32) -> Result<ClassScore> {
    Ok(ClassScore { class, probability: Probability::new(score)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, single label, classes with their probabilities.
    type Labels = (String, Option<u32>, Vec<(u32, f32)>);

    fn check(name: &str, text: &str) -> Vec<Labels> {
        let path = std::env::temp_dir().join(format!("convert-predictions-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let read = Predictions::read(&path);
        std::fs::remove_file(path).unwrap();
        let scores = |image: &PredictedImage| image.scores.iter().map(|score| (score.class, score.probability.get())).collect();
        read.unwrap().images.iter().map(|image| (image.id.clone(), image.label, scores(image))).collect()
    }

    #[test]
    fn every_form_gives_the_same_labels() {
        let expected = [("n1/a.JPEG".to_owned(), Some(2), vec![(0, 0.25), (2, 1.0)])];
        assert_eq!(check("a.tsv", "n1/a.JPEG\t2\t2,0\t1.0000,0.2500\n"), expected);
        assert_eq!(check("a.json", r#"{"n1/a.JPEG": {"gt": 2, "multilabel": [0.25, 0.0, 1.0]}}"#), expected);
        let coco = r#"{"categories": [{"id": 1}, {"id": 2}, {"id": 3}], "images": [{"id": 5, "file_name": "n1/a.JPEG", "category_id": 3}],
            "annotations": [{"image_id": 5, "category_id": 1, "score": 0.125}, {"image_id": 5, "category_id": 1, "score": 0.25}, {"image_id": 5, "category_id": 3, "score": 1.0}]}"#;
        assert_eq!(check("coco.json", coco), expected);
    }
}
