//! Which objects a scene has, and where.

use convert_sdk::{Error, Mask, Result};

use crate::catalogue::{CLASSES, Class, Turn};
use crate::random::{Purpose, Random, turn};
use crate::stamp::{Pose, Stamp, Tint};

/// What scenes there are.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Everything derives from it.
    pub seed: u64,
    /// Pixels of a side.
    pub size: usize,
    /// The most objects of a scene, 1 to 6.
    pub max_objects: usize,
}

/// The least share of the picture that an object's visible part has.
pub const MIN_AREA: f32 = 0.04;

/// The least share of an object that is visible.
pub const MIN_VISIBLE: f32 = 0.7;

/// The largest object's share of the picture, from and to, by how many objects there are.
const MAIN_AREA: [(f32, f32); 6] = [(0.13, 0.34), (0.11, 0.24), (0.09, 0.17), (0.078, 0.13), (0.064, 0.095), (0.056, 0.075)];

/// The other objects' areas as shares of the largest one's.
const OTHER_AREA: (f32, f32) = (0.62, 0.94);

/// An object of a scene.
#[derive(Clone, Debug)]
pub struct Object {
    /// Index of its class.
    pub class: usize,
    /// Its pixels.
    pub stamp: Stamp,
    /// Column of its first pixel.
    pub left: usize,
    /// Row of its first pixel.
    pub top: usize,
}

/// The classes of a scene's objects, all different, the main one (the largest, the scene's label) first.
///
/// The main classes go round: each comes once in every [`CLASSES`] scenes, in an order that changes from round to round.
pub fn classes(settings: &Settings, index: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..CLASSES).collect();
    Random::new(settings.seed, Purpose::ClassOrder, index / CLASSES as u64).shuffle(&mut order);
    let main = order.swap_remove((index % CLASSES as u64) as usize);
    let mut random = Random::new(settings.seed, Purpose::Companions, index);
    random.shuffle(&mut order);
    let others = random.below(settings.max_objects);
    std::iter::once(main).chain(order.into_iter().take(others)).collect()
}

/// The objects of a scene, the lowest first; the main class has the largest visible area.
///
/// # Errors
/// A drawing that cannot be rendered.
pub fn arrange(settings: &Settings, catalogue: &[Class], index: u64) -> Result<Vec<Object>> {
    let mut wanted = classes(settings, index);
    let mut random = Random::new(settings.seed, Purpose::Arrangement, index);
    loop {
        // a crowded scene is tried anew with smaller objects, then with fewer; a single object always fits
        for attempt in 0..10 {
            let shrink = 1.0 - 0.03 * attempt as f32;
            if let Some(objects) = attempt_all(settings, catalogue, &wanted, shrink, &mut random)? {
                return Ok(objects);
            }
        }
        if wanted.len() == 1 {
            return Err(Error::numeric(format!("scene {index} has no room for its object: choose a larger size")));
        }
        wanted.pop();
    }
}

fn attempt_all(settings: &Settings, catalogue: &[Class], wanted: &[usize], shrink: f32, random: &mut Random) -> Result<Option<Vec<Object>>> {
    let (low, high) = MAIN_AREA[wanted.len().clamp(1, MAIN_AREA.len()) - 1];
    let main_area = (random.between(low, high) * shrink).max(MIN_AREA * 1.35);
    // most objects lie free, some touch or cover each other a little
    let tolerance = if random.chance(0.6) { 0.01 } else { 0.2 };
    let mut depths: Vec<usize> = (0..wanted.len()).collect();
    random.shuffle(&mut depths);
    let mut canvas = Canvas::new(settings.size, depths);
    for (rank, &class) in wanted.iter().enumerate() {
        let area = if rank == 0 { main_area } else { main_area * random.between(OTHER_AREA.0, OTHER_AREA.1) };
        let share = area.max(MIN_AREA * 1.2);
        let Some(stamp) = drawn(&catalogue[class], share, settings.size, random)? else { return Ok(None) };
        if !canvas.place(class, stamp, tolerance, random) {
            return Ok(None);
        }
    }
    Ok(canvas.finish())
}

/// An object in random pose and colours that covers about this share of the picture; `None` if it is longer than the picture.
fn drawn(class: &Class, share: f32, size: usize, random: &mut Random) -> Result<Option<Stamp>> {
    let look = &class.looks[random.below(class.looks.len())];
    let tree = look.tree(random.chance(0.5));
    let pose = Pose {
        // neither stretch nor shear nor turn changes the area
        scale: (share * (size * size) as f32 / class.area).sqrt(),
        stretch: random.between(0.86, 1.16),
        shear: random.between(-0.1, 0.1),
        flipped: random.chance(0.5),
        turn: match class.turn {
            Turn::Upright => turn(random.between(-0.105, 0.105)),
            Turn::Leaning => turn(random.between(-0.315, 0.315)),
            Turn::Free => random.direction(),
        },
    };
    let tint = Tint { hue: turn(random.between(-0.07, 0.07)), saturation: random.between(0.85, 1.12), brightness: random.between(0.88, 1.08) };
    let stamp = Stamp::render(tree, &pose, &tint)?;
    Ok((stamp.width + 2 <= size && stamp.height + 2 <= size).then_some(stamp))
}

/// A scene in the making.
struct Canvas {
    size: usize,
    /// For each object to come, how high it lies.
    depths: Vec<usize>,
    objects: Vec<Object>,
    /// For each pixel a bit for each object that covers it.
    covers: Vec<u8>,
    /// Pixels of each object.
    areas: Vec<usize>,
    /// At most so many pixels of each object are covered by others.
    lost: Vec<usize>,
}

impl Canvas {
    fn new(size: usize, depths: Vec<usize>) -> Self {
        Self { size, depths, objects: Vec::new(), covers: vec![0; size * size], areas: Vec::new(), lost: Vec::new() }
    }

    /// Puts the next object at the first of several random places where nothing loses more than the tolerance; false if there is none.
    fn place(&mut self, class: usize, stamp: Stamp, tolerance: f32, random: &mut Random) -> bool {
        let solid: Vec<(usize, usize)> = stamp.solid().collect();
        let bit = self.objects.len();
        for _ in 0..60 {
            let left = 1 + random.below(self.size - stamp.width - 1);
            let top = 1 + random.below(self.size - stamp.height - 1);
            let lost = self.loss(&solid, left, top);
            let allowed = |object: usize, lost: usize| {
                let area = self.areas.get(object).copied().unwrap_or(solid.len());
                lost as f32 <= tolerance * area as f32
            };
            if lost.iter().enumerate().all(|(object, lost)| allowed(object, *lost)) {
                for (x, y) in &solid {
                    self.covers[(top + y) * self.size + left + x] |= 1 << bit;
                }
                self.areas.push(solid.len());
                self.lost = lost;
                self.objects.push(Object { class, stamp, left, top });
                return true;
            }
        }
        false
    }

    /// What each object would have lost, the new one last.
    fn loss(&self, solid: &[(usize, usize)], left: usize, top: usize) -> Vec<usize> {
        let new = self.objects.len();
        let mut shared = vec![0; new];
        for (x, y) in solid {
            let mut bits = self.covers[(top + y) * self.size + left + x];
            while bits != 0 {
                shared[bits.trailing_zeros() as usize] += 1;
                bits &= bits - 1;
            }
        }
        let mut lost = self.lost.clone();
        lost.push(0);
        for (object, shared) in shared.into_iter().enumerate() {
            let lower = if self.depths[object] < self.depths[new] { object } else { new };
            lost[lower] += shared;
        }
        lost
    }

    /// The objects from the lowest to the highest, if the first one placed shows most and all show enough.
    fn finish(self) -> Option<Vec<Object>> {
        let enough = (MIN_AREA * (self.size * self.size) as f32).ceil() as usize;
        let mut order: Vec<usize> = (0..self.objects.len()).collect();
        order.sort_by_key(|object| self.depths[*object]);
        let main = order.iter().position(|object| *object == 0)?;
        let mut objects: Vec<Option<Object>> = self.objects.into_iter().map(Some).collect();
        let objects: Vec<Object> = order.iter().filter_map(|object| objects[*object].take()).collect();
        let visible: Vec<usize> = visible_pixels(&objects, self.size).iter().map(|pixels| pixels.iter().map(|p| usize::from(*p)).sum()).collect();
        let fine = visible.iter().enumerate().all(|(at, area)| {
            let whole = self.areas[order[at]] as f32;
            *area >= enough && *area as f32 >= MIN_VISIBLE * whole && (at == main || *area < visible[main])
        });
        fine.then_some(objects)
    }
}

/// For each object one byte a pixel: 1 where it covers the pixel and no higher object does.
fn visible_pixels(objects: &[Object], size: usize) -> Vec<Vec<u8>> {
    let mut highest = vec![usize::MAX; size * size];
    for (at, object) in objects.iter().enumerate() {
        for (x, y) in object.stamp.solid() {
            highest[(object.top + y) * size + object.left + x] = at;
        }
    }
    (0..objects.len()).map(|at| highest.iter().map(|top| u8::from(*top == at)).collect()).collect()
}

/// The visible part of each object.
///
/// # Errors
/// None in practice: the size is not 0.
pub fn visible_masks(objects: &[Object], size: usize) -> Result<Vec<Mask>> {
    visible_pixels(objects, size).iter().map(|pixels| Mask::from_pixels(size as u32, size as u32, pixels)).collect()
}
