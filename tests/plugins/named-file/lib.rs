//! Proposer named-file: the whole image, once its file is there. The file has 200,000 bytes, the one at i being (31·i + 7) mod 251.
use convert_sdk::*;
use serde_json::{Value, json};

/// The names of the file: with its hash, with a wrong one, with none, and one whose licence is to be accepted first.
fn names() -> Value {
    let entry = |file: &str, sha256: &str, fetch: bool| json!({ "file": file, "from": "http://127.0.0.1:9/", "sha256": sha256, "bytes": 200_000, "licence": "CC0-1.0", "fetch": fetch });
    json!({
        "hashed": entry("hashed.bin", "3d46a15a", true),
        "wrong": entry("wrong.bin", "00000000", true),
        "plain": entry("plain.bin", "", true),
        "gated": entry("gated.bin", "", false),
    })
}

/// Proposes the whole image.
#[config]
struct Config {
    /// The file.
    #[schemars(extend("x-named-files" = names()))]
    weights: InputPath,
}

struct NamedFile;

impl Plugin for NamedFile {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        match std::fs::metadata(&*config.weights)?.len() {
            200_000 => Ok(Self),
            bytes => Err(Error::invalid(format!("the file has {bytes} bytes"))),
        }
    }
}

impl Proposer for NamedFile {
    fn propose(&self, images: &[SampleImage]) -> Result<Vec<Vec<Proposal>>> {
        images.iter().map(|_| Ok(vec![Proposal::new(Mask::full(1, 1)?, 1.0)?])).collect()
    }
}

export_plugins! { proposer "named-file" => NamedFile }
