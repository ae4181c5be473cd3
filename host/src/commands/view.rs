//! `convert view`: looks at a finished run in a browser.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;

use super::{cancel_on_ctrl_c, finished};
use crate::cli::{Threads, ViewArguments};
use crate::engine::Progress;
use crate::errors::{FileError, chain};
use crate::failure::Failure;
use crate::pipeline::{Asked, COMPLETE_RECIPE, Consultation};
use crate::plugins::Catalog;
use crate::recipe::{Overrides, Recipe};
use crate::view::{Access, FinishedRun, Rules, Viewer, make_folder, note_place, router};

/// How often the end is looked for.
const GLANCE: Duration = Duration::from_millis(200);
/// How long requests may take to end with the server.
const TO_END: Duration = Duration::from_secs(2);

/// Serves a run until Ctrl-C.
pub fn view(arguments: &ViewArguments, catalog: Catalog, progress: Progress) -> Result<(), Failure> {
    let run = FinishedRun::open(&arguments.run)?;
    make_folder(&run.place.folder)?;
    let threads = arguments.threads;
    let (note, device) = (note_place(&run), arguments.device.clone().unwrap_or_else(|| run.record.device.clone()));
    let viewer = Arc::new(Viewer::new(run, Rules { read_only: arguments.read_only, blind: arguments.blind }, threads.count())?);
    let failed = |error: std::io::Error| Failure::run(format!("the server cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let listener = runtime.block_on(listen(&arguments.host, arguments.port))?;
    let address = listener.local_addr().map_err(failed)?;
    let access = Arc::new(Access::new(token(), address, &arguments.host));
    let cancel = cancel_on_ctrl_c()?;
    let is_known = viewer.take_up_index();

    answer!("{}", access.address());
    tracing::info!("{} is shown at this address until Ctrl-C", arguments.run.display());
    if !address.ip().is_loopback() {
        tracing::warn!(
            "whoever has this address can read the run, and what is sent is not encrypted: show it through an SSH tunnel or a proxy with TLS"
        );
    }
    if let Some(note) = note {
        tracing::info!("{note}");
    }
    let beside = Beside { run: arguments.run.clone(), device, threads, viewer: Arc::clone(&viewer), cancel: Arc::clone(&cancel) };
    std::thread::spawn(move || beside.open(is_known, &catalog, progress));
    runtime.block_on(async {
        let ended = async move {
            while !cancel.load(Ordering::Relaxed) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let served = axum::serve(listener, router(viewer, access)).with_graceful_shutdown(ended);
        served.await.map_err(|error| Failure::run(format!("the server ended: {error}")))
    })?;
    runtime.shutdown_timeout(TO_END);
    Ok(())
}

async fn listen(host: &str, port: u16) -> Result<TcpListener, Failure> {
    let unknown = || Failure::usage(format!("--host {host} is no address of this machine: give one, such as 127.0.0.1"));
    let address: SocketAddr = match host.parse::<IpAddr>() {
        Ok(ip) => (ip, port).into(),
        Err(_) => (host, port).to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(unknown)?,
    };
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Failure::usage(format!("port {port} of {host} is in use: give another with --port, or --port 0 for any")),
        std::io::ErrorKind::AddrNotAvailable => unknown(),
        _ => Failure::run(format!("cannot listen at {host}:{port}: {error}")),
    })
}

/// 128 random bits.
fn token() -> String {
    use std::hash::{BuildHasher, Hasher};
    // Keys that the system drew, two of them by which nothing else is hashed.
    let drawn = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", drawn(), drawn())
}

/// What is opened beside the server.
struct Beside {
    run: std::path::PathBuf,
    device: String,
    threads: Threads,
    viewer: Arc<Viewer>,
    cancel: Arc<AtomicBool>,
}

impl Beside {
    fn open(&self, is_known: bool, catalog: &Catalog, progress: Progress) {
        if !is_known && let Err(error) = self.index(catalog, progress) {
            self.viewer.has_failed(&error);
            if !self.cancel.load(Ordering::Relaxed) {
                tracing::error!("{}", chain(&error));
            }
        }
        let models = self.consultation(catalog).map_err(|error| {
            tracing::warn!("no images can be shown: {}", chain(&error));
            chain(&error)
        });
        self.viewer.has_models(models);
    }

    /// Reads all that the run stored; the run is not held longer than that.
    fn index(&self, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
        let session = finished::reopen(&self.run, self.threads, catalog, progress, &self.cancel)?;
        self.viewer.build_index(&session)
    }

    fn consultation(&self, catalog: &Catalog) -> Result<Consultation, Failure> {
        let place = &self.viewer.run.place;
        let file = place.folder.join(COMPLETE_RECIPE);
        place.store.fetch(COMPLETE_RECIPE, &file).map_err(FileError::of("read", &place.store.place(COMPLETE_RECIPE)))?;
        let recipe = Recipe::load(&file, &Overrides { set: &[], work_dir: Some(Path::new(&self.run)) }, catalog)?;
        let record = &self.viewer.run.record;
        let machine = Asked { device: self.device.clone(), threads: self.threads.count(), cancel: Arc::clone(&self.cancel) };
        Ok(Consultation::of_run(recipe, record.classes.clone(), &record.stages, machine)?)
    }
}
