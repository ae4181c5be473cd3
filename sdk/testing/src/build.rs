use std::sync::Arc;

use convert_sdk::abi::{Remote, export::Exported};
use convert_sdk::{Context, Error, ErrorKind, Host, LogLevel, Result};

/// The classes of the synthetic dataset.
pub const CLASSES: [&str; 4] = ["apple", "pear", "fig", "plum"];

/// A run that was interrupted.
struct Interrupted;

impl Host for Interrupted {
    fn log(&self, _: LogLevel, _: &str, _: &str) {}
    fn progress(&self, _: u64, _: u64, _: &str) {}
    fn cancelled(&self) -> bool {
        true
    }
}

/// A plugin, built through the ABI, and the rules of its config.
pub struct Built {
    exported: Exported,
    config: String,
}

impl Built {
    pub fn new(exported: Exported, config: &str) -> Self {
        let declaration = exported.declaration();
        assert!(
            !declaration.summary.is_empty(),
            "the config type has no doc comment: its first paragraph is the plugin's line in `convert plugins list`"
        );
        for (key, schema) in declaration.schema["properties"].as_object().into_iter().flatten() {
            assert!(schema.get("description").is_some(), "the config key `{key}` has no doc comment, which `convert plugins describe` shows");
        }
        let built = Self { exported, config: config.to_owned() };
        let mut json: serde_json::Value = serde_json::from_str(config).unwrap_or_else(|error| panic!("the config is not JSON: {error}"));
        json["no_such_key"] = true.into();
        let accepted = built.exported.build(&json.to_string(), Context::for_tests(&CLASSES)).is_ok();
        assert!(!accepted, "the config takes a key that it does not have: write #[config] before its type");
        built
    }

    /// Builds it once more.
    pub fn build(&self) -> Remote<'static> {
        self.build_in(Context::for_tests(&CLASSES))
    }

    /// Builds it for a run that was interrupted.
    pub fn build_interrupted(&self) -> Remote<'static> {
        let settings = Context::for_tests(&CLASSES).settings().clone();
        self.build_in(Context::new(settings, Arc::new(Interrupted)))
    }

    fn build_in(&self, context: Context) -> Remote<'static> {
        let object = self.exported.build(&self.config, context);
        Remote(object.unwrap_or_else(|error| panic!("it cannot be built with the config {}: {error}", self.config)))
    }
}

/// The value; what stands in the way of it breaks a rule.
pub fn given<T>(what: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Refuses a panic and nothing else.
pub fn no_panic<T>(what: &str, result: Result<T>) -> Option<T> {
    match result {
        Err(Error { kind: ErrorKind::Panic, message, .. }) => panic!("{what}: it {message}"),
        other => other.ok(),
    }
}

/// What a call gives: the same each time, and from four threads at once.
pub fn steady<T: PartialEq + std::fmt::Debug + Send>(what: &str, call: impl Fn() -> Result<T> + Sync) -> T {
    let first = given(what, call());
    assert_eq!(given(what, call()), first, "{what}: the second call gives something else");
    let others: Vec<T> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| given(what, call()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    for other in others {
        assert_eq!(other, first, "{what}: a call gives something else while others run");
    }
    first
}

/// A folder of its own for as long as a check lasts.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("convert-testing-{}-{number}", std::process::id()));
        given("a folder for the check", std::fs::create_dir_all(&path).map_err(Error::from));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
