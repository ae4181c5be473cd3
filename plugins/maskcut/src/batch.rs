//! MaskCut of several images at once, with the affinities and their products as tensors of a device (CUDA).
//!
//! What is cheap or rare stays on the CPU: the tridiagonal problem, the bipartition, the sign, and spectra that the iteration does not solve. Memory on the device
//! for each image of n patches: 16·n² bytes at most (its affinity, and while they are put together or some images need no more cuts, a copy of it), and 8·n for each of max(100, n/8)
//! Lanczos steps.

use convert_backbones::torch;
use convert_sdk::Result;
use tch::{Device, Kind, TchError, Tensor};

use crate::affinity::Affinity;
use crate::bipartition::Grid;
use crate::eigen::{
    COARSE_GAP_TOLERANCE, GAP_TOLERANCE, Normalised, Ritz, Search, SecondEigenvector, TOLERANCE, begin, most_steps, second_eigenvector,
};
use crate::maskcut::{Cut, Cutting, Parameters};
use crate::tridiagonal::Tridiagonal;

/// The cuts of each image, as [`maskcut`](crate::maskcut()) finds them, up to what the device's rounding changes; features one image after the other, all of the same grid.
///
/// # Errors
/// Features that are not one vector a patch; what libtorch says, as when the device's memory is used up.
pub fn maskcut_batch(features: &[&[f32]], grid: Grid, parameters: &Parameters, device: Device) -> Result<Vec<Vec<Cut>>> {
    let mut each = Vec::with_capacity(features.len());
    let mut cuttings = Vec::with_capacity(features.len());
    for values in features {
        let (affinity, tensor) = Affinity::on_device(values, grid.patches(), parameters.tau, parameters.epsilon, device)?;
        each.push(tensor);
        cuttings.push(Cutting::new(affinity, grid, parameters)?);
    }
    if cuttings.is_empty() {
        return Ok(Vec::new());
    }
    let alike = torch(|| Tensor::f_stack(&each, 0))?;
    drop(each);
    while cuttings.iter().any(|cutting| !cutting.is_finished()) {
        let open: Vec<usize> = (0..cuttings.len()).filter(|index| !cuttings[*index].is_finished()).collect();
        let (wanted, others): (Vec<usize>, Vec<usize>) = open.into_iter().partition(|index| cuttings[*index].wants_whole());
        for index in others {
            let eigen = cuttings[index].eigenvector()?;
            cuttings[index].apply(eigen);
        }
        let problems: Vec<_> = wanted.iter().map(|index| (cuttings[*index].affinity(), cuttings[*index].guess())).collect();
        let solved = second_eigenvectors(&alike, &wanted, &problems)?;
        for (index, eigen) in wanted.into_iter().zip(solved) {
            cuttings[index].apply(eigen);
        }
    }
    Ok(cuttings.into_iter().map(Cutting::into_cuts).collect())
}

/// [`second_eigenvector`] of these `images` of the batch, each with its affinity and where to look first.
fn second_eigenvectors(alike: &Tensor, images: &[usize], problems: &[(&Affinity, &[f64])]) -> Result<Vec<Option<SecondEigenvector>>> {
    let operators: Vec<Normalised<'_>> = problems.iter().map(|(affinity, _)| Normalised::new(affinity)).collect();
    let mut deflated: Vec<Vec<Vec<f64>>> = operators.iter().map(|operator| vec![operator.trivial()]).collect();
    let mut solutions: Vec<Option<Option<SecondEigenvector>>> = images.iter().map(|_| None).collect();
    let search = |places: &[usize], deflated: &[Vec<Vec<f64>>], tolerance: f64, guesses: &[&[f64]]| {
        let rows: Vec<i64> = places.iter().map(|place| images[*place] as i64).collect();
        let operators: Vec<&Normalised<'_>> = places.iter().map(|place| &operators[*place]).collect();
        let deflated: Vec<&[Vec<f64>]> = places.iter().map(|place| &deflated[*place][..]).collect();
        lanczos(&Operators::new(alike, &rows, &operators)?, &deflated, tolerance, guesses)
    };

    let all: Vec<usize> = (0..images.len()).collect();
    let guesses: Vec<&[f64]> = problems.iter().map(|(_, guess)| *guess).collect();
    let mut pairs: Vec<(usize, Ritz)> = Vec::new();
    for (place, first) in search(&all, &deflated, TOLERANCE, &guesses)?.into_iter().enumerate() {
        match first {
            Search::Empty => solutions[place] = Some(None),
            Search::Found(first) if first.steps == 1 && operators[place].size() > 2 => solutions[place] = Some(None),
            Search::Found(first) => {
                deflated[place].push(first.vector.clone());
                pairs.push((place, first));
            }
            Search::Crowded => {}
        }
    }

    // λ₃, at first roughly, then finely where it is near λ₂.
    let places: Vec<usize> = pairs.iter().map(|(place, _)| *place).collect();
    let mut thirds = search(&places, &deflated, COARSE_GAP_TOLERANCE, &vec![&[][..]; places.len()])?;
    let near: Vec<usize> = (0..pairs.len())
        .filter(|at| matches!(&thirds[*at], Search::Found(rough) if pairs[*at].1.value - rough.value < 10.0 * COARSE_GAP_TOLERANCE))
        .collect();
    let rough: Vec<&[f64]> = near.iter().map(|at| thirds[*at].vector()).collect();
    let fine = search(&near.iter().map(|at| places[*at]).collect::<Vec<_>>(), &deflated, GAP_TOLERANCE, &rough)?;
    near.into_iter().zip(fine).for_each(|(at, fine)| thirds[at] = fine);
    for ((place, best), third) in pairs.into_iter().zip(thirds) {
        match third {
            Search::Empty => solutions[place] = Some(Some(operators[place].solution(best, None))),
            Search::Found(next) if next.value <= best.value + GAP_TOLERANCE => {
                solutions[place] = Some(Some(operators[place].solution(best, Some(next))))
            }
            Search::Found(_) | Search::Crowded => {}
        }
    }
    // Crowded spectra and searches that missed the best vector are solved alone.
    solutions
        .into_iter()
        .zip(problems)
        .map(|(solution, (affinity, guess))| solution.map_or_else(|| second_eigenvector(affinity, guess), Ok))
        .collect()
}

/// N of several images as an operator on the device.
struct Operators {
    /// B, images x n x n.
    alike: Tensor,
    /// Images x n: 1 where a patch takes part.
    active: Tensor,
    /// D^-½, images x n.
    scale: Tensor,
    epsilon: f64,
    size: usize,
}

impl Operators {
    fn new(alike: &Tensor, rows: &[i64], operators: &[&Normalised<'_>]) -> Result<Self> {
        let device = alike.device();
        let size = alike.size()[1] as usize;
        let active: Vec<Vec<f64>> =
            operators.iter().map(|operator| operator.affinity().active().iter().map(|active| f64::from(u8::from(*active))).collect()).collect();
        let scale: Vec<&[f64]> = operators.iter().map(|operator| operator.scale()).collect();
        let active: Vec<&[f64]> = active.iter().map(Vec::as_slice).collect();
        torch(|| {
            Ok(Self {
                alike: if rows.len() as i64 == alike.size()[0] {
                    alike.shallow_clone()
                } else {
                    alike.f_index_select(0, &Tensor::f_from_slice(rows)?.f_to_device(device)?)?
                },
                active: stack(&active, size, device)?,
                scale: stack(&scale, size, device)?,
                epsilon: operators.first().map_or(0.0, |operator| operator.affinity().epsilon()),
                size,
            })
        })
    }

    /// N times a vector of each image.
    fn multiply(&self, vectors: &Tensor) -> Result<Tensor, TchError> {
        let scaled = vectors.f_mul(&self.scale)?;
        let everywhere = scaled.f_sum_dim_intlist(1i64, true, Kind::Double)?.f_mul_scalar(self.epsilon)?;
        let alike = self.alike.f_bmm(&scaled.f_mul(&self.active)?.f_unsqueeze(2)?)?.f_squeeze_dim(2)?.f_mul(&self.active)?;
        alike.f_mul_scalar(1.0 - self.epsilon)?.f_add(&everywhere)?.f_mul(&self.scale)
    }
}

fn stack(rows: &[&[f64]], size: usize, device: Device) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(&rows.concat())?.f_view([rows.len() as i64, size as i64])?.f_to_device(device)
}

/// An image's part of a search.
struct Part {
    tridiagonal: Tridiagonal,
    outcome: Option<Search>,
}

/// The search of `eigen::lanczos` for several images in step: they share every product and every orthogonalisation, and each ends by its own residual.
fn lanczos(operators: &Operators, deflated: &[&[Vec<f64>]], tolerance: f64, guesses: &[&[f64]]) -> Result<Vec<Search>> {
    let size = operators.size;
    let room = |place: usize| size.saturating_sub(deflated[place].len());
    let starts: Vec<Option<Vec<f64>>> = deflated.iter().zip(guesses).map(|(known, guess)| begin(size, known, guess)).collect();
    let mut parts: Vec<Part> = starts
        .iter()
        .enumerate()
        .map(|(place, start)| Part { tridiagonal: Tridiagonal::default(), outcome: (start.is_none() || room(place) == 0).then_some(Search::Empty) })
        .collect();
    let zeros = vec![0.0; size];
    let starts: Vec<&[f64]> = starts.iter().map(|start| start.as_deref().unwrap_or(&zeros)).collect();
    if parts.iter().any(|part| part.outcome.is_none()) {
        torch(|| {
            let device = operators.scale.device();
            // All images have as many known vectors: the trivial one, and the best where the one after it is looked for.
            let known: Vec<f64> = deflated.iter().flat_map(|known| known.concat()).collect();
            let known = Tensor::f_from_slice(&known)?.f_view([deflated.len() as i64, -1, size as i64])?.f_to_device(device)?;
            let first = known.size()[1];
            let most = most_steps(size).min(size) as i64;
            let basis = Tensor::f_zeros([deflated.len() as i64, first + most, size as i64], (Kind::Double, device))?;
            basis.f_narrow(1, 0, first)?.f_copy_(&known)?;
            basis.f_select(1, first)?.f_copy_(&stack(&starts, size, device)?)?;
            for steps in 1..=most {
                let spanned = basis.f_narrow(1, 0, first + steps)?;
                let last = basis.f_select(1, first + steps - 1)?;
                let mut next = operators.multiply(&last)?;
                let diagonal = Vec::<f64>::try_from(&dot(&last, &next)?)?;
                for _ in 0..2 {
                    let shares = spanned.f_bmm(&next.f_unsqueeze(2)?)?;
                    next = next.f_sub(&spanned.f_transpose(1, 2)?.f_bmm(&shares)?.f_squeeze_dim(2)?)?;
                }
                let length = dot(&next, &next)?.f_sqrt()?;
                let betas = Vec::<f64>::try_from(&length)?;
                for (place, part) in parts.iter_mut().enumerate().filter(|(_, part)| part.outcome.is_none()) {
                    part.tridiagonal.push_diagonal(diagonal[place]);
                    let (value, weights) = part.tridiagonal.largest();
                    let steps = steps as usize;
                    if steps == room(place) || betas[place] < 1e-13 || betas[place] * weights[steps - 1].abs() <= tolerance {
                        let own = spanned.f_get(place as i64)?.f_narrow(0, first, steps as i64)?;
                        let vector = own.f_tr()?.f_mv(&Tensor::f_from_slice(&weights)?.f_to_device(device)?)?;
                        let vector = vector.f_div(&vector.f_norm()?)?;
                        part.outcome = Some(Search::Found(Ritz { value, vector: Vec::<f64>::try_from(&vector)?, steps }));
                    } else {
                        part.tridiagonal.push_off_diagonal(betas[place]);
                    }
                }
                if steps == most || parts.iter().all(|part| part.outcome.is_some()) {
                    break;
                }
                basis.f_select(1, first + steps)?.f_copy_(&next.f_div(&length.f_unsqueeze(1)?)?)?;
            }
            Ok(())
        })?;
    }
    Ok(parts.into_iter().map(|part| part.outcome.unwrap_or(Search::Crowded)).collect())
}

/// Dot products row by row.
fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    a.f_mul(b)?.f_sum_dim_intlist(1i64, false, Kind::Double)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maskcut::maskcut;

    const PARAMETERS: Parameters = Parameters {
        tau: 0.2,
        epsilon: 1e-5,
        masks: 4,
        min_area: 0.01,
        max_iou: 0.5,
        corners: 3,
        early_stop: false,
        keep_masked: true,
        split_components: false,
    };

    /// Vectors of four numbers for each patch of a 12x9 grid: smooth but for one rectangle, so that there is something to cut.
    fn scene(number: usize) -> Vec<f32> {
        let patch = |at: usize| {
            let (x, y) = ((at % 12) as f32, (at / 12) as f32);
            let inside = (2..2 + number % 5).contains(&(at % 12)) && (3..7).contains(&(at / 12));
            let wave = (x * 0.3 + y * 0.2 + number as f32).sin();
            if inside { [1.0, wave, -0.7, 0.1 * x] } else { [-0.4, wave, 0.9, 0.3] }
        };
        (0..108).flat_map(patch).collect()
    }

    fn compare(features: &[Vec<f32>], parameters: &Parameters) {
        let grid = Grid { rows: 9, columns: 12 };
        let values: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
        let together = maskcut_batch(&values, grid, parameters, Device::Cpu).unwrap();
        assert_eq!(together.len(), features.len());
        for (values, cuts) in values.iter().zip(together) {
            let alone = maskcut(values, grid, parameters).unwrap();
            assert_eq!(cuts.len(), alone.len());
            for (cut, expected) in cuts.iter().zip(&alone) {
                assert!((cut.eigen.lambda - expected.eigen.lambda).abs() < 1e-9 && cut.eigen.residual < 1e-9);
                assert_eq!(cut.degenerate, expected.degenerate);
                assert!(cut.degenerate || (&cut.mask, &cut.others) == (&expected.mask, &expected.others));
            }
        }
    }

    #[test]
    fn images_together_give_the_cuts_of_images_alone() {
        let mut scenes: Vec<Vec<f32>> = (1..7).map(scene).collect();
        scenes[3][..40].fill(0.0);
        compare(&scenes, &PARAMETERS);
        compare(&scenes, &Parameters { keep_masked: false, split_components: true, ..PARAMETERS });
        compare(&scenes, &Parameters { early_stop: true, ..PARAMETERS });
    }

    #[test]
    fn images_without_a_cut_do_no_harm_to_others() {
        compare(&[vec![0.0; 432], scene(3), [1.0, 2.0, 0.5, 0.1].repeat(108)], &PARAMETERS);
        assert!(maskcut_batch(&[], Grid { rows: 9, columns: 12 }, &PARAMETERS, Device::Cpu).unwrap().is_empty());
    }
}
