//! The stages of a plan with what each takes.

use convert_sdk::Work;

use crate::commands::measure::Measured;
use crate::engine::{Samples, Stage};
use crate::pipeline::{Plan, Works};
use crate::recipe::{Configured, Recipe};

/// A stage, and what it takes an image.
pub struct PlanRow {
    pub stage: String,
    pub plugin: String,
    pub version: String,
    pub shards: usize,
    pub state: String,
    /// Floating-point operations; 0 where they are not known.
    pub flops: u64,
    /// Bytes on disk for all images, once measured.
    pub bytes: Option<f64>,
    /// Seconds, once measured; none when all is cached.
    pub seconds: Option<f64>,
}

/// What of a plugin's work a stage does.
#[derive(Clone, Copy)]
enum Part {
    Call,
    Training,
}

struct Rows<'a> {
    recipe: &'a Recipe,
    samples: &'a Samples,
    works: &'a Works,
    measured: Option<&'a Measured>,
    rows: Vec<PlanRow>,
}

/// The stages in order.
pub fn plan_rows(recipe: &Recipe, plan: &Plan, samples: &Samples, works: &Works, measured: Option<&Measured>) -> Vec<PlanRow> {
    let mut rows = Rows { recipe, samples, works, measured, rows: Vec::new() };
    for (index, (source, (_, proposer))) in plan.sources.iter().zip(&recipe.proposals).enumerate() {
        rows.add(&source.propose, Some(proposer), Part::Call);
        for refine in &source.refine {
            rows.add_work(&refine.stage, Some(&recipe.refine[refine.refiner].0), Part::Call, works.of_refinement(refine.refiner, index));
        }
    }
    rows.add(&plan.regions, None, Part::Call);
    for (index, stage) in plan.map_stages().enumerate() {
        rows.add(stage, Some(&recipe.label), if index == 0 { Part::Training } else { Part::Call });
    }
    for round in plan.rounds() {
        rows.add(&round.select, Some(&recipe.select), Part::Call);
        rows.add(&round.train, Some(&recipe.label), Part::Training);
        rows.add(&round.predict, Some(&recipe.label), Part::Call);
    }
    if plan.train.is_none() {
        rows.add(&plan.predict, Some(&recipe.label), Part::Call);
    }
    rows.add(&plan.labels, None, Part::Call);
    rows.rows
}

impl Rows<'_> {
    fn add(&mut self, stage: &Stage, plugin: Option<&Configured>, part: Part) {
        let work = plugin.map_or_else(Work::default, |plugin| self.works.of_plugin(self.recipe, plugin));
        self.add_work(stage, plugin, part, work);
    }

    fn add_work(&mut self, stage: &Stage, plugin: Option<&Configured>, part: Part, work: Work) {
        let flops = match part {
            Part::Call => work.flops,
            Part::Training => work.training_flops,
        };
        let state = match part {
            Part::Call => state(stage, self.samples),
            Part::Training => if stage.folder.join("trained.json").is_file() { CACHED } else { "to do" }.to_owned(),
        };
        let rate = self.measured.and_then(|measured| measured.rate(&stage.name, plugin));
        let (name, version) = plugin.map_or(("convert", env!("CARGO_PKG_VERSION")), |plugin| (&plugin.plugin.name, &plugin.plugin.version));
        // What could not be measured is taken to run at the rate of what was.
        let by_flops = || self.measured.and_then(Measured::seconds_per_flop).map(|seconds| seconds * flops as f64).filter(|_| flops > 0);
        self.rows.push(PlanRow {
            stage: stage.name.clone(),
            plugin: name.to_owned(),
            version: version.to_owned(),
            shards: self.samples.shards(),
            flops,
            bytes: rate.zip(self.measured).map(|(rate, measured)| match part {
                Part::Call => rate.bytes * self.samples.list.len() as f64,
                // A checkpoint does not grow with the images.
                Part::Training => rate.bytes * measured.images as f64,
            }),
            seconds: rate.map(|rate| rate.seconds).or_else(by_flops).filter(|_| state != CACHED),
            state,
        });
    }
}

const CACHED: &str = "cached";

fn state(stage: &Stage, samples: &Samples) -> String {
    match (stage.finished(samples.shards()), samples.shards()) {
        (0, _) => "to do".to_owned(),
        (done, all) if done == all => CACHED.to_owned(),
        (done, all) => format!("{done} of {all} shards cached"),
    }
}
