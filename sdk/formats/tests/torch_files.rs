//! Files written by PyTorch (tests/data/make.py), and what must be refused.

use std::path::{Path, PathBuf};

use convert_formats::tensors::{Dtype, TensorFile};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn numbers(from: usize, count: usize) -> Vec<f64> {
    (from..from + count).map(|i| i as f64 / 8.0 - 1.0).collect()
}

#[test]
fn both_forms_of_torch_save_give_every_tensor() {
    for name in ["state.pth", "older.pth"] {
        let file = TensorFile::open(&data(name)).unwrap();
        let names: Vec<&str> = file.entries().keys().map(String::as_str).collect();
        assert_eq!(names, ["brain", "half", "inner.deep.0", "parameter", "part", "single", "turned", "whole"], "{name}");
        for (tensor, dtype) in [("single", Dtype::F32), ("half", Dtype::F16), ("brain", Dtype::BF16)] {
            assert_eq!((file.entries()[tensor].dtype, &file.entries()[tensor].shape), (dtype, &vec![2, 3, 4]));
            assert_eq!(file.read_f64(tensor).unwrap(), numbers(0, 24), "{name} {tensor}");
        }
        assert_eq!(file.read_f64("whole").unwrap(), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]);
        assert_eq!(file.read_f64("part").unwrap(), numbers(16, 8));
        assert_eq!(file.read_f64("parameter").unwrap(), numbers(0, 4));
        assert_eq!(file.read_f64("inner.deep.0").unwrap(), numbers(0, 2));
        let turned: Vec<f64> = (0..4).flat_map(|column| (0..3).map(move |row| (row * 4 + column) as f64 / 8.0 - 1.0)).collect();
        assert_eq!(file.read_f64("turned").unwrap(), turned, "{name}: a tensor that is not in row order");
    }
}

#[test]
fn a_bare_tensor_has_the_empty_name() {
    let file = TensorFile::open(&data("bare.pt")).unwrap();
    assert_eq!(file.entries()[""].shape, [2, 3, 4]);
    assert_eq!(file.read_f64("").unwrap(), (0..24).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn a_pickle_that_would_run_something_is_refused_by_its_name() {
    for name in ["evil.pth", "older-evil.pth"] {
        let message = TensorFile::open(&data(name)).unwrap_err().to_string();
        assert!(message.contains("refused: the pickle asks for posix.system") && message.contains("state_dict"), "{message}");
    }
    assert!(!data("executed").exists() && !Path::new("executed").exists());
}

#[test]
fn other_files_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let check = |bytes: &[u8], expected: &str| {
        let path = folder.path().join("weights.pth");
        std::fs::write(&path, bytes).unwrap();
        let message = TensorFile::open(&path).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("weights.pth") && !message.contains('\n'), "{message}");
    };
    check(b"", "the file is empty");
    check(b"hello", "neither a PyTorch archive nor a whole safetensors file");
    check(b"\x80\x02}q\x00.", "a pickle, but none of torch.save's");
    check(b"\x80\x02}q\x00", "the pickle is truncated");
    check(&std::fs::read(data("module.pt")).unwrap(), "family: torchscript");
    let message = TensorFile::open(&folder.path().join("none")).unwrap_err().to_string();
    assert!(message.contains("No such file"), "{message}");
}

/// Whatever byte is changed and wherever the file ends, there is a tensor or an error, and never a panic or an endless loop.
#[test]
fn broken_archives_never_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken");
    for name in ["state.pth", "older.pth"] {
        let whole = std::fs::read(data(name)).unwrap();
        let step = whole.len() / 400;
        for at in (0..whole.len()).step_by(step) {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            for bytes in [&whole[..at], &changed[..]] {
                std::fs::write(&path, bytes).unwrap();
                if let Ok(file) = TensorFile::open(&path) {
                    for tensor in file.entries().keys() {
                        let _ = file.read(tensor);
                    }
                }
            }
        }
    }
}

/// A list that holds itself, lists within lists, and a few lists that unfold to 2^40 entries.
#[test]
fn containers_that_unfold_without_end_are_refused() {
    let archive = |object: &[u8]| {
        let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
        bytes.extend(object);
        bytes.extend(b"\x80\x02].");
        bytes
    };
    let memo = [b"\x80\x02N".to_vec(), b"\x94".repeat(200_000), b".".to_vec()].concat();
    let empty = [b"\x80\x02".to_vec(), b")".repeat(200_000), b".".to_vec()].concat();
    // A long list, copied again and again into ordered dictionaries.
    let copies = [
        b"\x80\x02]q\x00(".to_vec(),
        b"NN\x86".repeat(1000),
        b"e".to_vec(),
        b"ccollections\nOrderedDict\nq\x01".to_vec(),
        b"h\x01h\x00\x85R".repeat(1000),
        b".".to_vec(),
    ]
    .concat();
    // A long key in many places.
    let names =
        [b"\x80\x02]q\x00X\xe8\x03\x00\x00".to_vec(), b"k".repeat(1000), b"q\x010".to_vec(), b"}h\x01}sa".repeat(1000), b".".to_vec()].concat();
    let itself = b"\x80\x02]q\x00h\x00a.".to_vec();
    let deep = [b"\x80\x02".to_vec(), b"]".repeat(100_000), b"a".repeat(99_999), b".".to_vec()].concat();
    let mut wide = b"\x80\x02".to_vec();
    wide.extend(b"]q\x00");
    for _ in 0..20 {
        wide.extend(b"h\x00h\x00h\x00h\x00\x86\x86\x86q\x00"); // a tuple of what was there before, several times
    }
    wide.push(b'.');
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb");
    for object in [itself, deep, wide, memo, empty, copies, names] {
        std::fs::write(&path, archive(&object)).unwrap();
        let message = TensorFile::open(&path).unwrap_err().to_string();
        assert!(message.contains("too deep or too many"), "{message}");
    }
}
