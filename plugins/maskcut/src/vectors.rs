//! Vectors in f64, eight lanes at a time so that the compiler can use the machine's.

/// The dot product.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// The length.
pub(crate) fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

/// Makes a vector orthogonal to a unit vector.
pub(crate) fn subtract_projection(vector: &mut [f64], unit: &[f64]) {
    let share = dot(vector, unit);
    vector.iter_mut().zip(unit).for_each(|(value, unit)| *value -= share * unit);
}
