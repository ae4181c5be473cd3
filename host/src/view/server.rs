//! The addresses of the viewer and what each answers. Requests name samples and classes by number, never files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, guard};
use super::annotate::{self, Shape};
use super::details::rounded;
use super::figures;
use super::filter::{Query, threshold};
use super::index::{Index, of_units};
use super::pictures::picture;
use super::queue;
use super::refusal::Refusal;
use super::request::{Named, Parameters, Sent};
use super::reviewing::{Kind, Review};
use super::viewer::Viewer;
use crate::errors::PluginError;

/// The page, as host/viewer builds it.
const PAGE: [(&str, &str, &[u8]); 3] = [
    ("/", "text/html; charset=utf-8", include_bytes!("../../viewer/dist/index.html")),
    ("/app.js", "text/javascript; charset=utf-8", include_bytes!("../../viewer/dist/app.js")),
    ("/app.css", "text/css; charset=utf-8", include_bytes!("../../viewer/dist/app.css")),
];
/// So many rows are given at once.
const MOST_ROWS: usize = 500;
/// So many labels of a row are shown in a gallery, and how probable they are at least, in ten-thousandths.
const ROW_LABELS: (usize, u16) = (20, 500);
/// How long a request waits for the dataset to be opened, and how often it looks.
const TO_OPEN: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(20);
/// Pictures do not change while a run does not, and the page names the run with them.
const FOR_GOOD: &str = "private, max-age=86400";

type Shared = State<Arc<Viewer>>;
type Answer<T> = Result<T, Refusal>;

/// All addresses, for those who may ask.
pub fn router(viewer: Arc<Viewer>, access: Arc<Access>) -> Router {
    let page = PAGE.into_iter().fold(Router::new(), |router, (path, kind, file)| {
        router.route(path, get(move || async move { ([(CONTENT_TYPE, kind)], Bytes::from_static(file)) }))
    });
    page.route("/api/run", get(run))
        .route("/api/query", get(query))
        .route("/api/rows", get(rows))
        .route("/api/sample/{sample}", get(sample))
        .route("/api/thumbnail/{sample}", get(thumbnail))
        .route("/api/image/{sample}", get(image))
        .route("/api/thresholds", get(thresholds))
        .route("/api/classes", get(classes))
        .route("/api/class/{class}", get(class))
        .route("/api/pairs", get(pairs))
        .route("/api/queue", get(queue_of))
        .route("/api/reviews", post(review))
        .route("/api/reviews/summary", get(summary))
        .route("/api/predict", post(predict))
        .route("/api/propose", post(propose))
        .fallback(|| async { Refusal::missing("there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            Refusal::denied(StatusCode::METHOD_NOT_ALLOWED, "this address is asked in another way (GET or POST)")
        })
        .with_state(viewer)
        .layer(middleware::from_fn_with_state(access, guard))
}

/// Does work that takes a while beside the threads that answer, as many at once as the machine can.
async fn at_work<T: Send + 'static>(viewer: &Arc<Viewer>, work: impl FnOnce(&Viewer) -> Answer<T> + Send + 'static) -> Answer<T> {
    let _turn = viewer.turns.acquire().await.map_err(|error| Refusal::failed(&error))?;
    let viewer = Arc::clone(viewer);
    tokio::task::spawn_blocking(move || work(&viewer)).await.map_err(|error| Refusal::failed(&error))?
}

/// As [`at_work`], once the dataset is open. A run of a million images takes a few seconds for that.
async fn at_work_on_images<T: Send + 'static>(viewer: &Arc<Viewer>, work: impl FnOnce(&Viewer) -> Answer<T> + Send + 'static) -> Answer<T> {
    let begun = Instant::now();
    while !viewer.is_open() && begun.elapsed() < TO_OPEN {
        tokio::time::sleep(GLANCE).await;
    }
    at_work(viewer, work).await
}

async fn run(State(viewer): Shared) -> Json<Value> {
    Json(viewer.summary())
}

async fn query(State(viewer): Shared, Parameters(query): Parameters<Query>) -> Answer<Response> {
    let samples = at_work(&viewer, move |viewer| viewer.known(|known| query.matches(known))?).await?;
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

#[derive(Deserialize)]
struct Rows {
    samples: String,
}

async fn rows(State(viewer): Shared, Parameters(Rows { samples }): Parameters<Rows>) -> Answer<Json<Vec<Value>>> {
    let numbers = samples.split(',').filter(|number| !number.is_empty()).map(str::parse::<usize>).collect::<Result<Vec<_>, _>>();
    let numbers = numbers.map_err(|_| Refusal::bad(format!("samples={samples}: give numbers, as in samples=1,2")))?;
    if numbers.len() > MOST_ROWS {
        return Err(Refusal::bad(format!("{} samples are asked for at once: the limit is {MOST_ROWS}", numbers.len())));
    }
    let index = viewer.index()?;
    numbers.into_iter().map(|sample| row(&viewer, &index, sample, ROW_LABELS)).collect::<Result<_, _>>().map(Json)
}

/// A sample in a gallery.
fn row(viewer: &Viewer, index: &Index, sample: usize, (most, smallest): (usize, u16)) -> Answer<Value> {
    viewer.check(index, sample)?;
    let labels = index.labels(sample).take_while(|label| label.p >= smallest).take(most);
    let [width, height] = index.size(sample);
    Ok(json!({
        "sample": sample,
        "id": index.id(sample),
        "given": index.given(sample),
        "width": width,
        "height": height,
        "labels": labels.map(|label| json!([label.class, rounded(of_units(label.p))])).collect::<Vec<_>>(),
        "support": index.support(sample).map(|support| rounded(of_units(support))),
        "regions": index.regions(sample),
        "skipped": index.skipped(sample),
        "truth": index.truth(sample),
        "reviewed": viewer.reviews.complete_by(index, sample),
    }))
}

#[derive(Deserialize)]
struct Reader {
    #[serde(default)]
    who: String,
}

async fn sample(State(viewer): Shared, Named(sample): Named<usize>, Parameters(Reader { who }): Parameters<Reader>) -> Answer<Json<Value>> {
    let answer = at_work(&viewer, move |viewer| {
        let index = viewer.index()?;
        let mut answer = row(viewer, &index, sample, (usize::MAX, 1))?;
        let id = index.id(sample);
        answer["regions"] = viewer.details.regions(&viewer.run, sample, id).map_err(|error| Refusal::failed(&error))?.into();
        answer["reviews"] = viewer.reviews.events_of(id)?;
        answer["state"] = viewer.state_of(&index, sample, &who)?;
        Ok(answer)
    });
    answer.await.map(Json)
}

#[derive(Deserialize)]
struct Size {
    #[serde(default = "usual_size")]
    size: u32,
}

fn usual_size() -> u32 {
    256
}

async fn thumbnail(State(viewer): Shared, Named(sample): Named<usize>, Parameters(Size { size }): Parameters<Size>) -> Answer<Response> {
    let file = at_work_on_images(&viewer, move |viewer| {
        let index = viewer.index()?;
        viewer.check(&index, sample)?;
        let (models, id) = (viewer.models()?, index.id(sample));
        viewer.thumbnails.get(models, sample, id, size).map_err(|error| Refusal::missing(format!("{id}: {error}")))
    });
    Ok(([(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, FOR_GOOD)], file.await?.to_vec()).into_response())
}

async fn image(State(viewer): Shared, Named(sample): Named<usize>) -> Answer<Response> {
    let (kind, file) = at_work_on_images(&viewer, move |viewer| {
        let index = viewer.index()?;
        viewer.check(&index, sample)?;
        let (models, id) = (viewer.models()?, index.id(sample));
        picture(models, id).map_err(|error| Refusal::missing(format!("{id}: {error}")))
    })
    .await?;
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, FOR_GOOD)], file).into_response())
}

async fn thresholds(State(viewer): Shared, Parameters(query): Parameters<Query>) -> Answer<Json<figures::Thresholds>> {
    at_work(&viewer, move |viewer| viewer.known(|known| figures::thresholds(known, &query))?).await.map(Json)
}

#[derive(Deserialize)]
struct At {
    tau: Option<f32>,
    #[serde(default = "usual_pairs")]
    top: usize,
}

fn usual_pairs() -> usize {
    200
}

async fn classes(State(viewer): Shared, Parameters(at): Parameters<At>) -> Answer<Json<Vec<figures::ClassFigures>>> {
    let figures = at_work(&viewer, move |viewer| {
        let tau = threshold(at.tau, viewer.run.record.threshold)?;
        viewer.known(|known| figures::classes(known.index, known.reviewed, viewer.run.record.classes.len(), tau))
    });
    figures.await.map(Json)
}

async fn class(State(viewer): Shared, Named(class): Named<u32>, Parameters(at): Parameters<At>) -> Answer<Json<Value>> {
    let figures = at_work(&viewer, move |viewer| {
        let tau = threshold(at.tau, viewer.run.record.threshold)?;
        viewer.known(|known| figures::class(known.index, known.reviewed, viewer.run.record.classes.len(), class, tau))?
    });
    figures.await.map(Json)
}

async fn pairs(State(viewer): Shared, Parameters(at): Parameters<At>) -> Answer<Json<Vec<figures::Pair>>> {
    let pairs = at_work(&viewer, move |viewer| {
        let tau = threshold(at.tau, viewer.run.record.threshold)?;
        viewer.known(|known| figures::pairs(known.index, at.top, tau))
    });
    pairs.await.map(Json)
}

#[derive(Deserialize)]
struct Wanted {
    kind: Kind,
    #[serde(default = "usual_queue")]
    n: usize,
    #[serde(default)]
    who: String,
}

fn usual_queue() -> usize {
    50
}

async fn queue_of(State(viewer): Shared, Parameters(wanted): Parameters<Wanted>) -> Answer<Json<Value>> {
    let entries = at_work(&viewer, move |viewer| {
        viewer.known(|known| queue::entries(known, &viewer.run.record.classes, wanted.kind, wanted.n.min(MOST_ROWS), &wanted.who))
    });
    Ok(Json(json!({ "entries": entries.await? })))
}

async fn review(State(viewer): Shared, Sent(review): Sent<Review>) -> Answer<Json<Value>> {
    at_work(&viewer, move |viewer| viewer.review(&review)).await.map(Json)
}

async fn summary(State(viewer): Shared) -> Answer<Json<Value>> {
    at_work(&viewer, |viewer| viewer.known(|known| known.reviewed.summary())).await.map(Json)
}

#[derive(Deserialize)]
struct Drawn {
    sample: usize,
    #[serde(flatten)]
    shape: Shape,
}

async fn predict(State(viewer): Shared, Sent(Drawn { sample, shape }): Sent<Drawn>) -> Answer<Json<Value>> {
    let answer = at_work_on_images(&viewer, move |viewer| {
        let index = viewer.index()?;
        viewer.check(&index, sample)?;
        annotate::predict(viewer.annotating()?, index.id(sample), &shape)
    });
    answer.await.map(Json)
}

#[derive(Deserialize)]
struct Point {
    sample: usize,
    x: f64,
    y: f64,
}

async fn propose(State(viewer): Shared, Sent(Point { sample, x, y }): Sent<Point>) -> Answer<Json<Value>> {
    let answer = at_work_on_images(&viewer, move |viewer| {
        let index = viewer.index()?;
        viewer.check(&index, sample)?;
        annotate::propose(viewer.annotating()?, index.id(sample), x, y)
    });
    answer.await.map(Json)
}

/// What an image that cannot be read says.
impl From<convert_sdk::Error> for Refusal {
    fn from(error: convert_sdk::Error) -> Self {
        Self::failed(&PluginError(error))
    }
}
