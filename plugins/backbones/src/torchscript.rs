//! Loading a module that `torch.jit` exported.

use std::path::Path;

use convert_sdk::{Error, Result, ResultExt};
use tch::{CModule, Device};

use crate::torch::{bytes_of, torch};

/// A module on a device, for inference, with the bytes of its parameters. A call computes the same the first and the tenth time.
///
/// # Errors
/// A file that is no such module, and parameters that are not finite.
pub fn load_module(path: &Path, device: Device) -> Result<(CModule, u64)> {
    let named = || format!("cannot load the module {}", path.display());
    let mut module = torch(|| {
        // The optimiser changes the graph after the first calls, and with it the rounding.
        tch::jit::f_set_graph_executor_optimize(false)?;
        CModule::load_on_device(path, device)
    })
    .context(named)?;
    torch(|| module.f_set_eval()).context(named)?;
    let mut memory = 0;
    for (name, parameter) in torch(|| module.named_parameters()).context(named)? {
        memory += bytes_of(&parameter);
        if parameter.is_floating_point() && torch(|| parameter.f_isfinite()?.f_all()?.f_int64_value(&[]))? == 0 {
            return Err(Error::invalid(format!("parameter {name} holds numbers that are not finite"))).context(named);
        }
    }
    Ok((module, memory))
}
