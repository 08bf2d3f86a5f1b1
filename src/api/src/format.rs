//! Numbers as people read them; the same for the page and for `genims top`. What is unknown is a dash.

pub const UNKNOWN: &str = "–";

/// In groups of three: `12 345 678`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// Records a second: one decimal below ten.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 0.0 {
        UNKNOWN.to_owned()
    } else if per_second > 0.0 && per_second < 10.0 {
        format!("{per_second:.1}")
    } else {
        count(per_second.round() as u64)
    }
}

/// Binary units.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1_024 {
        return format!("{number} B");
    }
    let (mut value, mut unit) = (number as f64 / 1_024.0, 0);
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1_024.0, unit + 1);
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Two units at most: `850 ms`, `4.2 s`, `3 min 20 s`, `5 h 12 min`, `12 d 3 h`.
pub fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return UNKNOWN.to_owned();
    }
    if seconds < 1.0 {
        return format!("{:.0} ms", seconds * 1_000.0);
    }
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// A latency in milliseconds.
pub fn latency(ms: f64) -> String {
    if !ms.is_finite() || ms < 0.0 {
        UNKNOWN.to_owned()
    } else if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1_000.0 {
        format!("{ms:.0} ms")
    } else {
        span(ms / 1_000.0)
    }
}

/// A share of one.
pub fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.1 { format!("{:.1} %", share * 100.0) } else { format!("{:.0} %", share * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_units_chosen() {
        let plain = |text: String| text.replace('\u{a0}', " ");
        assert_eq!([0, 999, 1_000, 12_345_678].map(|n| plain(count(n))), ["0", "999", "1 000", "12 345 678"]);
        assert_eq!([0.0, 0.25, 9.94, 10.4, 98_765.4].map(|n| plain(rate(n))), ["0", "0.2", "9.9", "10", "98 765"]);
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(rate), [UNKNOWN; 3]);
        assert_eq!([0, 1_023, 1_536, 8 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "8.0 GiB"]);
        assert!(bytes(u64::MAX).ends_with(" PiB"));
        let seconds = [0.0, 0.85, 4.23, 59.4, 200.0, 18_720.0, 1_047_600.0];
        assert_eq!(seconds.map(span), ["0 ms", "850 ms", "4.2 s", "59 s", "3 min 20 s", "5 h 12 min", "12 d 3 h"]);
        assert_eq!([0.25, 12.4, 1_500.0, f64::NAN].map(latency), ["0.2 ms", "12 ms", "1.5 s", UNKNOWN]);
        assert_eq!([0.0, 0.004, 0.5, 1.0].map(percent), ["0 %", "0.4 %", "50 %", "100 %"]);
    }
}
