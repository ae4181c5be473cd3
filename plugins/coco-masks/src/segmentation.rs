//! An annotation's `segmentation` as bytes in the spool.

use convert_formats::coco::Segmentation;
use convert_sdk::{Error, Result};

/// The bytes that [`from_bytes`] reads.
pub fn to_bytes(segmentation: &Segmentation) -> Vec<u8> {
    let (kind, (width, height)) = (
        match segmentation {
            Segmentation::Compressed { .. } => 0u8,
            Segmentation::Runs { .. } => 1,
            Segmentation::Polygons(_) => 2,
        },
        segmentation.size().unwrap_or_default(),
    );
    let mut bytes = vec![kind];
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    match segmentation {
        Segmentation::Compressed { counts, .. } => bytes.extend(counts.as_bytes()),
        Segmentation::Runs { counts, .. } => counts.iter().for_each(|run| bytes.extend(run.to_le_bytes())),
        Segmentation::Polygons(polygons) => {
            for polygon in polygons {
                bytes.extend((polygon.len() as u32).to_le_bytes());
                polygon.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
            }
        }
    }
    bytes
}

/// What [`to_bytes`] wrote.
///
/// # Errors
/// Other bytes.
pub fn from_bytes(bytes: &[u8]) -> Result<Segmentation> {
    let broken = || Error::invalid("the spooled masks are broken");
    let (head, rest) = bytes.split_at_checked(9).ok_or_else(broken)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).map_err(|_| broken());
    let (width, height) = (number(&head[1..5])?, number(&head[5..9])?);
    match head[0] {
        0 => Ok(Segmentation::Compressed { size: [height, width], counts: String::from_utf8(rest.to_vec()).map_err(|_| broken())? }),
        1 => Ok(Segmentation::Runs { size: [height, width], counts: rest.chunks(4).map(number).collect::<Result<_>>()? }),
        2 => {
            let (mut polygons, mut rest) = (Vec::new(), rest);
            while !rest.is_empty() {
                let (count, after) = rest.split_at_checked(4).ok_or_else(broken)?;
                let (numbers, after) = after.split_at_checked(number(count)? as usize * 8).ok_or_else(broken)?;
                let real = |bytes: &[u8]| bytes.try_into().map(f64::from_le_bytes).map_err(|_| broken());
                polygons.push(numbers.chunks(8).map(real).collect::<Result<_>>()?);
                rest = after;
            }
            Ok(Segmentation::Polygons(polygons))
        }
        _ => Err(broken()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_survives_the_spool() {
        let polygons = vec![vec![1.0, 1.0, 4.0, 1.0, 4.0, 3.5], vec![0.0; 6]];
        for segmentation in [
            Segmentation::Compressed { size: [4, 5], counts: "5220003".into() },
            Segmentation::Runs { size: [4, 5], counts: vec![5, 15] },
            Segmentation::Polygons(polygons),
        ] {
            assert_eq!(from_bytes(&to_bytes(&segmentation)).unwrap(), segmentation);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(from_bytes(&[7; 9]).is_err() && from_bytes(&[]).is_err() && from_bytes(&[2; 12]).is_err());
    }
}
