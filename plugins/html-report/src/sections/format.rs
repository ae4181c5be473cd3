//! Numbers as people read them.

/// A count with thin spaces between groups of three digits, from 10,000 on.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A share of a whole in [0, 1]; 0 of nothing.
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value == 0.0 || value >= 99.95 { format!("{value:.0}%") } else { format!("{value:.1}%") }
}

/// Seconds as a duration.
pub fn duration(seconds: f64) -> String {
    let whole = if seconds.is_finite() { seconds.max(0.0).round() as u64 } else { 0 };
    match whole {
        0 if seconds > 0.0 => "&lt; 1 s".into(),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A number with a fixed count of decimals; a dash where there is none.
pub fn decimals(value: f64, places: usize) -> String {
    if value.is_finite() { format!("{value:.places$}") } else { "–".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(999), count(1234), count(1_281_167)], ["999", "1234", "1\u{202f}281\u{202f}167"]);
        assert_eq!([percent(0.0), percent(1.0), percent(0.2051), percent(share(1, 0))], ["0%", "100%", "20.5%", "0%"]);
        assert_eq!([duration(0.2), duration(59.6), duration(192.0), duration(7260.0)], ["&lt; 1 s", "1 min 0 s", "3 min 12 s", "2 h 1 min"]);
        assert_eq!([duration(f64::NAN), decimals(f64::NAN, 2)], ["0 s", "–"]);
    }
}
