use convert_sdk::Image;

/// Images of odd sizes and contents, each with a name for messages; the same ones every time.
pub fn images() -> Vec<(&'static str, Image<'static>)> {
    let draw = |width: u32, height: u32, colour: &dyn Fn(u32, u32) -> [u8; 3]| {
        let pixels: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| colour(x, y))).collect();
        Image::new(width, height, pixels).unwrap_or_else(|error| panic!("{width}x{height}: {error}"))
    };
    let noise = |x: u32, y: u32| {
        let mixed = (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35);
        [(mixed >> 8) as u8, (mixed >> 16) as u8, (mixed >> 24) as u8]
    };
    let disc = |x: u32, y: u32| {
        let distance = (x as i64 - 40).pow(2) + (y as i64 - 30).pow(2);
        if distance < 400 { [220, 40, 30] } else { [20, 90, (60 + x / 2) as u8] }
    };
    let squares = |x: u32, y: u32| match (x / 20, y / 20) {
        (1, 1) => [250, 240, 10],
        (3, 2) => [10, 10, 200],
        _ => [120, 130, 120],
    };
    vec![
        ("1x1", draw(1, 1, &|_, _| [7, 7, 7])),
        ("an upright line, 1x40", draw(1, 40, &noise)),
        ("a flat line, 33x1", draw(33, 1, &noise)),
        ("one grey, 31x17", draw(31, 17, &|_, _| [128, 128, 128])),
        ("noise, 48x64", draw(48, 64, &noise)),
        ("a disc, 96x64", draw(96, 64, &disc)),
        ("two squares, 100x75", draw(100, 75, &squares)),
    ]
}
