//! Points and spans of time as people write them: ISO 8601, as far as Kafka's tool reads it.

/// `2026-11-21T14:30:00.000`, with an offset or without, which means UTC. In milliseconds.
pub(super) fn date_time(text: &str) -> Result<i64, String> {
    if !text.contains('T') {
        return Err("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".into());
    }
    let unparseable = || {
        let is_zoned = text.split_once('T').is_some_and(|(_, time)| time.contains(['+', '-', 'Z']));
        format!("Unparseable date: \"{text}{}\"", if is_zoned { "" } else { "Z" })
    };
    parse(text).ok_or_else(unparseable)
}

fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let (time, offset_minutes) = match time.find(['+', '-', 'Z']) {
        None => (time, 0),
        Some(at) => (time.get(..at)?, zone(time.get(at..)?)?),
    };
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = time.split_once('.')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let millis: i64 = fraction.parse().ok()?;
    let is_in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second)
        && (0..1_000).contains(&millis);
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    is_in_range.then_some((minutes * 60 + second) * 1_000 + millis)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let parts: Vec<i64> = text.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// `Z`, `+01:00`, `+0100` or `+01`, in minutes.
fn zone(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.chars().skip(1).filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i64>().ok()?, 0),
        4 => (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?),
        _ => return None,
    };
    Some(sign * (hours * 60 + minutes))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Howard Hinnant's civil calendar, which begins its years in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `P1DT2H3M4.5S`, in milliseconds; days have 24 hours.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let upper = text.to_uppercase();
    let (sign, rest) = match upper.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    let mut millis = 0.0;
    let mut number = String::new();
    let mut has_unit = false;
    for (text, units) in
        [(days, &[('D', 86_400_000.0)][..]), (time, &[('H', 3_600_000.0), ('M', 60_000.0), ('S', 1_000.0)])]
    {
        for letter in text.chars() {
            match units.iter().find(|(unit, _)| *unit == letter) {
                Some((_, size)) => {
                    millis += number.parse::<f64>().ok()? * size;
                    number.clear();
                    has_unit = true;
                }
                None => number.push(letter),
            }
        }
        if !number.is_empty() {
            return None;
        }
    }
    #[allow(clippy::cast_possible_truncation, reason = "spans of time are far below 2^53 milliseconds")]
    has_unit.then_some(sign * millis as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_time_are_iso_8601() {
        assert_eq!(date_time("1970-01-01T00:00:00.000"), Ok(0));
        assert_eq!(date_time("2026-11-21T14:30:00.250Z"), Ok(1_795_271_400_250));
        assert_eq!(date_time("2026-11-21T15:30:00.250+01:00"), date_time("2026-11-21T14:30:00.250"));
        assert_eq!(date_time("2024-02-29T00:00:00.000-0530"), Ok(1_709_184_600_000));
        assert!(date_time("2026-02-29T00:00:00.000").is_err_and(|why| why.starts_with("Unparseable date")));
        assert!(date_time("2026-02-28").is_err_and(|why| why.contains("does not contain a 'T'")));
    }

    #[test]
    fn spans_of_time_are_iso_8601() {
        assert_eq!(duration_ms("PT1H30M"), Some(5_400_000));
        assert_eq!(duration_ms("P2DT1.5S"), Some(172_801_500));
        assert_eq!(duration_ms("-PT1S"), Some(-1_000));
        for wrong in ["", "P", "PT", "1H", "PT1", "P1H"] {
            assert_eq!(duration_ms(wrong), None, "{wrong}");
        }
    }
}
