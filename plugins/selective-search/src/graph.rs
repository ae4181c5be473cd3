//! Graph-based segmentation (Felzenszwalb & Huttenlocher, IJCV 2004): segments whose inner differences are smaller than those along their borders.

/// The edges between neighbouring pixels, the most similar first.
#[derive(Debug)]
pub struct Graph {
    width: usize,
    height: usize,
    edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    weight: f32,
    from: u32,
    to: u32,
}

/// A segment of each pixel, numbered from 0 in the order of their first pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// One a pixel, row by row.
    pub labels: Vec<u32>,
    /// How many segments there are.
    pub count: usize,
}

impl Graph {
    /// The graph of colours in row order: each pixel with its eight neighbours, by the Euclidean distance of their colours.
    pub fn new(colours: &[[f32; 3]], width: usize) -> Self {
        let height = colours.len() / width;
        let mut edges = Vec::with_capacity(4 * colours.len());
        let mut join = |from: usize, to: usize| {
            let [a, b, c]: [f32; 3] = std::array::from_fn(|channel| colours[from][channel] - colours[to][channel]);
            edges.push(Edge { weight: (a * a + b * b + c * c).sqrt(), from: from as u32, to: to as u32 });
        };
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                let (right, below) = (x + 1 < width, y + 1 < height);
                if right {
                    join(at, at + 1);
                }
                if below {
                    join(at, at + width);
                }
                if right && below {
                    join(at, at + width + 1);
                }
                if right && y > 0 {
                    join(at, at - width + 1);
                }
            }
        }
        Self { width, height, edges: sorted(edges) }
    }

    /// The segments at a scale: the larger `k`, the larger they are. Those of fewer than `min_size` pixels are joined to their most similar neighbours.
    pub fn segments(&self, k: f32, min_size: u32) -> Segments {
        let mut forest = Forest::new(self.width * self.height);
        let mut limits = vec![k; self.width * self.height];
        let mut between = Vec::new();
        for edge in &self.edges {
            let (a, b) = (forest.root(edge.from), forest.root(edge.to));
            if a == b {
                continue;
            }
            if edge.weight <= limits[a as usize].min(limits[b as usize]) {
                let root = forest.join(a, b) as usize;
                limits[root] = edge.weight + k / forest.sizes[root] as f32;
            } else {
                between.push(*edge);
            }
        }
        for edge in between {
            let (a, b) = (forest.root(edge.from), forest.root(edge.to));
            if a != b && forest.sizes[a as usize].min(forest.sizes[b as usize]) < min_size {
                forest.join(a, b);
            }
        }
        forest.segments(self.width, self.height)
    }
}

/// By weight; of equal ones the earlier edge first. A positive number's order is that of its bits.
fn sorted(edges: Vec<Edge>) -> Vec<Edge> {
    let mut order: Vec<u64> = edges.iter().enumerate().map(|(at, edge)| u64::from(edge.weight.to_bits()) << 32 | at as u64).collect();
    order.sort_unstable();
    order.into_iter().map(|key| edges[key as u32 as usize]).collect()
}

/// Disjoint sets of pixels.
struct Forest {
    parents: Vec<u32>,
    sizes: Vec<u32>,
}

impl Forest {
    fn new(pixels: usize) -> Self {
        Self { parents: (0..pixels as u32).collect(), sizes: vec![1; pixels] }
    }

    fn root(&mut self, mut at: u32) -> u32 {
        while self.parents[at as usize] != at {
            let parent = self.parents[at as usize];
            self.parents[at as usize] = self.parents[parent as usize];
            at = parent;
        }
        at
    }

    /// Joins two roots; the larger set's, or the first, becomes that of both.
    fn join(&mut self, a: u32, b: u32) -> u32 {
        let (root, other) = if self.sizes[a as usize] >= self.sizes[b as usize] { (a, b) } else { (b, a) };
        self.parents[other as usize] = root;
        self.sizes[root as usize] += self.sizes[other as usize];
        root
    }

    fn segments(&mut self, width: usize, height: usize) -> Segments {
        let mut numbers = vec![u32::MAX; self.parents.len()];
        let mut count = 0;
        let labels = (0..self.parents.len() as u32).map(|pixel| {
            let number = &mut numbers[self.root(pixel) as usize];
            if *number == u32::MAX {
                *number = count;
                count += 1;
            }
            *number
        });
        let labels = labels.collect();
        Segments { width, height, labels, count: count as usize }
    }
}
