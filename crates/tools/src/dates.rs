//! Days and times of day as people write them, in UTC. There is no time zone here: what a machine is set to changes nothing.

/// A point in time, taken apart.
pub(crate) struct DateTime {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) millis: i64,
}

impl DateTime {
    /// Of milliseconds since 1970.
    pub(crate) fn of(time_ms: i64) -> Self {
        let (days, in_day) = (time_ms.div_euclid(86_400_000), time_ms.rem_euclid(86_400_000));
        let (year, month, day) = civil(days);
        Self {
            year,
            month,
            day,
            hour: in_day / 3_600_000,
            minute: in_day / 60_000 % 60,
            second: in_day / 1000 % 60,
            millis: in_day % 1000,
        }
    }

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

/// Year, month and day of a day counted from 1970. Years begin with March here, so that a leap day ends one.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_java_writes_them() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00Z[UTC]"),
            (1_709_164_800_120, "2024-02-29T00:00:00.12Z[UTC]"),
            (1_795_282_450_005, "2026-11-21T17:34:10.005Z[UTC]"),
            (-1, "1969-12-31T23:59:59.999Z[UTC]"),
        ] {
            assert_eq!(DateTime::of(time).iso(), text);
        }
        assert_eq!(DateTime::of(1_795_282_450_005).in_log(), "2026-11-21 17:34:10,005");
    }
}
