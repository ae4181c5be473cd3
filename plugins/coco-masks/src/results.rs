//! The authors' region results: `{mask id: {"prob": [5], "label": [5]}}`, as their `.pt` or as JSON of the same shape (method 8).

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::Path;

use convert_formats::files;
use convert_formats::tensors::TensorFile;
use convert_sdk::{ClassScore, Deserialize, Error, Probability, Result, ResultExt, serde};

/// The most probable classes of each mask, best first, at least one.
#[derive(Debug)]
pub struct RegionResults(HashMap<u64, Vec<ClassScore>>);

#[derive(Deserialize)]
#[serde(crate = "serde", deny_unknown_fields)]
struct Raw {
    prob: Vec<f32>,
    label: Vec<u32>,
}

impl RegionResults {
    /// Reads a file in either form, which is detected.
    ///
    /// # Errors
    /// A file of another form; a mask without classes, or with a number that is no probability.
    pub fn read(path: &Path) -> Result<Self> {
        let named = || format!("cannot read the region results {}", path.display());
        let raw = if is_json(path).context(named)? { json(path) } else { tensors(path) }.context(named)?;
        let scores = |(id, raw): (u64, Raw)| Ok((id, raw.scores().context(|| format!("{}: the mask {id}", path.display()))?));
        Ok(Self(raw.into_iter().map(scores).collect::<Result<_>>()?))
    }

    /// The classes of a mask, best first.
    ///
    /// # Errors
    /// A mask that the file does not have.
    pub fn of(&self, mask: u64) -> Result<&[ClassScore]> {
        self.0
            .get(&mask)
            .map(Vec::as_slice)
            .ok_or_else(|| Error::invalid(format!("the region results have no mask {mask}: are they those of these masks?")))
    }

    /// How many masks there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The highest class and a mask that has it.
    pub fn highest_class(&self) -> Option<(u32, u64)> {
        self.0.iter().flat_map(|(mask, scores)| scores.iter().map(|score| (score.class, *mask))).max()
    }
}

impl Raw {
    fn scores(self) -> Result<Vec<ClassScore>> {
        if self.label.is_empty() || self.label.len() != self.prob.len() {
            return Err(Error::invalid("needs as many probabilities as labels, at least one"));
        }
        let pairs = self.label.into_iter().zip(self.prob);
        pairs.map(|(class, probability)| Ok(ClassScore { class, probability: Probability::new(probability)? })).collect()
    }
}

fn is_json(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    files::open_regular(path, files::MAX_STREAM)?.take(64).read_to_end(&mut start)?;
    Ok(start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{'))
}

fn json(path: &Path) -> Result<HashMap<u64, Raw>> {
    serde_json::from_reader(BufReader::new(files::open_regular(path, files::MAX_STREAM)?)).map_err(|error| Error::invalid(error.to_string()))
}

/// What `torch.save` made of a dictionary of dictionaries of tensors.
fn tensors(path: &Path) -> Result<HashMap<u64, Raw>> {
    let file = TensorFile::open(path)?;
    let mut results = HashMap::<u64, Raw>::new();
    for name in file.entries().keys() {
        let known = name.split_once('.').and_then(|(id, what)| Some((id.parse::<u64>().ok()?, what)));
        let Some((id, what @ ("prob" | "label"))) = known else {
            return Err(Error::invalid(format!("it has a tensor `{name}`: `ID.prob` and `ID.label` are expected")));
        };
        let entry = results.entry(id).or_insert_with(|| Raw { prob: Vec::new(), label: Vec::new() });
        let numbers = file.read_f64(name)?;
        match what {
            "prob" => entry.prob = numbers.into_iter().map(|number| number as f32).collect(),
            _ => entry.label = numbers.into_iter().map(|number| class(number, name)).collect::<Result<_>>()?,
        }
    }
    if results.is_empty() {
        return Err(Error::invalid("it has no tensors: lists instead of tensors are read as JSON alone"));
    }
    Ok(results)
}

fn class(number: f64, name: &str) -> Result<u32> {
    let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    if whole { Ok(number as u32) } else { Err(Error::invalid(format!("`{name}` has the class {number}"))) }
}
