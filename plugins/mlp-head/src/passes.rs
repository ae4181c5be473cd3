//! A pass over images: views are made on the CPU's threads ahead of the backbone, and vectors come in the order of the images.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use convert_sdk::{Error, ErrorKind, Result};
use rayon::prelude::*;

use crate::features::{Asked, FeatureSource};
use crate::in_order::in_order;
use crate::views::{ImageVectors, ImageViews, Views, Wanted, stops};

/// Images a thread that wait for the backbone or for who takes the vectors. A view is S×S×3 bytes (0.8 MB at 512).
const AHEAD: usize = 4;
/// Batches between the device and the pooling of its features (64 MB each for 16 images of 1024 patches of 1024 numbers).
const BATCHES: usize = 1;

impl Views<'_> {
    /// Gives the vectors of each image of `order` to `take`, in that order, with its place in it. What an image cannot be used for comes as its error; whether to go on
    /// is for `take` to say.
    ///
    /// Where the backbone takes one image at a time, the threads do all of an image. On a device they decode, crop and resize ahead of it, and views go through it in
    /// batches, which are fixed slices of the order, so that it does not matter which thread was first.
    ///
    /// # Errors
    /// What `take` says, and what stops a device.
    pub fn pass(&self, order: &[u32], wanted: Wanted, mut take: impl FnMut(usize, Result<ImageVectors>) -> Result<()>) -> Result<()> {
        let threads = self.context.settings().threads.max(1);
        let batch_size = self.features.batch_size();
        let views = |at: usize| self.of(order[at] as usize, wanted);
        if batch_size == 1 {
            return in_order(threads, order.len(), AHEAD * threads, |at| self.vectors(views(at)?), take);
        }
        let (sender, receiver) = sync_channel(BATCHES);
        std::thread::scope(|scope| {
            let device = scope.spawn(move || {
                let mut batches = Batches { features: self.features, size: batch_size, waiting: VecDeque::new(), sender };
                in_order(threads, order.len(), (AHEAD * threads).max(2 * batch_size), views, |_, views| batches.push(views))?;
                batches.finish()
            });
            let taken = self.take_all(receiver, &mut take);
            let device = device.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            taken.and(device)
        })
    }

    /// Pools what comes from the device. Returning drops the receiver, which ends the device's thread.
    fn take_all(&self, receiver: Receiver<Vec<Result<ImageViews>>>, take: &mut impl FnMut(usize, Result<ImageVectors>) -> Result<()>) -> Result<()> {
        let mut at = 0;
        for images in receiver {
            let vectors: Vec<_> = self.pool.install(|| images.into_par_iter().map(|views| self.vectors(views?)).collect());
            for vectors in vectors {
                take(at, vectors)?;
                at += 1;
            }
        }
        Ok(())
    }
}

/// Views on their way through the device.
struct Batches<'a> {
    features: &'a FeatureSource,
    size: usize,
    /// Images in their order; those at the front may be complete.
    waiting: VecDeque<Result<ImageViews>>,
    sender: SyncSender<Vec<Result<ImageViews>>>,
}

fn unknown(views: &Result<ImageViews>) -> usize {
    let asked = |views: &ImageViews| views.views.iter().flat_map(|view| view.asked.asked()).filter(|asked| is_unknown(asked)).count();
    views.as_ref().map_or(0, asked)
}

fn is_unknown(asked: &Asked) -> bool {
    matches!(asked, Asked::Image { .. })
}

impl Batches<'_> {
    fn push(&mut self, views: Result<ImageViews>) -> Result<()> {
        self.waiting.push_back(views);
        while self.waiting.iter().map(unknown).sum::<usize>() >= self.size {
            self.run()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        while !self.waiting.is_empty() {
            self.run()?;
        }
        Ok(())
    }

    /// The first views through the backbone, and every image that is complete then to the pooling.
    fn run(&mut self) -> Result<()> {
        let views = self.waiting.iter_mut().flatten().flat_map(|image| &mut image.views).flat_map(|view| view.asked.asked_mut());
        let mut batch: Vec<&mut Asked> = views.filter(|asked| is_unknown(asked)).take(self.size).collect();
        if let Err(error) = self.features.answer(&mut batch) {
            if stops(&error) {
                return Err(error);
            }
            self.one_by_one()?;
        }
        let complete = self.waiting.iter().take_while(|views| unknown(views) == 0).count();
        let images = self.waiting.drain(..complete).collect();
        self.sender.send(images).map_err(|_| Error::new(ErrorKind::Interrupted, "nobody takes the vectors any more"))
    }

    /// After an error of a batch: each image alone, so that only the bad one is left out.
    fn one_by_one(&mut self) -> Result<()> {
        for image in &mut self.waiting {
            let Ok(views) = image else { continue };
            let failed = views.views.iter_mut().flat_map(|view| view.asked.asked_mut()).find_map(|asked| self.features.answer(&mut [asked]).err());
            match failed {
                Some(error) if stops(&error) => return Err(error),
                Some(error) => *image = Err(error.context(format!("sample {}", views.id))),
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use convert_sdk::{BoundingBox, Context, Image, LazyImage, Mask, TrainingRegion, TrainingSample, TrainingSet};

    use super::*;
    use crate::config::{MlpHeadConfig, Regions};
    use crate::regions::Form;

    /// Images with one region or two; the fifth is broken.
    struct Photos;

    impl TrainingSet for Photos {
        fn len(&self) -> usize {
            14
        }
        fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
            let (width, height) = (50 + index as u32, 40);
            let pixels: Vec<u8> = (0..width * height * 3).map(|at| (at * (index as u32 + 3) % 249) as u8).collect();
            let image = match index {
                4 => LazyImage::new(|| Err(Error::invalid("broken"))),
                _ => LazyImage::from(Image::new(width, height, pixels)?),
            };
            let region =
                |x, label| Ok(TrainingRegion { mask: Some(Mask::from_box(width, height, BoundingBox { x, y: 2, width: 20, height: 9 })?), label });
            let regions = (0..1 + index as u32 % 2).map(|at| region(at * 28, at)).collect::<Result<_>>()?;
            Ok(TrainingSample { id: format!("photo-{index}"), label: 0, image, regions })
        }
    }

    /// The vectors of a pass, its images in another order than the set's.
    fn passed(regions: Regions, batch_size: usize, threads: usize, wanted: Wanted) -> Vec<Result<ImageVectors, String>> {
        let mut settings = Context::for_tests(&["a", "b"]).settings().clone();
        settings.threads = threads;
        let context = Context::new(settings, Context::for_tests(&[]).host().clone());
        let config = MlpHeadConfig { input_size: 32, crop_size: 24, regions, ..Default::default() };
        let features = FeatureSource::open(&config, &context).unwrap().with_batch_size(batch_size);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let form = Form::new(&config, config.regions, features.has_class_token()).unwrap();
        let views = Views { config: &config, context: &context, features: &features, form: &form, set: &Photos, pool: &pool };
        let order: Vec<u32> = (0..14).map(|at| at * 5 % 14).collect();
        let mut got = Vec::new();
        let pass = views.pass(&order, wanted, |at, vectors| {
            assert_eq!(at, got.len());
            got.push(vectors.map_err(|error| error.to_string()));
            Ok(())
        });
        pass.unwrap();
        got
    }

    #[test]
    fn batches_and_threads_give_what_one_image_at_a_time_gives() {
        for regions in [Regions::Mask, Regions::Crop, Regions::Both] {
            for wanted in [Wanted::PlainAnd(0), Wanted::PlainAnd(4), Wanted::Epoch(7)] {
                let expected = passed(regions, 1, 1, wanted);
                assert_eq!(expected.iter().flatten().count(), 13);
                assert_eq!(expected[12], Err("sample photo-4: broken".to_owned()));
                for (batch_size, threads) in [(1, 3), (4, 1), (16, 3), (200, 2)] {
                    assert_eq!(passed(regions, batch_size, threads, wanted), expected, "{regions:?} {wanted:?} {batch_size} {threads}");
                }
            }
        }
    }

    #[test]
    fn both_vectors_are_the_masks_and_the_crops() {
        let [mask, crop, both] = [Regions::Mask, Regions::Crop, Regions::Both].map(|regions| passed(regions, 1, 2, Wanted::PlainAnd(0)));
        for ((mask, crop), both) in mask.iter().zip(&crop).zip(&both) {
            let (Ok(mask), Ok(crop), Ok(both)) = (mask, crop, both) else { continue };
            let (narrow, wide) = (mask.values.len() / mask.labels.len(), crop.values.len() / crop.labels.len());
            let rows = mask.values.chunks(narrow).zip(crop.values.chunks(wide));
            assert_eq!(both.values, rows.flat_map(|(mask, crop)| [mask, crop].concat()).collect::<Vec<_>>());
            assert!(crop.values.iter().any(|value| *value != 0.0));
        }
    }

    #[test]
    fn pooled_views_are_the_plain_one_and_those_of_the_first_epochs() {
        let passed = |wanted| passed(Regions::Mask, 1, 2, wanted);
        let together = passed(Wanted::PlainAnd(3));
        let parts = [Wanted::PlainAnd(0), Wanted::Epoch(0), Wanted::Epoch(1), Wanted::Epoch(2)].map(passed);
        for (at, together) in together.iter().enumerate().filter(|(at, _)| *at != 12) {
            let parts = parts.each_ref().map(|part| part[at].as_ref().unwrap());
            let together = together.as_ref().unwrap();
            assert_eq!(together.values, parts.map(|part| part.values.clone()).concat());
            assert_eq!(together.labels, parts.map(|part| part.labels.clone()).concat());
            assert_eq!(together.lost, parts.iter().map(|part| part.lost).sum::<u64>());
        }
    }

    #[test]
    fn an_error_of_who_takes_the_vectors_ends_the_pass() {
        for batch_size in [1, 4] {
            let context = Context::for_tests(&["a", "b"]);
            let config = MlpHeadConfig { input_size: 32, ..Default::default() };
            let features = FeatureSource::open(&config, &context).unwrap().with_batch_size(batch_size);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let form = Form::new(&config, config.regions, features.has_class_token()).unwrap();
            let views = Views { config: &config, context: &context, features: &features, form: &form, set: &Photos, pool: &pool };
            let order: Vec<u32> = (0..14).collect();
            let full = |at, _| if at == 2 { Err(Error::new(ErrorKind::Io, "the disk is full")) } else { Ok(()) };
            assert_eq!(views.pass(&order, Wanted::Epoch(0), full).unwrap_err().to_string(), "the disk is full");
        }
    }
}
