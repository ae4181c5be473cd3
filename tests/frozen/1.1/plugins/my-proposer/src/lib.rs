//! A complete plugin: proposes the cells of a regular grid, the baseline that every proposer should beat.
use convert_sdk::*;

/// The cells of a regular grid as boxes: a baseline that looks at no pixel.
#[config(default)]
struct Config {
    /// Cells along each side of the image.
    #[schemars(range(min = 1, max = 32))]
    cells: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { cells: 2 }
    }
}

struct MyProposerProposer(Config);

impl Plugin for MyProposerProposer {
    type Config = Config;
    fn new(config: Config, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Proposer for MyProposerProposer {
    fn propose(&self, images: &[SampleImage]) -> Result<Vec<Vec<Proposal>>> {
        let n = self.0.cells;
        let cell = |x, y| Proposal::new(Mask::from_box(n, n, BoundingBox { x, y, width: 1, height: 1 })?, 1.0);
        let cells = || (0..n * n).map(|at| cell(at % n, at / n)).collect();
        images.iter().map(|_| cells()).collect()
    }
}

export_plugins! { proposer "my-proposer" => MyProposerProposer }
