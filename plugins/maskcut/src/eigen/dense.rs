//! The whole spectrum by LAPACK, for what the iteration does not solve. Memory: 16 n² bytes, and about as much again in LAPACK.

use convert_backbones::torch;
use convert_sdk::Result;
use tch::Tensor;

use super::{Normalised, Ritz};

/// The best two eigenvectors of N orthogonal to the trivial one; `None` where there are none or all are equally good.
pub(super) fn solve(operator: &Normalised<'_>) -> Result<Option<(Ritz, Option<Ritz>)>> {
    let size = operator.size();
    let trivial = operator.trivial();
    let mut matrix = Vec::with_capacity(size * size);
    let (mut unit, mut scaled, mut row) = (vec![0.0; size], vec![0.0; size], vec![0.0; size]);
    for (index, own) in trivial.iter().enumerate() {
        unit[index] = 1.0;
        operator.multiply(&unit, &mut scaled, &mut row);
        unit[index] = 0.0;
        // N's eigenvalues are in [-1, 1]: the trivial vector's is moved to -2.
        matrix.extend(row.iter().zip(&trivial).map(|(value, other)| value - 3.0 * own * other));
    }
    let (values, vectors) = torch(|| {
        let (values, vectors) = Tensor::f_from_slice(&matrix)?.f_view([size as i64, size as i64])?.f_linalg_eigh("L")?;
        let last = vectors.f_narrow(1, (size as i64 - 2).max(0), 2.min(size as i64))?.f_tr()?.f_contiguous()?;
        Ok((Vec::<f64>::try_from(&values)?, Vec::<f64>::try_from(&last.f_view([-1])?)?))
    })?;
    if size < 2 || (size > 2 && values[size - 1] - values[1] < 1e-12) {
        return Ok(None);
    }
    let pair = |from_top: usize| {
        let at = (1 - from_top) * size;
        Ritz { value: values[size - 1 - from_top], vector: vectors[at..at + size].to_vec(), steps: 0 }
    };
    Ok(Some((pair(0), (size > 2).then(|| pair(1)))))
}
