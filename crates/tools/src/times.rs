//! Points and spans of time as people write and read them: ISO 8601, as far as Kafka's tools read it, and shorter.

/// `2026-11-21T14:30:00.000`, with an offset or without, which means UTC. In milliseconds.
pub(crate) fn date_time(text: &str) -> Result<i64, String> {
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
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
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

/// A point of time as short as people write it, in milliseconds: `2026-11-21`, `2026-11-21T14:30`, with seconds, fraction
/// and zone or without; or so long ago: `90s`, `10m`, `2h`, `7d`.
pub(crate) fn point(text: &str, now_ms: i64) -> Option<i64> {
    if let Some((number, unit)) = text.split_at_checked(text.len().saturating_sub(1)) {
        let unit =
            [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)].into_iter().find(|(u, _)| *u == unit);
        if let (Some((_, size)), Ok(count)) = (unit, number.parse::<u32>()) {
            return now_ms.checked_sub(i64::from(count).checked_mul(size)?);
        }
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let zone_at = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let seconds = if clock.matches(':').count() == 1 { ":00" } else { "" };
    let fraction = if clock.contains('.') { "" } else { ".000" };
    date_time(&format!("{date}T{clock}{seconds}{fraction}{zone}")).ok()
}

/// A point of time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) millis: i64,
}

impl Civil {
    pub(crate) const fn of(millis: i64) -> Self {
        let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        // Howard Hinnant's civil calendar, backwards.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + (month <= 2) as i64,
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1_000 % 60,
            millis: rest % 1_000,
        }
    }
}

impl Civil {
    /// `2026-11-21T17:34:10.12Z[UTC]`: no zeros at the end, as Java's ISO format has it.
    pub(crate) fn iso(&self) -> String {
        let fraction = match self.millis {
            0 => String::new(),
            millis => format!(".{millis:03}").trim_end_matches('0').to_owned(),
        };
        let Self { year, month, day, hour, minute, second, .. } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z[UTC]")
    }

    /// `2026-11-21 17:34:10,120`, as logs have it.
    pub(crate) fn in_log(&self) -> String {
        let Self { year, month, day, hour, minute, second, millis } = self;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{millis:03}")
    }
}

/// `2026-11-21T14:30:00.250Z`
impl std::fmt::Display for Civil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, hour, minute, second, millis } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_time_are_written_back() {
        for (millis, written) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_271_400_250, "2026-11-21T14:30:00.250Z"),
            (1_709_184_600_000, "2024-02-29T05:30:00.000Z"),
        ] {
            assert_eq!(Civil::of(millis).to_string(), written);
            assert_eq!(point(written, 0), Some(millis));
        }
    }

    #[test]
    fn times_are_written_as_java_writes_them() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00Z[UTC]"),
            (1_709_164_800_120, "2024-02-29T00:00:00.12Z[UTC]"),
            (1_795_282_450_005, "2026-11-21T17:34:10.005Z[UTC]"),
            (-1, "1969-12-31T23:59:59.999Z[UTC]"),
        ] {
            assert_eq!(Civil::of(time).iso(), text);
        }
        assert_eq!(Civil::of(1_795_282_450_005).in_log(), "2026-11-21 17:34:10,005");
    }

    #[test]
    fn points_of_time_may_be_short() {
        let day = date_time("2026-11-21T00:00:00.000").ok();
        assert_eq!(point("2026-11-21", 0), day);
        assert_eq!(point("2026-11-21T00:00", 0), day);
        assert_eq!(point("2026-11-21 01:00:00+01:00", 0), day);
        assert_eq!(point("10m", 3_600_000), Some(3_000_000));
        assert_eq!(point("7d", 0), Some(-604_800_000));
        for wrong in ["", "m", "-3s", "yesterday", "2026-13-01", "12:30"] {
            assert_eq!(point(wrong, 0), None, "{wrong}");
        }
    }

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
