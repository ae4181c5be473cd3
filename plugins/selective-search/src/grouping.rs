//! Hierarchical grouping (Uijlings et al., section 3.1): the two most similar neighbours become one region, until one is left.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::config::Strategy;
use crate::graph::Segments;
use crate::picture::Picture;
use crate::regions::{Bounds, Region};

/// All regions of a hierarchy: the segments, then the merged ones in the order in which they came about; the last is the whole image.
#[derive(Debug)]
pub struct Hierarchy {
    /// See above; a region's parts stand before it.
    pub nodes: Vec<Node>,
    /// All pixels, ordered so that those of each region stand together.
    pixels: Vec<u32>,
}

/// A region of a hierarchy.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where its pixels stand in [`Hierarchy::pixels`].
    pub start: usize,
    /// How many there are.
    pub size: u32,
    /// The box around it.
    pub bounds: Bounds,
    children: Option<[usize; 2]>,
}

/// A pair of neighbours: the greatest is the most similar, of equally similar ones the pair of the earlier regions.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    similarity: Order,
    regions: Reverse<(u32, u32)>,
}

/// A number that is always one.
#[derive(PartialEq)]
struct Order(f32);

impl Eq for Order {}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The regions of a segmentation and their neighbours: where every strategy starts.
#[derive(Debug)]
pub struct Start {
    regions: Vec<Region>,
    /// Each pair once, the lower number first.
    neighbours: BTreeSet<(u32, u32)>,
    segments: Segments,
}

impl Start {
    /// The regions of segments.
    pub fn new(picture: &Picture, segments: Segments) -> Self {
        let (width, labels) = (segments.width, &segments.labels);
        let mut neighbours = BTreeSet::new();
        for (at, label) in labels.iter().enumerate() {
            let right = (at % width + 1 < width).then(|| labels[at + 1]);
            for other in right.into_iter().chain(labels.get(at + width).copied()).filter(|other| other != label) {
                neighbours.insert((*label.min(&other), *label.max(&other)));
            }
        }
        Self { regions: Region::of_segments(picture, &segments), neighbours, segments }
    }

    /// The hierarchy that a strategy makes of them.
    pub fn grouped(&self, strategy: Strategy) -> Hierarchy {
        let total = self.segments.labels.len() as u32;
        let mut regions: Vec<Option<Region>> = self.regions.iter().cloned().map(Some).collect();
        let mut nodes: Vec<Node> = self.regions.iter().map(|region| Node::new(region, None)).collect();
        let mut neighbours = vec![Vec::new(); regions.len()];
        let mut queue = BinaryHeap::with_capacity(self.neighbours.len());
        for (a, b) in &self.neighbours {
            neighbours[*a as usize].push(*b);
            neighbours[*b as usize].push(*a);
            let similarity = self.regions[*a as usize].similarity(&self.regions[*b as usize], strategy, total);
            queue.push(Pair { similarity: Order(similarity), regions: Reverse((*a, *b)) });
        }
        while let Some(Pair { regions: Reverse((a, b)), .. }) = queue.pop() {
            let (a, b) = (a as usize, b as usize);
            let (Some(first), Some(second)) = (&regions[a], &regions[b]) else { continue };
            let merged = first.merged(second);
            nodes.push(Node::new(&merged, Some([a, b])));
            (regions[a], regions[b]) = (None, None);
            let mut around = [std::mem::take(&mut neighbours[a]), std::mem::take(&mut neighbours[b])].concat();
            around.sort_unstable();
            around.dedup();
            around.retain(|other| regions[*other as usize].is_some());
            let number = regions.len() as u32;
            for other in &around {
                let Some(region) = &regions[*other as usize] else { continue };
                neighbours[*other as usize].push(number);
                queue.push(Pair { similarity: Order(region.similarity(&merged, strategy, total)), regions: Reverse((*other, number)) });
            }
            regions.push(Some(merged));
            neighbours.push(around);
        }
        self.laid_out(nodes)
    }

    /// The nodes with their pixels: each node's stand before those of its second part.
    fn laid_out(&self, mut nodes: Vec<Node>) -> Hierarchy {
        for at in (0..nodes.len()).rev() {
            if let Some([first, second]) = nodes[at].children {
                nodes[first].start = nodes[at].start;
                nodes[second].start = nodes[at].start + nodes[first].size as usize;
            }
        }
        let mut next: Vec<usize> = nodes[..self.regions.len()].iter().map(|node| node.start).collect();
        let mut pixels = vec![0; self.segments.labels.len()];
        for (at, label) in self.segments.labels.iter().enumerate() {
            let place = &mut next[*label as usize];
            pixels[*place] = at as u32;
            *place += 1;
        }
        Hierarchy { nodes, pixels }
    }
}

impl Node {
    fn new(region: &Region, children: Option<[usize; 2]>) -> Self {
        Self { start: 0, size: region.size, bounds: region.bounds, children }
    }
}

impl Hierarchy {
    /// The pixels of a node, as positions in row order.
    pub fn pixels(&self, node: &Node) -> &[u32] {
        &self.pixels[node.start..][..node.size as usize]
    }
}

#[cfg(test)]
mod tests {
    use convert_sdk::Image;

    use super::*;
    use crate::config::ColourSpace;

    /// Four stripes: dark grey, a little lighter, red, and a darker red, of 16 x 8 pixels each.
    fn stripes() -> (Picture, Segments) {
        let colours = [[62, 62, 62], [64, 64, 64], [220, 20, 20], [200, 20, 20]];
        let pixels: Vec<u8> = (0..16 * 32).flat_map(|at: usize| colours[at / 128]).collect();
        let picture = Picture::new(&Image::new(16, 32, pixels).unwrap(), ColourSpace::Rgb, 0.0).unwrap();
        let labels = (0..16 * 32).map(|at| at / 128).collect();
        (picture, Segments { width: 16, height: 32, labels, count: 4 })
    }

    #[test]
    fn the_most_alike_are_joined_first_and_every_region_has_its_pixels() {
        let (picture, segments) = stripes();
        let hierarchy = Start::new(&picture, segments).grouped(Strategy::ColourTextureSizeFill);
        let rows = |node: &Node| {
            let mut rows: Vec<u32> = hierarchy.pixels(node).iter().map(|pixel| pixel / 16 / 8).collect();
            rows.sort_unstable();
            rows.dedup();
            (rows, node.bounds.area() == node.size)
        };
        let found: Vec<_> = hierarchy.nodes.iter().map(rows).collect();
        let expected = [vec![0], vec![1], vec![2], vec![3], vec![0, 1], vec![2, 3], vec![0, 1, 2, 3]];
        assert_eq!(found, expected.map(|rows| (rows, true)));
    }

    #[test]
    fn equally_alike_pairs_are_joined_in_the_order_of_their_regions() {
        let grey = Image::new(16, 32, vec![77; 16 * 32 * 3]).unwrap();
        let picture = Picture::new(&grey, ColourSpace::Lab, 0.0).unwrap();
        let hierarchy = Start::new(&picture, stripes().1).grouped(Strategy::Size);
        let boxes: Vec<(u32, u32)> = hierarchy.nodes[4..].iter().map(|node| (node.bounds.top, node.bounds.bottom)).collect();
        assert_eq!(boxes, [(0, 16), (16, 32), (0, 32)]);
    }
}
