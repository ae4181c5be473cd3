//! Published files by name, fetched from a server that misbehaves: resumed or refused in one line, and nothing half-written under the final name.

use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use convert_tests::file_server::{Fault, FileServer};
use convert_tests::{Place, convert, plugin_folder, stderr, stdout};
use tempfile::TempDir;

/// The file of tests/plugins/named-file.
fn content() -> Vec<u8> {
    (0..200_000u32).map(|at| ((at * 31 + 7) % 251) as u8).collect()
}

/// A folder of weights, a server, and the plugin that knows its file by names.
struct Shelf {
    place: Place,
    plugins: TempDir,
    server: FileServer,
}

const RECIPE: &str = "version: 1
work_dir: work
dataset: { plugin: image-folder, root: data }
proposals: [ { plugin: named-file, config: { weights: NAME } } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 2 } }
export: [ { plugin: multilabel-tsv, file: labels.tsv } ]
";

impl Shelf {
    fn new(name: &str, faults: &[Fault]) -> Self {
        let place = Place::new(&RECIPE.replace("NAME", name));
        place.write_images(&["apple", "pear"], 2);
        std::fs::create_dir(place.path("served")).unwrap();
        for file in ["hashed.bin", "wrong.bin", "plain.bin", "gated.bin"] {
            std::fs::write(place.path("served").join(file), content()).unwrap();
        }
        let server = FileServer::start(&place.path("served"), faults);
        Self { plugins: plugin_folder("convert_test_named_file"), place, server }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = convert();
        command.args(arguments).env("CONVERT_PLUGIN_PATH", self.plugins.path()).current_dir(self.place.path(""));
        command
            .env("CONVERT_WEIGHTS", self.place.path("weights"))
            .env("CONVERT_WEIGHTS_URL", self.server.url())
            .env("CONVERT_WEIGHTS_TIMEOUT", "0.6");
        for name in ["CONVERT_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("convert can be started")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path("weights").join(name)
    }

    /// `weights get NAME` ends with a code and says something in one line of error.
    fn refused(&self, name: &str, code: i32, expected: &str) {
        let output = self.run(&["weights", "get", name]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(matches!(errors.as_slice(), [error] if error.contains(expected)), "`{expected}` is not the error of: {text}");
        assert!(!self.file(&format!("{name}.bin")).exists(), "nothing stands under the final name");
    }

    /// `weights get NAME` brings the file.
    fn fetched(&self, name: &str) -> String {
        let output = self.run(&["weights", "get", name]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let file = self.file(&format!("{name}.bin"));
        assert_eq!(stdout(&output), format!("{}\n", file.display()));
        assert!(std::fs::read(&file).unwrap() == content(), "every byte is right");
        for ending in ["part", "part.tag"] {
            assert!(!self.file(&format!("{name}.bin.{ending}")).exists(), "{ending} is gone");
        }
        stderr(&output)
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.server.requests().into_iter().map(|request| request.range).collect()
    }
}

#[test]
fn a_file_is_fetched_whole_and_its_hash_is_checked_now_and_later() {
    let shelf = Shelf::new("hashed", &[]);
    let text = shelf.fetched("hashed");
    assert!(text.contains(&format!("hashed (200 kB, CC0-1.0) into {}", shelf.file("hashed.bin").display())), "{text}");
    assert!(shelf.fetched("hashed").contains("hashed: here, SHA-256 right"), "it is not fetched again");
    assert_eq!(shelf.server.requests().len(), 1);
    shelf.fetched("plain");
    let state = |name: &str| {
        let text = stdout(&shelf.run(&["weights", "list"]));
        text.lines().find(|line| line.contains(&format!("│ {name} "))).unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    assert!(state("plain").contains("here, SHA-256 as when it was fetched"), "{}", state("plain"));
    assert!(state("gated").contains("not here") && state("gated").contains("200 kB"), "{}", state("gated"));
    let mut changed = content();
    changed[5] ^= 1;
    for name in ["plain", "hashed"] {
        std::fs::write(shelf.file(&format!("{name}.bin")), &changed).unwrap();
    }
    assert!(state("plain").contains("CHANGED since it was fetched"), "{}", state("plain"));
    assert!(state("hashed").contains("WRONG"), "{}", state("hashed"));
    let output = shelf.run(&["weights", "get", "plain"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("CHANGED since it was fetched; get it again: remove "), "{}", stderr(&output));
}

#[test]
fn what_breaks_off_or_stalls_is_resumed_where_it_ended() {
    for fault in [Fault::BreaksAt(30), Fault::StallsAt(30), Fault::AnnouncesMore(1)] {
        let shelf = Shelf::new("hashed", &[fault]);
        shelf.fetched("hashed");
        let expected = if fault == Fault::AnnouncesMore(1) { "bytes=200000-" } else { "bytes=60000-" };
        assert_eq!(shelf.ranges(), [None, Some(expected.to_owned())], "{fault:?}");
    }
    // Again and again, as long as something comes.
    let shelf = Shelf::new("hashed", &[Fault::BreaksAt(30); 12]);
    shelf.fetched("hashed");
    assert_eq!(shelf.ranges().len(), 13);
    // With nothing, a few times only; the next process goes on.
    let faults =
        [&[Fault::BreaksAt(30)][..], &[Fault::Status(503), Fault::BreaksAt(0), Fault::StallsAt(0), Fault::Status(500), Fault::Status(500)]].concat();
    let shelf = Shelf::new("hashed", &faults);
    shelf.refused("hashed", 1, "broke off after 60 kB (it answers 500 Internal Server Error): what is here is kept, the same command continues");
    assert_eq!(std::fs::metadata(shelf.file("hashed.bin.part")).unwrap().len(), 60_000);
    shelf.fetched("hashed");
    assert_eq!(shelf.ranges().last().unwrap().as_deref(), Some("bytes=60000-"));
    // A server that does not know parts sends it all.
    let shelf = Shelf::new("hashed", &[Fault::BreaksAt(30), Fault::IgnoresRange]);
    shelf.fetched("hashed");
    // The last byte came, the name did not.
    let shelf = Shelf::new("hashed", &[]);
    std::fs::create_dir(shelf.place.path("weights")).unwrap();
    std::fs::write(shelf.file("hashed.bin.part"), content()).unwrap();
    shelf.fetched("hashed");
    // The beginning of another version: it is too long, or its hash tells.
    let shelf = Shelf::new("hashed", &[]);
    std::fs::create_dir(shelf.place.path("weights")).unwrap();
    std::fs::write(shelf.file("hashed.bin.part"), vec![1; 300_000]).unwrap();
    shelf.fetched("hashed");
    let shelf = Shelf::new("hashed", &[]);
    std::fs::create_dir(shelf.place.path("weights")).unwrap();
    std::fs::write(shelf.file("hashed.bin.part"), vec![1; 1000]).unwrap();
    shelf.refused("hashed", 2, "has a SHA-256 that begins with ");
    shelf.fetched("hashed");
}

#[test]
fn another_file_is_refused_in_one_line_and_nothing_of_it_is_kept() {
    let gone = |shelf: &Shelf, name: &str| assert!(!shelf.file(&format!("{name}.bin.part")).exists(), "nothing is kept");
    let shelf = Shelf::new("hashed", &[Fault::WrongBytes]);
    shelf.refused("hashed", 2, "it was discarded; try again, or another source (CONVERT_WEIGHTS_URL)");
    gone(&shelf, "hashed");
    let shelf = Shelf::new("wrong", &[]);
    shelf.refused("wrong", 2, "instead of 00000000");
    gone(&shelf, "wrong");
    for (fault, offered) in [(Fault::SmallPage, "12 bytes"), (Fault::AnnouncesMore(50), "300 kB"), (Fault::Endless, "2")] {
        let shelf = Shelf::new("plain", &[fault]);
        shelf.refused("plain", 2, &format!("plain.bin offers {offered}"));
        gone(&shelf, "plain");
        assert!(!shelf.file("plain.bin.sha256").exists());
    }
}

/// Of a file without a hash the length is all there is to go by; what was good before is kept.
#[test]
fn a_resumed_file_is_not_longer_than_announced_and_no_login_page_costs_what_is_here() {
    let shelf = Shelf::new("plain", &[Fault::BreaksAt(90), Fault::SendsMore(5_000)]);
    shelf.refused("plain", 2, "plain.bin offers 205 kB where about 200 kB are expected");
    assert!(!shelf.file("plain.bin.sha256").exists());
    shelf.fetched("plain");
    let shelf = Shelf::new("plain", &[Fault::BreaksAt(90), Fault::SmallPage]);
    shelf.refused("plain", 2, "plain.bin offers 12 bytes");
    assert_eq!(std::fs::metadata(shelf.file("plain.bin.part")).unwrap().len(), 180_000);
    shelf.fetched("plain");
    assert_eq!(shelf.ranges().last().unwrap().as_deref(), Some("bytes=180000-"));
}

#[test]
fn what_the_server_refuses_is_said_with_its_address() {
    let shelf = Shelf::new("plain", &[Fault::Status(404)]);
    shelf.refused("plain", 2, &format!("{}/plain.bin answers 404: the file is not there", shelf.server.url()));
    Shelf::new("plain", &[Fault::Status(403)]).refused("plain", 2, "answers 403: access is denied");
    let shelf = Shelf::new("plain", &[Fault::RedirectLoop; 40]);
    shelf.refused("plain", 2, "/plain.bin redirects in a loop");
    assert!(shelf.server.requests().len() < 20);
    Shelf::new("plain", &[Fault::Redirect, Fault::BreaksAt(50), Fault::Redirect]).fetched("plain");

    let shelf = Shelf::new("plain", &[]);
    let with = |name: &str, value: &str, arguments: &[&str], code: i32, expected: &str| {
        let output = shelf.command(arguments).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{expected}: {}", stderr(&output));
    };
    let get = ["weights", "get", "plain"];
    with("CONVERT_OFFLINE", "1", &get, 2, "error: CONVERT_OFFLINE is set, so that nothing is fetched: unset it to fetch plain");
    with(
        "CONVERT_WEIGHTS_URL",
        "ftp://mirror",
        &get,
        2,
        "error: `ftp://mirror/plain.bin` is not an http:// or https:// address: correct CONVERT_WEIGHTS_URL",
    );
    with("CONVERT_WEIGHTS_URL", "http://127.0.0.1:1", &get, 1, "error: http://127.0.0.1:1/plain.bin broke off after 0 bytes");
    with("CONVERT_WEIGHTS_TIMEOUT", "soon", &get, 2, "error: CONVERT_WEIGHTS_TIMEOUT is `soon`, not a number of seconds above 0");
    with(
        "CONVERT_WEIGHTS_URL",
        "",
        &["weights", "get", "gated"],
        2,
        "the licence of gated must be accepted first: get gated.bin from http://127.0.0.1:9/",
    );
    with("CONVERT_WEIGHTS", "/dev/null/here", &get, 1, "error: cannot make the folder /dev/null/here");
    with("SSL_CERT_FILE", "/nowhere.pem", &get, 2, "error: cannot use the certificates of SSL_CERT_FILE, /nowhere.pem: No such file or directory");
    with("SSL_CERT_FILE", "/dev/null", &get, 2, "error: cannot use the certificates of SSL_CERT_FILE, /dev/null: there is no certificate in it");
    with("NO", "", &["weights", "get", "plane"], 2, "`plane` is the name of no published file; did you mean `plain`?");
    assert!(!shelf.file("plain.bin").exists() && shelf.server.requests().is_empty());
    // A mirror's owner has accepted the licence.
    shelf.fetched("gated");
}

#[test]
fn a_proxy_of_the_environment_is_asked() {
    let shelf = Shelf::new("plain", &[]);
    let mut command = shelf.command(&["weights", "get", "plain"]);
    let output = command.env("CONVERT_WEIGHTS_URL", "http://mirror.invalid").env("HTTP_PROXY", shelf.server.url()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let asked: Vec<String> = shelf.server.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(asked, ["CONNECT mirror.invalid:80 HTTP/1.1", "GET /plain.bin HTTP/1.1"]);
    let mut command = shelf.command(&["weights", "get", "hashed"]);
    let output = command.env("HTTP_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn two_processes_fetch_a_file_once() {
    let shelf = Shelf::new("plain", &[Fault::StallsAt(50)]);
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| shelf.run(&["weights", "get", "plain"]))).collect();
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(outputs.iter().all(|output| output.status.code() == Some(0)), "{}", outputs.iter().map(stderr).collect::<String>());
    assert_eq!(shelf.ranges(), [None, Some("bytes=100000-".to_owned())]);
    assert!(outputs.iter().any(|output| stderr(output).contains("another process is fetching plain: waiting for it")));
    assert!(std::fs::read(shelf.file("plain.bin")).unwrap() == content());
}

#[test]
fn a_run_fetches_what_its_recipe_names_where_somebody_agrees() {
    let shelf = Shelf::new("hashed", &[]);
    let run = ["--recipe", "recipe.yaml"];
    let output = shelf.run(&run);
    assert_eq!(output.status.code(), Some(2));
    let advice = "weights get hashed` fetches it (200 kB, CC0-1.0), or add --yes";
    assert!(
        stderr(&output).contains("recipe.yaml:4:55: `weights` of the config of named-file: `hashed` is not on this machine: `"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains(advice), "{}", stderr(&output));
    let offline = shelf.command(&[&run[..], &["--yes"]].concat()).env("CONVERT_OFFLINE", "1").output().unwrap();
    assert_eq!(offline.status.code(), Some(2));
    assert!(
        stderr(&offline).contains("CONVERT_OFFLINE is set, so that nothing is fetched: unset it, or get hashed.bin from"),
        "{}",
        stderr(&offline)
    );
    // Anything else that is wrong comes first.
    let output = shelf.run(&[&run[..], &["--yes", "--set", "label.config.epoch=3"]].concat());
    assert!(stderr(&output).contains("unknown key `epoch`") && shelf.server.requests().is_empty(), "{}", stderr(&output));

    let output = shelf.run(&[&run[..], &["--yes"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = format!("hashed is not on this machine: 200 kB, CC0-1.0, from {} into {}", shelf.server.url(), shelf.place.path("weights").display());
    assert!(stderr(&output).contains(&shown), "{}", stderr(&output));
    assert_eq!(String::from_utf8(shelf.place.result("labels.tsv")).unwrap().lines().count(), 4);
    assert_eq!(shelf.run(&run).status.code(), Some(0), "it is here now");
    assert_eq!(shelf.server.requests().len(), 1);
}

/// Through `script`, which gives the program a terminal.
#[test]
fn at_a_terminal_it_asks() {
    let test = "at_a_terminal_it_asks";
    if std::process::Command::new("script").arg("--version").output().is_err() {
        return convert_tests::skipped(test, "there is no `script` (util-linux)");
    }
    let shelf = Shelf::new("hashed", &[]);
    let program = convert_tests::build_folder().join("convert");
    let line = format!("{} check recipe.yaml", program.display());
    let ask = |answer: &str| {
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(shelf.place.path("")).write_stdin(answer);
        command.env("CONVERT_WEIGHTS", shelf.place.path("weights")).env("CONVERT_WEIGHTS_URL", shelf.server.url()).env_remove("CONVERT_OFFLINE");
        command.env("CONVERT_PLUGIN_PATH", shelf.plugins.path()).env("NO_COLOR", "1").output().unwrap()
    };
    let output = ask("n\n");
    assert!(stdout(&output).contains("Fetch it? [Y/n]"), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(shelf.server.requests().is_empty());
    let output = ask("\n");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(shelf.file("hashed.bin").is_file());
}
