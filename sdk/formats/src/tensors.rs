//! Tensors in files: safetensors, and what `torch.save` writes (`.pt`, `.pth`).
//!
//! [`TensorFile::open`] reads where each tensor lies, not the tensors; [`TensorFile::read`] brings one. A pickle is never executed: what it holds
//! besides tensors and plain containers is refused by its name.

mod entry;
mod file;
mod safetensors_header;
mod torch_archive;
mod torch_writer;

pub use entry::Entry;
pub use file::TensorFile;
pub use safetensors::Dtype;
pub use torch_writer::label_map_file;
