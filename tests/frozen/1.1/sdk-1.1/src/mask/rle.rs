//! COCO's compressed counts: from the third run on the difference to the run two before, in groups of five bits, each as an ASCII character from 48.

use crate::{Error, Result};

pub(super) fn encode(runs: &[u32]) -> String {
    let mut text = String::with_capacity(runs.len() * 2);
    for (index, run) in runs.iter().enumerate() {
        let mut rest = i64::from(*run) - if index > 2 { i64::from(runs[index - 2]) } else { 0 };
        loop {
            let group = (rest & 0x1f) as u8;
            rest >>= 5;
            let more = if group & 0x10 != 0 { rest != -1 } else { rest != 0 };
            text.push((group + if more { 0x20 } else { 0 } + 48) as char);
            if !more {
                break;
            }
        }
    }
    text
}

pub(super) fn decode(counts: &str) -> Result<Vec<u32>> {
    let bad = |what: &str| Error::invalid(format!("not a compressed COCO mask: {what}"));
    let mut runs: Vec<u32> = Vec::new();
    let mut bytes = counts.bytes();
    while let Some(mut byte) = bytes.next() {
        let mut value: i64 = 0;
        let mut shift = 0;
        loop {
            let code = byte.checked_sub(48).filter(|code| *code < 64).ok_or_else(|| bad("a character outside the code"))?;
            if shift > 35 {
                return Err(bad("a number too large"));
            }
            value |= i64::from(code & 0x1f) << shift;
            shift += 5;
            if code & 0x20 == 0 {
                if code & 0x10 != 0 {
                    value |= -1 << shift;
                }
                break;
            }
            byte = bytes.next().ok_or_else(|| bad("it ends inside a number"))?;
        }
        if runs.len() > 2 {
            value += i64::from(runs[runs.len() - 2]);
        }
        runs.push(u32::try_from(value).map_err(|_| bad("a negative run"))?);
    }
    Ok(runs)
}
