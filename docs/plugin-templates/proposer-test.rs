#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_gets_all_cells_and_they_cover_it() {
        let proposer = Grid::new(Config { cells: 3 }, Context::for_tests(&["a", "b"])).unwrap();
        let image = Image::new(40, 30, vec![0; 40 * 30 * 3]).unwrap();
        let proposals = proposer.propose(&[SampleImage { id: "x", image: image.clone() }, SampleImage { id: "y", image }]).unwrap();
        assert_eq!(proposals.iter().map(Vec::len).collect::<Vec<_>>(), [9, 9]);
        let union = proposals[0].iter().fold(Mask::empty(3, 3).unwrap(), |all, proposal| all.union(&proposal.mask).unwrap());
        assert_eq!(union.area(), 9);
    }

    #[test]
    fn it_keeps_the_rules_of_its_role() {
        convert_testing::proposer::<Grid>(r#"{"cells": 3}"#);
    }
}
