//! The device that a run names, and what this machine has of CUDA: the one place that loads libtorch's CUDA part.
#![expect(unsafe_code, reason = "opening a library runs its initialisers")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use convert_sdk::{Context, Error, ErrorKind, Finding, Result};
use tch::{Cuda, Device};

use crate::config::Precision;

/// What makes libtorch round the numbers of fp32 products to TF32, whatever a program says.
const TF32_OVERRIDE: &str = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE";

/// The device that the run's settings name. For one of CUDA, libtorch's CUDA part is loaded first.
///
/// # Errors
/// A name that is none; CUDA where this libtorch finds no such device, with the reason; an environment that would make fp32 less than it says.
pub fn device(context: &Context) -> Result<Device> {
    named(&context.settings().device)
}

fn named(name: &str) -> Result<Device> {
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let unknown = || Error::config(format!("device {name} is not one of cpu, cuda, cuda:N"));
    let number = match name.strip_prefix("cuda").ok_or_else(unknown)? {
        "" => 0,
        rest => rest.strip_prefix(':').and_then(|number| number.parse::<usize>().ok()).ok_or_else(unknown)?,
    };
    let unsupported = |why: String| Err(Error::new(ErrorKind::Unsupported, format!("device {name} is not there: {why}; take cpu")));
    if let CudaPart::Absent(why) | CudaPart::Refused(why) = cuda_part() {
        return unsupported(why.clone());
    }
    let count = Cuda::device_count();
    if !i64::try_from(number).is_ok_and(|number| number < count) {
        return unsupported(format!("libtorch finds {count} CUDA devices"));
    }
    if std::env::var(TF32_OVERRIDE).is_ok_and(|value| value == "1") {
        return Err(Error::config(format!(
            "{TF32_OVERRIDE}=1 would round the numbers of fp32 products to TF32: unset it; precision: bf16 is the fast way"
        )));
    }
    Ok(Device::Cuda(number))
}

/// libtorch's CUDA part, as this process found it.
enum CudaPart {
    Loaded(PathBuf),
    /// There is none, and why that is known.
    Absent(String),
    /// There is one that cannot be loaded.
    Refused(String),
}

/// Loads libtorch's CUDA part beside the libtorch of this process, once: before the first question about CUDA, since libtorch remembers the answer. A program that
/// calls nothing of it is not linked to it, so nothing else would load it. Plugins have statics of their own and share libtorch: the second one's loading finds it there.
fn cuda_part() -> &'static CudaPart {
    static PART: OnceLock<CudaPart> = OnceLock::new();
    PART.get_or_init(|| {
        let Some(folder) = libtorch_folder() else { return CudaPart::Absent("this system does not tell where libtorch was loaded from".into()) };
        let file = folder.join("libtorch_cuda.so");
        if !file.is_file() {
            return CudaPart::Absent(format!(
                "the libtorch of {} is for CPUs alone (LD_LIBRARY_PATH, else LIBTORCH at build time, decides)",
                folder.display()
            ));
        }
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        // SAFETY: its initialisers register CUDA with the libtorch of the same folder, as PyTorch itself loads it; it is never closed.
        match unsafe { Library::open(Some(&file), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => {
                std::mem::forget(library);
                CudaPart::Loaded(file)
            }
            Err(error) => {
                let text = error.to_string();
                let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
                CudaPart::Refused(format!("{} cannot be loaded: {line}", file.display()))
            }
        }
    })
}

/// The folder of the libtorch that this process has open.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let mut paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    paths.find(|path| path.ends_with("libtorch_cpu.so"))?.parent().map(Path::to_owned)
}

/// What `convert doctor` shows of libtorch: its version and place, its CUDA part, the devices, and the default precision on each.
pub fn diagnosis() -> Vec<Finding> {
    let libtorch = match libtorch_folder() {
        Some(folder) => format!("{} in {}", version(&folder).unwrap_or_else(|| "of an unknown version".into()), folder.display()),
        None => "loaded from a place that this system does not tell".into(),
    };
    let cuda = match cuda_part() {
        CudaPart::Loaded(file) => format!("{} is loaded", file.display()),
        CudaPart::Absent(why) => format!("none: {why}"),
        CudaPart::Refused(why) => format!("none: {why}"),
    };
    let cards = cards();
    let of = |number: i64| match cards.as_slice() {
        // With several, CUDA_VISIBLE_DEVICES may choose and order them.
        [card] => format!("cuda:{number} ({card})"),
        _ => format!("cuda:{number}"),
    };
    let devices: Vec<String> = std::iter::once("cpu".to_owned()).chain((0..Cuda::device_count()).map(of)).collect();
    let precision = format!("auto is {} on a CPU, {} on CUDA", Precision::Auto.on(Device::Cpu).name(), Precision::Auto.on(Device::Cuda(0)).name());
    let finding = |name: &str, value: String| Finding { name: name.into(), value };
    vec![finding("libtorch", libtorch), finding("cuda", cuda), finding("devices", devices.join(", ")), finding("precision", precision)]
}

/// The version that lies beside the libraries, as libtorch's archives and as PyTorch's wheels tell it.
fn version(folder: &Path) -> Option<String> {
    let root = folder.parent()?;
    if let Ok(version) = std::fs::read_to_string(root.join("build-version")) {
        return Some(version.trim().to_owned());
    }
    let text = std::fs::read_to_string(root.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split('\'').nth(1).map(str::to_owned)
}

/// The names of the cards, as NVIDIA's driver tells them.
fn cards() -> Vec<String> {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let name = |folder: std::fs::DirEntry| {
        let text = std::fs::read_to_string(folder.path().join("information")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Model:")).map(|name| name.trim().to_owned())
    };
    folders.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_what_is_not_there_says_why() {
        assert_eq!(named("cpu").unwrap(), Device::Cpu);
        for name in ["gpu", "cuda:", "cuda:x", "cudaa"] {
            assert_eq!(named(name).unwrap_err().to_string(), format!("device {name} is not one of cpu, cuda, cuda:N"));
        }
        let error = named("cuda:4096").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.message.starts_with("device cuda:4096 is not there: "), "{error}");
    }

    #[test]
    fn the_diagnosis_names_the_libtorch_that_this_process_has_open() {
        let findings = diagnosis();
        assert_eq!(findings.iter().map(|finding| finding.name.as_str()).collect::<Vec<_>>(), ["libtorch", "cuda", "devices", "precision"]);
        let folder = Path::new(findings[0].value.split(" in ").nth(1).expect("a folder"));
        assert!(folder.join("libtorch_cpu.so").is_file(), "{}", folder.display());
        assert!(findings[2].value.starts_with("cpu"), "{}", findings[2].value);
        assert_eq!(findings[3].value, "auto is fp32 on a CPU, bf16 on CUDA");
    }
}
