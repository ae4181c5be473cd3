//! Numbers for people.

/// Floating-point operations: `1.23 PFLOP`.
pub fn operations(flops: f64) -> String {
    scaled(flops, 1e3, &["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP", "ZFLOP"])
}

/// Bytes: `1.23 GiB`.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// A length of time in its two largest units: `3 d 4 h`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut units = units.iter().peekable();
    let mut unit = units.next().copied().unwrap_or_default();
    while let Some(next) = units.peek().filter(|_| value >= step) {
        (value, unit) = (value / step, next);
        units.next();
    }
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        assert_eq!(
            [operations(0.0), operations(1234.0), operations(2.5e15), operations(9e24)],
            ["0.00 FLOP", "1.23 kFLOP", "2.50 PFLOP", "9000 ZFLOP"]
        );
        assert_eq!([bytes(512.0), bytes(1536.0), bytes(12.5 * 1024.0 * 1024.0)], ["512 B", "1.50 KiB", "12.5 MiB"]);
        assert_eq!([duration(0.4), duration(61.0), duration(7260.0), duration(90_000.0)], ["0 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]);
    }
}
