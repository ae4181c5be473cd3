//! One float tensor as `torch.save` writes it: an uncompressed zip archive of a pickle, which names the tensor's shape and storage, and the storage's bytes.

use convert_sdk::LabelMap;

/// The bytes of a `.pt` file as the ReLabel authors publish a label map: a float tensor `[2, depth, rows, columns]`, logits and then classes,
/// which `torch.load(…, weights_only=True)` reads. Equal maps give equal bytes.
pub fn label_map_file(map: &LabelMap) -> Vec<u8> {
    let classes = map.classes().iter().map(|class| *class as f32);
    let values: Vec<f32> = map.logits().iter().copied().chain(classes).collect();
    float_tensor(&[2, map.depth(), map.rows(), map.columns()], &values)
}

/// The bytes of a file that holds a float tensor of a shape; `values` in row order.
fn float_tensor(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.add("archive/data.pkl", &pickle(shape, values.len()), 1);
    archive.add("archive/byteorder", b"little", 1);
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    archive.add("archive/data/0", &bytes, STORAGE_ALIGNMENT);
    archive.add("archive/version", b"3\n", 1);
    archive.finish()
}

/// PyTorch maps storages into memory and wants them at multiples of this.
const STORAGE_ALIGNMENT: usize = 64;

/// The pickle of a contiguous float tensor on storage `0`: `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
fn pickle(shape: &[usize], count: usize) -> Vec<u8> {
    let mut code =
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu".to_vec();
    integer(&mut code, count);
    code.extend(b"tQK\x00"); // the storage by its id, and the offset in it
    let strides = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product());
    for numbers in [shape.to_vec(), strides.collect()] {
        code.push(b'(');
        numbers.into_iter().for_each(|number| integer(&mut code, number));
        code.push(b't');
    }
    code.extend(b"\x89ccollections\nOrderedDict\n)RtR."); // requires no gradient, has no hooks
    code
}

/// `BININT`: four bytes.
fn integer(code: &mut Vec<u8>, number: usize) {
    code.push(b'J');
    code.extend((number as i32).to_le_bytes());
}

/// An uncompressed zip archive, written by hand because the whole of it is five kinds of numbers: equal contents give equal bytes.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Archive {
    /// Adds a file whose contents begin at a multiple of `alignment`.
    fn add(&mut self, name: &str, contents: &[u8], alignment: usize) {
        const HEADER: usize = 30;
        let offset = self.bytes.len() as u32;
        let start = self.bytes.len() + HEADER + name.len();
        // An extra field is at least its own header of four bytes long.
        let padding = if start.is_multiple_of(alignment) { 0 } else { (start + 4).next_multiple_of(alignment) - start };
        let mut common = Vec::new();
        common.extend([0u16, 0, 0, 0, 0x21].iter().flat_map(|number| number.to_le_bytes())); // version, flags, stored, midnight of 1 January 1980
        let size = contents.len() as u32;
        common.extend([crc32fast::hash(contents), size, size].iter().flat_map(|number| number.to_le_bytes()));
        common.extend((name.len() as u16).to_le_bytes());

        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&common);
        self.bytes.extend((padding as u16).to_le_bytes());
        self.bytes.extend(name.as_bytes());
        if padding > 0 {
            self.bytes.extend(b"FB"); // PyTorch's own mark of padding
            self.bytes.extend((padding as u16 - 4).to_le_bytes());
            self.bytes.extend(std::iter::repeat_n(b'Z', padding - 4));
        }
        self.bytes.extend(contents);

        self.directory.extend(b"PK\x01\x02\x00\x00");
        self.directory.extend(&common);
        self.directory.extend([0u8; 12]); // no extra field, comment, disk or attributes
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let offset = self.bytes.len() as u32;
        self.bytes.extend(&self.directory);
        self.bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
        self.bytes.extend([self.entries, self.entries].iter().flat_map(|number| number.to_le_bytes()));
        self.bytes.extend([self.directory.len() as u32, offset].iter().flat_map(|number| number.to_le_bytes()));
        self.bytes.extend([0, 0]); // no comment
        self.bytes
    }
}
