//! Labeler mlp-head: a small MLP over pooled patch features
