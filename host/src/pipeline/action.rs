//! What steps do.

/// What a step does. Configurations, refiners and exporters are counted as in the recipe, rounds from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Masks of a proposal configuration.
    Propose { configuration: usize },
    /// A refiner at work on a configuration's masks.
    Refine { refiner: usize, configuration: usize },
    /// All masks of all configurations, fitted to their images.
    Regions,
    /// The labeler trained on whole images, for label maps.
    TrainOnImages,
    /// Label maps by that labeler.
    Maps,
    /// The selector's answers.
    Select { round: u32 },
    /// The labeler trained on the selected regions.
    Train { round: u32 },
    /// The labeler's predictions.
    Predict { round: u32 },
    /// Label maps by the trained labeler.
    LabelMaps,
    /// Predictions by models that were trained without the image.
    HeldOut,
    /// The final labels.
    Labels,
    /// An exporter's file.
    Export { exporter: usize },
}
