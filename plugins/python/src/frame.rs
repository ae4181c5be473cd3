//! What goes between the host and a worker: JSON with arrays behind it (sdk/python/src/convert_sdk/_frames.py has the other side).

use std::borrow::Cow;
use std::io::{self, Read, Write};

use convert_formats::files;
use convert_sdk::{Image, Mask};
use serde_json::{Map, Value, json};

/// A frame's JSON may be so long: the listing of a dataset is one frame.
const LARGEST_JSON: u32 = 1 << 31;

/// A frame on its way to a worker.
#[derive(Default)]
pub struct Outgoing<'a> {
    json: Map<String, Value>,
    blobs: Vec<Cow<'a, [u8]>>,
}

impl<'a> Outgoing<'a> {
    /// A call of a worker's method.
    pub fn call(method: &str) -> Self {
        Self::default().with("call", method)
    }

    /// The same with one more value.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.json.insert(key.to_owned(), value.into());
        self
    }

    /// An image as a value: `uint8 [height, width, 3]`.
    pub fn image<'i: 'a>(&mut self, image: &'i Image<'_>) -> Value {
        self.array(Cow::Borrowed(image.pixels()), &[image.height(), image.width(), 3], "u1")
    }

    /// A copy of an image as a value.
    pub fn image_copy(&mut self, image: &Image<'_>) -> Value {
        self.array(Cow::Owned(image.pixels().to_vec()), &[image.height(), image.width(), 3], "u1")
    }

    /// A mask as a value: a byte a pixel, 0 or 1.
    pub fn mask(&mut self, mask: &Mask) -> Value {
        let pixels = mask.to_pixels().into_iter().map(|pixel| u8::from(pixel != 0)).collect::<Vec<u8>>();
        self.array(Cow::Owned(pixels), &[mask.height(), mask.width()], "u1")
    }

    /// Bytes of an array as a value.
    fn array(&mut self, bytes: Cow<'a, [u8]>, shape: &[u32], dtype: &str) -> Value {
        self.blobs.push(bytes);
        json!({ "$": self.blobs.len() - 1, "shape": shape, "dtype": dtype })
    }

    /// Writes the frame.
    ///
    /// # Errors
    /// A worker that has gone.
    pub fn write(mut self, stream: &mut impl Write) -> io::Result<()> {
        let lengths: Vec<usize> = self.blobs.iter().map(|blob| blob.len()).collect();
        self.json.insert("blobs".to_owned(), lengths.into());
        let text = Value::Object(self.json).to_string();
        stream.write_all(&(text.len() as u32).to_le_bytes())?;
        stream.write_all(text.as_bytes())?;
        self.blobs.iter().try_for_each(|blob| stream.write_all(blob))?;
        stream.flush()
    }
}

/// A frame that came from a worker.
#[derive(Debug)]
pub struct Incoming {
    pub json: Value,
    pub blobs: Vec<Vec<u8>>,
}

impl Incoming {
    /// The next frame; nothing at the end.
    ///
    /// # Errors
    /// What is no frame.
    pub fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 4];
        match stream.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let broken = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let length = u32::from_le_bytes(head);
        if length > LARGEST_JSON {
            return Err(broken(format!("a frame of {length} bytes")));
        }
        let json: Value = serde_json::from_slice(&exactly(stream, u64::from(length))?)?;
        let lengths = json.get("blobs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut blobs = Vec::with_capacity(lengths.len());
        for length in lengths {
            let length =
                length.as_u64().filter(|length| *length <= files::MAX_ARCHIVE).ok_or_else(|| broken(format!("an array of {length} bytes")))?;
            blobs.push(exactly(stream, length)?);
        }
        Ok(Some(Self { json, blobs }))
    }
}

/// So many bytes, for which memory is taken as they come.
fn exactly(stream: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(64 << 20) as usize);
    stream.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
