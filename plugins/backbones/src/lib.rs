//! Backbones: one feature vector a patch, from ViTs in tch or without weights
