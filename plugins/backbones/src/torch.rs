//! What every user of libtorch here needs: errors of one line, devices, and one thread a call.

use convert_sdk::{Context, Error, ErrorKind, Result};
use tch::{Device, TchError};

thread_local! {
    /// Set up once in each calling thread: OpenMP keeps the number of threads for each thread that starts work.
    static SINGLE_THREADED: () = tch::set_num_threads(1);
}

/// Runs tensor operations without recording gradients, on the calling thread alone, and makes libtorch's message one line.
///
/// One thread a call, because the host already works on as many images at once as there are threads, and because sums then never depend on how work was split.
pub fn torch<T>(run: impl FnOnce() -> Result<T, TchError>) -> Result<T> {
    SINGLE_THREADED.with(|()| ());
    tch::no_grad(run).map_err(|error| {
        let message = error.to_string();
        let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim();
        Error::new(ErrorKind::Other, format!("libtorch: {line}"))
    })
}

/// The device that the run's settings name.
///
/// # Errors
/// A name that is none, or CUDA where this libtorch finds no such device.
pub fn device(context: &Context) -> Result<Device> {
    let name = context.settings().device.as_str();
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let unknown = || Error::config(format!("device {name} is not one of cpu, cuda, cuda:N"));
    let number = match name.strip_prefix("cuda").ok_or_else(unknown)? {
        "" => 0,
        rest => rest.strip_prefix(':').and_then(|number| number.parse::<usize>().ok()).ok_or_else(unknown)?,
    };
    let count = tch::Cuda::device_count();
    if i64::try_from(number).is_ok_and(|number| number < count) {
        Ok(Device::Cuda(number))
    } else {
        Err(Error::new(ErrorKind::Unsupported, format!("device {name} is not there: libtorch finds {count} CUDA devices, take cpu")))
    }
}
