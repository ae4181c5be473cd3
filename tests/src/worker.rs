//! `convert worker` as a scheduler sees it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::{build_folder, python, stdout};

/// A worker that was started, and is ready.
pub struct Worker {
    /// The process.
    pub child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What it said when it was ready.
    pub ready: Json,
}

impl Worker {
    /// Starts a worker of the recipe in a folder; the process, and what it says first: nothing where it refuses to work.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self, (Option<i32>, String)> {
        let mut command = Command::new(build_folder().join("convert"));
        command.current_dir(folder).args(["worker", "--recipe", "recipe.yaml"]).args(arguments).env("CONVERT_PYTHON", python());
        command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("convert can be started");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its output");
        if line.is_empty() {
            let ended = child.wait_with_output().expect("its end");
            return Err((ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned()));
        }
        let input = child.stdin.take();
        Ok(Self { child, input, output, ready: serde_json::from_str(&line).expect("a JSON line") })
    }

    /// Asks for something.
    ///
    /// # Panics
    /// When it is gone.
    pub fn send(&mut self, line: &Json) {
        let input = self.input.as_mut().expect("its input");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("it reads");
    }

    /// The next answer; nothing once there are no more. What it says of its progress is passed over.
    ///
    /// # Panics
    /// When it does not answer in JSON.
    pub fn answer(&mut self) -> Option<Json> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).expect("its output") == 0 {
                return None;
            }
            let answer: Json = serde_json::from_str(&line).expect("a JSON line");
            if answer.get("progress").is_none() {
                return Some(answer);
            }
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Panics
    /// When there is none.
    pub fn ask(&mut self, line: &Json) -> Json {
        self.send(line);
        self.answer().expect("an answer")
    }

    /// Ends its input; its exit code.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn end(mut self) -> Option<i32> {
        drop(self.input.take());
        self.child.wait().expect("its end").code()
    }
}

/// The plan of the recipe in a folder.
///
/// # Panics
/// When there is none.
pub fn plan(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Json {
    let mut command = Command::new(build_folder().join("convert"));
    command
        .current_dir(folder)
        .args(["plan", "recipe.yaml", "--json"])
        .args(arguments)
        .env("CONVERT_PYTHON", python())
        .envs(variables.iter().copied());
    let output = command.output().expect("convert can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&stdout(&output)).expect("a plan")
}

/// The tasks of a plan in an order in which they may be done: for each segment one a shard, and the trainings between them.
///
/// # Panics
/// When the plan is none.
pub fn tasks(plan: &Json) -> Vec<Json> {
    let mut tasks: Vec<Json> = Vec::new();
    let shards = plan["shards"].as_u64().expect("a number");
    let steps = plan["steps"].as_array().expect("a list").iter();
    let wanted = steps.filter(|step| step["on_demand"] == false && step.get("done").is_some());
    let mut segment: Vec<&Json> = Vec::new();
    let end = |segment: &mut Vec<&Json>, tasks: &mut Vec<Json>| {
        let steps = std::mem::take(segment);
        let (names, keys): (Vec<&Json>, serde_json::Map<String, Json>) = (
            steps.iter().map(|step| &step["name"]).collect(),
            steps.iter().map(|step| (step["name"].as_str().expect("a name").into(), step["key"].clone())).collect(),
        );
        for shard in (0..shards).filter(|_| !names.is_empty()) {
            tasks.push(json!({ "id": tasks.len(), "stages": names, "keys": keys, "shards": [shard] }));
        }
    };
    for step in wanted {
        if segment.first().is_some_and(|first| first.get("segment") != step.get("segment")) {
            end(&mut segment, &mut tasks);
        }
        if step["kind"] == "per-sample" {
            segment.push(step);
        } else {
            tasks.push(json!({ "id": tasks.len(), "stages": [step["name"]] }));
        }
    }
    end(&mut segment, &mut tasks);
    tasks
}
