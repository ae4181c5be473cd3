//! A step of SGD with Nesterov momentum as PyTorch has it, on the run's device or by all its threads.
//!
//! On the CPU every matrix product is cut into blocks of output columns, each computed by one thread on its own. Neither the blocks nor the order within one
//! depends on how many threads there are, and no sum is shared between blocks, so that the bits do not depend on them either. (A product that libtorch shares out
//! itself may be rounded otherwise with another number of threads.) A device computes each product whole.

use convert_backbones::torch;
use convert_sdk::Result;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::{Device, Kind, Reduction, TchError, Tensor};

use crate::head::{Head, Layer};
use crate::settings::HeadSettings;

/// Columns of a block: few enough to keep 8 threads busy with the paper's 1024 + 1000. On the CPU where it was compared (AVX-512, MKL) blocks of 256 have the very bits of
/// the whole product, blocks of 128 not always.
const BLOCK: i64 = 256;

/// What does the steps.
pub struct Sgd<'a> {
    pub pool: &'a rayon::ThreadPool,
    pub device: Device,
}

/// What a step follows.
pub struct Step<'a> {
    /// Momentum (Nesterov's), weight decay and dropout.
    pub settings: &'a HeadSettings,
    /// The learning rate.
    pub rate: f64,
}

/// What a layer did with a batch.
struct Trace {
    /// `[n, in]`, after dropout.
    input: Tensor,
    /// What dropout multiplied it with.
    mask: Option<Tensor>,
    /// Blocks of `[n, out]`, before the activation.
    sums: Vec<Tensor>,
}

impl Sgd<'_> {
    /// One step on standardised vectors `[n, d]` of classes `[n]`; `momenta` are those of the head's parameters, and all are changed in place. The batch's mean loss and how many
    /// of it were right before the step.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn step(
        &self,
        head: &Head,
        momenta: &[Tensor],
        vectors: &Tensor,
        labels: &Tensor,
        step: &Step<'_>,
        random: &mut ChaCha8Rng,
    ) -> Result<(f64, i64)> {
        let traces = self.forward(head, vectors, step.settings.dropout, random)?;
        let logits = joined(&traces[traces.len() - 1].sums)?;
        let (loss, gradient) = torch(|| {
            tch::with_grad(|| {
                let logits = logits.f_detach()?.f_set_requires_grad(true)?;
                let loss = logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, -100, 0.0)?;
                let mut gradients = Tensor::f_run_backward(&[&loss], &[&logits], false, false)?;
                Ok((loss.f_detach()?, gradients.pop().ok_or_else(|| TchError::Torch("no gradient".into()))?))
            })
        })?;
        let gradients = self.backward(head, &traces, gradient)?;
        self.update(head, momenta, &traces, &gradients, step)?;
        torch(|| {
            let right = logits.f_argmax(1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
            Ok((loss.f_double_value(&[])?, right))
        })
    }

    /// The columns of each block of so many.
    fn blocks(&self, columns: i64) -> Vec<(i64, i64)> {
        let block = if self.device == Device::Cpu { BLOCK } else { columns };
        (0..columns).step_by(block.max(1) as usize).map(|start| (start, block.min(columns - start))).collect()
    }

    /// Does something with each block, by all threads; a single one is done here.
    fn each<I: Send, T: Send>(&self, items: Vec<I>, run: impl Fn(I) -> Result<T, TchError> + Sync) -> Result<Vec<T>> {
        match items.len() {
            0 | 1 => items.into_iter().map(|item| torch(|| run(item))).collect(),
            _ => self.pool.install(|| items.into_par_iter().with_max_len(1).map(|item| torch(|| run(item))).collect()),
        }
    }

    fn forward(&self, head: &Head, vectors: &Tensor, dropout: f64, random: &mut ChaCha8Rng) -> Result<Vec<Trace>> {
        let mut traces: Vec<Trace> = Vec::with_capacity(head.layers.len());
        for (index, layer) in head.layers.iter().enumerate() {
            let mut input = match traces.last() {
                None => vectors.shallow_clone(),
                Some(before) => joined(&self.each(handles(&before.sums), |sums| sums.f_gelu("none"))?)?,
            };
            let mut mask = None;
            if index + 1 < head.layers.len() && dropout > 0.0 {
                let drawn = torch(|| drawn(&input, dropout, random))?;
                input = torch(|| input.f_mul(&drawn))?;
                mask = Some(drawn);
            }
            let parts = self.blocks(layer.weight.size()[0]).into_iter().map(|block| (input.shallow_clone(), handle(layer), block));
            let sums = self.each(parts.collect(), |(input, layer, (start, length))| {
                input.f_linear(&layer.weight.f_narrow(0, start, length)?, Some(&layer.bias.f_narrow(0, start, length)?))
            })?;
            traces.push(Trace { input, mask, sums });
        }
        Ok(traces)
    }

    /// The gradients of each layer's sums, `[n, out]`, from those of the logits.
    fn backward(&self, head: &Head, traces: &[Trace], logits: Tensor) -> Result<Vec<Tensor>> {
        let mut gradients = vec![logits];
        for index in (1..head.layers.len()).rev() {
            let (layer, trace, before) = (&head.layers[index], &traces[index], &traces[index - 1]);
            let above = &gradients[gradients.len() - 1];
            let blocks = self.blocks(layer.weight.size()[1]).into_iter().zip(&before.sums);
            let parts = blocks.map(|(block, sums)| {
                (above.shallow_clone(), layer.weight.shallow_clone(), trace.mask.as_ref().map(Tensor::shallow_clone), sums.shallow_clone(), block)
            });
            let parts = self.each(parts.collect(), |(above, weight, mask, sums, (start, length))| {
                let mut gradient = above.f_mm(&weight.f_narrow(1, start, length)?)?;
                if let Some(mask) = mask {
                    gradient = gradient.f_mul(&mask.f_narrow(1, start, length)?)?;
                }
                sums.f_gelu_backward(&gradient, "none")
            })?;
            gradients.push(joined(&parts)?);
        }
        gradients.reverse();
        Ok(gradients)
    }

    /// The gradients of the parameters, and the parameters moved along them.
    fn update(&self, head: &Head, momenta: &[Tensor], traces: &[Trace], gradients: &[Tensor], step: &Step<'_>) -> Result<()> {
        let (decay, of_before) = (step.settings.weight_decay, step.settings.momentum);
        let mut parts = Vec::new();
        for (((layer, momenta), trace), gradient) in head.layers.iter().zip(momenta.chunks(2)).zip(traces).zip(gradients) {
            let [of_weight, of_bias] = momenta else { continue };
            for block in self.blocks(layer.weight.size()[0]) {
                let (momentum, input) = (of_weight.shallow_clone(), Some(trace.input.shallow_clone()));
                parts.push((layer.weight.shallow_clone(), momentum, gradient.shallow_clone(), input, block));
            }
            let all = (0, layer.bias.size()[0]);
            parts.push((layer.bias.shallow_clone(), of_bias.shallow_clone(), gradient.shallow_clone(), None, all));
        }
        self.each(parts, |(parameter, momentum, gradient, input, (start, length))| {
            let gradient = match input {
                Some(input) => gradient.f_narrow(1, start, length)?.f_transpose(0, 1)?.f_mm(&input)?,
                None => gradient.f_sum_dim_intlist(&[0i64][..], false, None::<Kind>)?,
            };
            // The same memory, of which no other part touches these rows.
            let (mut parameter, mut momentum) = (parameter.f_narrow(0, start, length)?, momentum.f_narrow(0, start, length)?);
            let gradient = gradient.f_add(&parameter.f_mul_scalar(decay)?)?;
            let _ = momentum.f_mul_scalar_(of_before)?.f_add_(&gradient)?;
            let change = gradient.f_add(&momentum.f_mul_scalar(of_before)?)?;
            parameter.f_sub_(&change.f_mul_scalar(step.rate)?)
        })?;
        Ok(())
    }
}

fn handle(layer: &Layer) -> Layer {
    Layer { weight: layer.weight.shallow_clone(), bias: layer.bias.shallow_clone() }
}

fn handles(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(Tensor::shallow_clone).collect()
}

/// Blocks of columns side by side.
fn joined(blocks: &[Tensor]) -> Result<Tensor> {
    match blocks {
        [whole] => Ok(whole.shallow_clone()),
        _ => torch(|| Tensor::f_cat(blocks, 1)),
    }
}

/// 0 with a probability, in steps of 1/65,536, and otherwise what keeps the mean; of the form and on the device of `values`.
fn drawn(values: &Tensor, probability: f64, random: &mut ChaCha8Rng) -> Result<Tensor, TchError> {
    let limit = (probability * 65_536.0) as u16;
    let kept = 1.0 / (1.0 - f32::from(limit) / 65_536.0);
    let mut bytes = vec![0; values.numel() * 2];
    random.fill_bytes(&mut bytes);
    let mask: Vec<f32> = bytes.as_chunks::<2>().0.iter().map(|pair| if u16::from_le_bytes(*pair) < limit { 0.0 } else { kept }).collect();
    Tensor::f_from_slice(&mask)?.f_view(values.size().as_slice())?.f_to_device(values.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::{Purpose, stream};

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    fn batch(count: i64, width: i64, classes: i64) -> (Tensor, Tensor) {
        let numbers: Vec<f32> = (0..count * width).map(|at| ((at * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
        let labels: Vec<i64> = (0..count).map(|at| at * 31 % classes).collect();
        (Tensor::from_slice(&numbers).view([count, width]), Tensor::from_slice(&labels))
    }

    /// The head after some steps, as one list of numbers.
    fn trained(widths: &[i64], threads: usize, dropout: f64) -> Vec<f32> {
        let pool = pool(threads);
        let sgd = Sgd { pool: &pool, device: Device::Cpu };
        let config = crate::MlpHeadConfig { dropout: Some(dropout), ..Default::default() };
        let settings = HeadSettings::of(&config, &convert_sdk::Context::for_tests(&["a"]));
        let step = Step { settings: &settings, rate: 0.1 };
        let head = Head::random(widths, 1, 0).unwrap();
        let momenta: Vec<Tensor> = head.parameters().into_iter().map(Tensor::zeros_like).collect();
        let (vectors, labels) = batch(200, widths[0], widths[widths.len() - 1]);
        let mut random = stream(1, Purpose::Epoch, 0);
        let losses: Vec<f64> = (0..5).map(|_| sgd.step(&head, &momenta, &vectors, &labels, &step, &mut random).unwrap().0).collect();
        assert!(losses[4] < losses[0], "{losses:?}");
        head.parameters().into_iter().flat_map(|parameter| Vec::<f32>::try_from(parameter.view([-1])).unwrap()).collect()
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        for widths in [&[300, 400, 333][..], &[300, 400, 257, 100]] {
            let one = trained(widths, 1, 0.2);
            assert!(trained(widths, 2, 0.2) == one && trained(widths, 5, 0.2) == one, "{widths:?}");
        }
    }

    /// The same steps by autograd and `tch`'s own Nesterov.
    #[test]
    fn steps_are_those_of_libtorch() {
        use tch::nn::OptimizerConfig;
        for widths in [&[40, 300, 50][..], &[40, 130, 20, 7]] {
            let store = tch::nn::VarStore::new(Device::Cpu);
            let first = Head::random(widths, 1, 0).unwrap();
            let variables = first.parameters().into_iter().enumerate().map(|(at, parameter)| store.root().var_copy(&format!("p{at}"), parameter));
            let variables: Vec<Tensor> = variables.collect();
            let layers = variables.chunks(2).map(|pair| Layer { weight: pair[0].shallow_clone(), bias: pair[1].shallow_clone() });
            let head = Head { layers: layers.collect() };
            let mut optimizer = tch::nn::Sgd { momentum: 0.9, dampening: 0.0, wd: 1e-4, nesterov: true }.build(&store, 0.1).unwrap();
            let (vectors, labels) = batch(200, widths[0], widths[widths.len() - 1]);
            for _ in 0..5 {
                optimizer.backward_step(&head.forward(&vectors).unwrap().cross_entropy_for_logits(&labels));
            }
            let theirs = variables.iter().flat_map(|parameter| Vec::<f32>::try_from(parameter.detach().view([-1])).unwrap());
            let furthest = trained(widths, 2, 0.0).iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest < 1e-6, "{widths:?}: {furthest}");
        }
    }

    #[test]
    fn dropout_zeroes_its_share_and_keeps_the_mean() {
        let ones = Tensor::ones([100, 100], (Kind::Float, Device::Cpu));
        let mask = drawn(&ones, 0.25, &mut stream(3, Purpose::Epoch, 0)).unwrap();
        let kept = mask.count_nonzero(None).int64_value(&[]);
        assert!((7_300..7_700).contains(&kept), "{kept}");
        assert!((mask.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.03);
    }
}
