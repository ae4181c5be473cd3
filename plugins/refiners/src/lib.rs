//! Refiners: dense-crf, fill-holes, drop-small, grabcut, nms.

mod change;
pub mod crf;
mod dense_crf;
mod drop_small;
mod fill_holes;
mod grabcut;
pub mod holes;
mod nms;
#[cfg(test)]
mod rules;

pub use dense_crf::{DenseCrf, DenseCrfConfig};
pub use drop_small::{DropSmall, DropSmallConfig};
pub use fill_holes::{FillHoles, FillHolesConfig};
pub use grabcut::{GrabCut, GrabCutConfig};
pub use nms::{Nms, NmsConfig};

/// Keeps OpenCV on the threads that call it: the host is at as many images at once as there are threads. Said before every use, since OpenCV crashes when it is said while threads of its own are at work.
fn keep_opencv_on_one_thread() -> opencv::Result<()> {
    opencv::core::set_num_threads(0)
}

convert_sdk::export_plugins! {
    refiner "dense-crf" => DenseCrf { results_version: 1, seeded: false },
    refiner "fill-holes" => FillHoles { results_version: 1, seeded: false },
    refiner "drop-small" => DropSmall { results_version: 1, seeded: false },
    refiner "grabcut" => GrabCut { results_version: 1, seeded: false },
    refiner "nms" => Nms { results_version: 1, seeded: false },
}
