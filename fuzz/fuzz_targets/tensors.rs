//! Safetensors, `torch.save`'s archives and its older form; ReLabel's maps are among them.
#![no_main]
use convert_formats::tensors::TensorFile;
use convert_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_file("tensors", bytes, |path| {
        let Ok(file) = TensorFile::open(path) else { return };
        file.entries().keys().for_each(|name| drop(file.read_f64(name)));
    });
});
