//! What crosses between host and plugins: versions, earlier plugins, images.

use std::sync::atomic::{AtomicU32, Ordering};

use convert_sdk::abi::{export, foreign, object, reply, Remote, Results, RoleVersion};
use convert_sdk::*;

#[test]
fn older_minor_versions_are_read_and_nothing_else() {
    let version = |major, minor| RoleVersion { major, minor };
    let here = version(2, 3);
    assert!(here.reads(version(2, 3)) && here.reads(version(2, 0)));
    assert!(!here.reads(version(2, 4)) && !here.reads(version(1, 3)) && !here.reads(version(3, 0)));
    assert_eq!(here.to_string(), "2.3");
}

#[test]
fn a_plugin_that_lacks_a_later_method_behaves_as_if_it_had_not_overridden_it() {
    let early = object(|method, _| match method {
        "classes" => reply(&["apple"]),
        "samples" => reply(&[serde_json::json!({ "id": "a.png", "label": 0, "revision": 7, "a field of later": [1.5] })]),
        _ => Ok(None),
    });
    let dataset = foreign::dataset(Remote(early)).unwrap();
    assert_eq!(dataset.samples().unwrap(), [Sample { id: "a.png".into(), label: 0, revision: 7 }]);
    assert_eq!((dataset.truth("a.png").unwrap(), dataset.class_numbers()), (None, vec![]));
    assert_eq!(dataset.image("a.png").unwrap_err().to_string(), "there is no method `image`");
}

/// Says where an image's pixels lie.
#[config]
struct Looks {}

impl Plugin for Looks {
    type Config = Self;
    fn new(config: Self, _: Context) -> Result<Self> {
        Ok(config)
    }
}

impl Refiner for Looks {
    fn refine(&self, image: &LazyImage<'_>, _: &[Proposal]) -> Result<Vec<Refinement>> {
        let image = image.get()?;
        Ok(vec![Refinement::Drop { reason: format!("{}x{} at {:?}", image.width(), image.height(), image.pixels().as_ptr()) }])
    }
}

fn looks() -> Box<dyn Refiner> {
    let exported = export::refiner::<Looks>("looks", ("test", "0"), Results::default());
    foreign::refiner(Remote(exported.build("{}", Context::for_tests(&[])).unwrap())).unwrap()
}

#[test]
fn an_image_is_lent_across_and_not_copied() {
    let image = Image::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
    let reason = format!("2x1 at {:?}", image.pixels().as_ptr());
    let proposal = Proposal::new(Mask::full(2, 1).unwrap(), 1.0).unwrap();
    assert_eq!(looks().refine(&image.into(), &[proposal]).unwrap(), [Refinement::Drop { reason }]);
}

#[test]
fn an_image_that_cannot_be_read_says_so_on_the_other_side_and_is_tried_again() {
    let loads = AtomicU32::new(0);
    let broken = LazyImage::new(|| match loads.fetch_add(1, Ordering::Relaxed) {
        0 => Err(Error::invalid("truncated")),
        _ => Image::new(1, 1, vec![7; 3]),
    });
    let proposal = [Proposal::new(Mask::full(1, 1).unwrap(), 1.0).unwrap()];
    assert_eq!(looks().refine(&broken, &proposal).unwrap_err().to_string(), "truncated");
    assert_eq!(looks().refine(&broken, &proposal).unwrap().len(), 1);
}
