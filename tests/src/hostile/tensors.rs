//! Weights, label maps and region results: safetensors, and what `torch.save` writes.

use super::{HostileFile, damaged};

/// The older form of `torch.save` around an object's pickle.
fn archive(object: &[u8]) -> Vec<u8> {
    let head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    // One storage of one number.
    [&head[..], b"\x80\x02", object, b".\x80\x02]X\x01\0\0\x000a.", &1u64.to_le_bytes(), &[0; 4]].concat()
}

/// Pickles that unfold, nest, copy or ask for code.
pub fn pickles() -> Vec<(String, Vec<u8>)> {
    let repeated = |start: &[u8], part: &[u8], count: usize| [start.to_vec(), part.repeat(count)].concat();
    let ordered = b"ccollections\nOrderedDict\nq\x01";
    let long_list = [&b"]q\x00("[..], &b"NN\x86".repeat(20_000), b"e0"].concat();
    let tensor = |sides: &[u8]| {
        [
            &b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQK\0("[..],
            sides,
            b"t(",
            sides,
            b"t\x89ccollections\nOrderedDict\n)RtR",
        ]
        .concat()
    };
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("marks", b"(".repeat(1_000_000)),
        ("tuples", b")".repeat(1_000_000)),
        ("lists", b"]".repeat(1_000_000)),
        ("memo", repeated(b"N", b"\x94", 1_000_000)),
        ("numbers", b"K\x01".repeat(500_000)),
        ("deep", [b"]".repeat(300_000), b"a".repeat(299_999)].concat()),
        ("itself", b"]q\0h\0a".to_vec()),
        ("wide", repeated(b"]q\0", b"h\0h\0h\0h\0\x86\x86\x86q\0", 40)),
        ("copies", [long_list.clone(), ordered.to_vec(), b"h\x01h\0\x85R".repeat(20_000)].concat()),
        ("sizes", [long_list, b"ctorch\nSize\nq\x01".to_vec(), b"h\x01h\0\x85R".repeat(20_000)].concat()),
        ("names", [&b"]q\0X\xa0\x86\x01\0"[..], &b"k".repeat(100_000), b"q\x010", &b"}h\x01}sa".repeat(20_000)].concat()),
        ("long-text", b"X\xff\xff\xff\xffabc".to_vec()),
        ("longest-text", b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc".to_vec()),
        ("system", b"cposix\nsystem\nX\x04\0\0\0true\x85R".to_vec()),
        ("builtins", b"cbuiltins\neval\nX\x01\0\0\x001\x85R".to_vec()),
        ("reduce", b"NNR".to_vec()),
        ("pops", b"0".repeat(1000)),
        ("recall", b"j\xff\xff\xff\xff".to_vec()),
        ("memo-place", b"Nr\xff\xff\xff\xff".to_vec()),
        ("huge-sides", tensor(b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f")),
        ("empty-huge-sides", tensor(b"K\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f")),
        ("many-sides", tensor(&b"K\x01".repeat(100_000))),
        ("negative-sides", tensor(b"J\xff\xff\xff\xff")),
    ];
    all.into_iter().map(|(name, object)| (name.to_owned(), archive(&object))).collect()
}

/// Safetensors with headers that lie, and a real file of `torch.save` damaged.
pub fn tensor_files(whole_zip: &[u8], whole_older: &[u8]) -> Vec<HostileFile> {
    let safetensors = |header: &str, data: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat();
    let tensor = |shape: &str, offsets: &str| format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
    let many: Vec<String> = (0..50_000).map(|at| format!(r#""{at}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#)).collect();
    let mut files: Vec<HostileFile> = vec![
        ("empty.safetensors".into(), Vec::new()),
        ("short.safetensors".into(), b"abc".to_vec()),
        ("header-of-2-64.safetensors".into(), vec![0xff; 100]),
        ("header-of-100-mb.safetensors".into(), [&99_999_999u64.to_le_bytes()[..], b"{}"].concat()),
        ("not-json.safetensors".into(), safetensors("nonsense", &[])),
        ("deep.safetensors".into(), safetensors(&"[".repeat(200_000), &[])),
        ("no-tensors.safetensors".into(), safetensors("{}", &[])),
        ("huge.safetensors".into(), safetensors(&tensor("[4294967295,4294967295]", "[0,18446744073709551615]"), &[])),
        ("wrapping.safetensors".into(), safetensors(&tensor("[4611686018427387903]", "[0,18446744073709551612]"), &[])),
        ("backwards.safetensors".into(), safetensors(&tensor("[1]", "[4,0]"), &[0; 4])),
        ("outside.safetensors".into(), safetensors(&tensor("[1]", "[4,8]"), &[0; 4])),
        ("empty-huge.safetensors".into(), safetensors(&tensor("[0,9223372036854775807,9223372036854775807]", "[0,0]"), &[])),
        ("sides.safetensors".into(), safetensors(&tensor(&format!("[{}1]", "1,".repeat(100_000)), "[0,4]"), &[0; 4])),
        ("many.safetensors".into(), safetensors(&format!("{{{}}}", many.join(",")), &[])),
        ("zip.pth".into(), b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0".to_vec()),
        ("zip64.pth".into(), zip64()),
    ];
    files.extend(damaged("zip", "pth", whole_zip, 6));
    files.extend(damaged("older", "pth", whole_older, 6));
    files
}

/// An archive whose end says that it has 2^40 members.
fn zip64() -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend([0; 100]);
    let end = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([1u64 << 40, 1 << 40, 46, 50].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(end.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    bytes
}
