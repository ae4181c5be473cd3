//! Refiners: dense-crf, fill-holes
