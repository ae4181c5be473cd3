//! `convert sweep RECIPE --vary KEY=A,B`: settings of a recipe on the same images, compared by their masks.

mod figures;
mod grid;
mod sheet;

use std::collections::BTreeSet;
use std::io::Write;

use serde::Serialize;

use super::{cancel_on_ctrl_c, load, writable};
use crate::cli::{By, RecipeOverrides, SweepArguments};
use crate::command_name::quoted;
use crate::engine::{EngineError, Progress, replace_file};
use crate::errors::{PluginError, chain};
use crate::evaluate::TrueObjects;
use crate::failure::Failure;
use crate::pipeline::{Options, Part, PipelineError, Session, Setting};
use crate::plugins::Catalog;
use crate::recipe::Recipe;
use crate::terminal::{fitted, width};
use figures::Figures;
use grid::Grid;
use sheet::{Column, Sheet};

/// The page, in the work directory.
const PAGE: &str = "sweep.html";
/// What the sweep's ledger and notes are called after.
const PART: &str = "sweep";

/// What `--json` writes.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    recipe: &'a str,
    samples: usize,
    by: &'static str,
    best: Option<usize>,
    device: &'a str,
    threads: usize,
    settings: &'a [Figures],
}

/// Runs every setting up to its selection, prints a row for each, writes the page, and names the best.
pub fn sweep(arguments: &SweepArguments, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let json = arguments.json.as_deref().map(writable).transpose()?;
    let grid = Grid::new(&arguments.vary).map_err(Failure::usage)?;
    let mut recipes = recipes(arguments, &grid, catalog, &progress)?.into_iter();
    let first = recipes.next().ok_or_else(|| Failure::usage("--vary names no setting"))?;
    let _lock = first.lock_sweep()?;
    let options = Options {
        limit: arguments.run.limit.map(|limit| limit as usize),
        device: arguments.run.device.clone(),
        threads: arguments.work.threads.asked(),
        rescan: arguments.work.rescan,
        part: Some(Part::beside(PART)),
        progress: progress.clone(),
        cancel: cancel_on_ctrl_c()?,
    };
    let mut session = Session::open(first, options)?;
    let mut others = others(&session, recipes.collect(), &grid)?;
    let mut truth = true_objects(&session, arguments)?;
    check(&mut session, &mut others)?;
    announce(&session, &grid);

    let mut sheet = Sheet::of(&session, usize::from(arguments.images));
    let (mut all, mut columns, mut computed) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, set) in grid.settings.iter().enumerate() {
        if let Some(setting) = at.checked_sub(1).and_then(|at| others.get_mut(at)) {
            session.exchange(setting);
        }
        tracing::info!("setting {} of {}: {}", at + 1, grid.settings.len(), set.join(" "));
        let (figures, column) = compare(&session, set, &sheet, truth.as_mut(), &mut computed)?;
        all.push(figures);
        columns.push(column);
    }
    tell_skipped(&session, &all);
    let by = arguments.by.unwrap_or_default();
    let best = figures::best(&all, by);
    sheet.take_images(&session, truth.as_ref());
    let page = sheet.page(&session.recipe.name, &grid.names, &all, &columns, best.map(|best| (best, by)));
    session.recipe.write_record(PAGE, page.as_bytes())?;
    if let Some(file) = json {
        let (samples, threads) = (session.samples.list.len(), session.threads());
        let (recipe, device) = (session.recipe.name.as_str(), arguments.run.device.as_str());
        let report = Report { version: 1, recipe, samples, by: figures::name(by), best, device, threads, settings: &all };
        let text = serde_json::to_string_pretty(&report).map_err(Failure::run)?;
        replace_file(&file, |mut file| Ok(writeln!(file, "{text}")?))?;
    }
    print(&session, &grid, &all, best, by);
    Ok(())
}

/// The recipe of every setting. All share one work directory.
fn recipes(arguments: &SweepArguments, grid: &Grid, catalog: &Catalog, progress: &Progress) -> Result<Vec<Recipe>, Failure> {
    let RecipeOverrides { set, work_dir, yes } = &arguments.run.overrides;
    let mut recipes: Vec<Recipe> = Vec::with_capacity(grid.settings.len());
    for setting in &grid.settings {
        let overrides = RecipeOverrides { set: [set.as_slice(), setting].concat(), work_dir: work_dir.clone(), yes: *yes };
        let recipe = load(&arguments.recipe, &overrides, catalog, progress)?;
        if let Some(first) = recipes.first().filter(|first| first.place() != recipe.place()) {
            let (one, other) = (first.place().display().to_string(), recipe.place().display().to_string());
            return Err(Failure::usage(format!("--vary leads to two work directories, {one} and {other}: name one for all with --work-dir")));
        }
        recipes.push(recipe);
    }
    Ok(recipes)
}

/// The settings but the first, which the session has.
fn others(session: &Session, recipes: Vec<Recipe>, grid: &Grid) -> Result<Vec<Setting>, Failure> {
    let typed = |at: usize| grid.settings[at].join(" ");
    let planned = session.settings(recipes)?.into_iter().enumerate();
    let same_samples = |(at, setting): (usize, Option<Setting>)| {
        setting
            .ok_or_else(|| Failure::usage(format!("{}: a sweep compares settings on the same samples, and with this they are others", typed(at + 1))))
    };
    let settings = planned.map(same_samples).collect::<Result<Vec<_>, _>>()?;
    let mut seen = vec![session.compared_results()?];
    for (at, setting) in settings.iter().enumerate() {
        let results = setting.compared_results()?;
        if let Some(same) = seen.iter().position(|seen| *seen == results) {
            let (one, other) = (typed(same), typed(at + 1));
            return Err(Failure::usage(format!(
                "{one} and {other} give the same masks and the same selection: a sweep compares proposers, refiners and the selection, and varies their keys"
            )));
        }
        seen.push(results);
    }
    Ok(settings)
}

/// Says what is to be done, before it is.
fn announce(session: &Session, grid: &Grid) {
    let (settings, samples) = (grid.settings.len(), session.samples.list.len());
    tracing::info!("{settings} settings ({} values) on {samples} samples; work directory {}", grid.shape, session.recipe.place().display());
    match session.rounds() {
        _ if !session.selects() => tracing::info!("the recipe has a checkpoint, so nothing is selected: only masks are compared"),
        0 | 1 => {}
        rounds => tracing::info!("the first of {rounds} rounds of choosing is compared: the others need the labeler trained on each setting's masks"),
    }
}

/// The truth that settings are compared with.
fn true_objects(session: &Session, arguments: &SweepArguments) -> Result<Option<TrueObjects>, Failure> {
    let known = match &arguments.truth {
        Some(file) => {
            let ids: Vec<&str> = session.samples.list.iter().map(|sample| sample.id.as_str()).collect();
            Some(TrueObjects::read(file, &ids).map_err(|error| Failure::usage(PluginError(error)))?)
        }
        None => session.true_objects()?,
    };
    match (known, arguments.by) {
        (None, Some(_)) => {
            Err(Failure::usage("--by compares settings with true objects, and the dataset knows none: name a file of them with --truth"))
        }
        (known, _) => Ok(known),
    }
}

/// Builds every plugin that has work to do in some setting, so that what it says of its config is heard before any work.
fn check(session: &mut Session, others: &mut [Setting]) -> Result<(), PipelineError> {
    session.check_plugins_of(Session::is_compared)?;
    for setting in others {
        session.exchange(setting);
        let checked = session.check_plugins_of(Session::is_compared);
        // Back again, whose turn is first.
        session.exchange(setting);
        checked?;
    }
    Ok(())
}

/// Runs the setting at work, and looks at what it gave.
fn compare(
    session: &Session,
    set: &[String],
    sheet: &Sheet,
    mut truth: Option<&mut TrueObjects>,
    computed: &mut BTreeSet<String>,
) -> Result<(Figures, Column), PipelineError> {
    let mut once = || {
        let (mut figures, mut column) = (Figures::of(set), Column::default());
        figures.time = session.run_compared(computed)?;
        if let Some(truth) = truth.as_deref_mut() {
            truth.begin();
        }
        session.for_each_compared(|image| {
            figures.add(&image);
            if let Some(truth) = truth.as_deref_mut() {
                truth.enter(image.sample, &image.regions)?;
            }
            if sheet.shows(image.sample) {
                column.draw(&image)?;
            }
            Ok(())
        })?;
        figures.skipped = session.samples.list.len() as u64 - figures.images;
        figures.scores = truth.as_deref().map(TrueObjects::scores);
        Ok((figures, column))
    };
    loop {
        match once() {
            // Each time one stored file less that could be damaged.
            Err(PipelineError::Engine(error @ EngineError::Damaged { .. })) => tracing::warn!("{}", chain(&error)),
            other => return other,
        }
    }
}

fn tell_skipped(session: &Session, all: &[Figures]) {
    let most = all.iter().map(|figures| figures.skipped).max().unwrap_or(0);
    if most > 0 {
        let ledger = session.recipe.place_of(session.runner.ledger.path());
        tracing::warn!("up to {most} samples were skipped in a setting: the reasons are in {}", ledger.display());
    }
    if let Err(error) = session.recipe.publish(session.runner.ledger.path()) {
        tracing::warn!("{}", chain(&error));
    }
}

/// The answer.
fn print(session: &Session, grid: &Grid, all: &[Figures], best: Option<usize>, by: By) {
    answer!("{}", fitted(figures::table(&grid.names, all, best), width()));
    if all.iter().any(|figures| figures.time.is_some_and(|cost| cost.earlier)) {
        answer!("* measured by an earlier sweep: the masks were there");
    }
    answer!("page       {}", session.recipe.place_of(&session.recipe.work_dir.join(PAGE)).display());
    match best {
        Some(best) => {
            let value = all[best].by(by).unwrap_or_default();
            answer!("best       setting {}, {} {value:.3}", best + 1, figures::name(by));
            answer!("{}", all[best].set.iter().map(|assignment| format!("--set {}", quoted(assignment))).collect::<Vec<_>>().join(" "));
        }
        None => answer!("best       not known without true objects: --truth names a file of them"),
    }
}
