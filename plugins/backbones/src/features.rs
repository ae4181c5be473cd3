//! What a backbone gives of an image.

use convert_sdk::{Error, Result};
use tch::{Kind, TchError, Tensor};

use crate::torch::torch;

/// The feature vectors of an image's patches.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Patches down the image, h'.
    pub rows: usize,
    /// Patches across the image, w'.
    pub columns: usize,
    /// Numbers a patch, d.
    pub dimension: usize,
    /// `[rows * columns, dimension]`, row by row; finite.
    pub values: Vec<f32>,
    /// The class token's vector of the same kind, d numbers; none where the backbone has no such token.
    pub class_token: Option<Vec<f32>>,
}

impl Features {
    /// The vector of a patch, counted row by row.
    pub fn patch(&self, index: usize) -> &[f32] {
        &self.values[index * self.dimension..(index + 1) * self.dimension]
    }
}

/// The feature vectors of several images, where the backbone computed them.
#[derive(Debug)]
pub struct FeatureTensor {
    /// Patches down an image, h'.
    pub rows: usize,
    /// Patches across an image, w'.
    pub columns: usize,
    /// `[images, rows * columns, d]`, 32-bit floats on the backbone's device.
    pub values: Tensor,
    /// The class tokens' vectors, `[images, d]`, where the backbone has such tokens.
    pub class_tokens: Option<Tensor>,
}

impl FeatureTensor {
    /// Numbers a patch, d.
    pub fn dimension(&self) -> usize {
        self.values.size()[2] as usize
    }

    /// The vectors of an image as `[patches, d]`, where they are.
    ///
    /// # Errors
    /// An image that is not there.
    pub fn image(&self, index: usize) -> Result<Tensor> {
        torch(|| self.values.f_get(index as i64))
    }

    /// The vectors of each image in the machine's memory.
    ///
    /// # Errors
    /// What libtorch says, as when a device failed.
    pub fn to_features(&self) -> Result<Vec<Features>> {
        let (rows, columns, dimension) = (self.rows, self.columns, self.dimension());
        torch(|| {
            let numbers = |tensor: &Tensor, index: i64, count: usize| {
                let mut values = vec![0.0; count];
                tensor.f_get(index)?.f_copy_data(&mut values, count)?;
                Ok::<_, TchError>(values)
            };
            let one = |index: i64| {
                let values = numbers(&self.values, index, rows * columns * dimension)?;
                let class_token = self.class_tokens.as_ref().map(|tokens| numbers(tokens, index, dimension)).transpose()?;
                Ok::<_, TchError>(Features { rows, columns, dimension, values, class_token })
            };
            (0..self.values.size()[0]).map(one).collect()
        })
    }

    /// Refuses numbers that are not finite.
    pub(crate) fn check(&self) -> Result<()> {
        let finite = |values: &Tensor| -> Result<bool, TchError> { Ok(values.f_isfinite()?.f_all()?.f_int64_value(&[])? == 1) };
        if !torch(|| self.class_tokens.as_ref().map_or(Ok(true), finite))? {
            return Err(Error::numeric("the features of the class token are not finite"));
        }
        if torch(|| finite(&self.values))? {
            return Ok(());
        }
        let bad = torch(|| self.values.f_isfinite()?.f_logical_not()?.f_any_dim(2, false)?.f_nonzero()?.f_to_kind(Kind::Int64))?;
        Err(Error::numeric(format!("the features of patch {} are not finite", torch(|| bad.f_int64_value(&[0, 1]))?)))
    }
}
