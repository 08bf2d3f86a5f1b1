//! Which of two instants a local time means that the clock shows twice, told by the order of the rows.
//!
//! Enters: the moments of one sensor or machine, in the order of the file. Leaves: instants. When summer ends, a file goes
//! through the same local hour twice; where its times step back, the second time has begun. A file with the newest row
//! first is gone through the other way. Where the order tells nothing it is the first.

/// Records further apart than this, and with the same time, are hourly ones of both hours; closer ones are there twice.
const HOURLY_US: i64 = 50 * 60 * 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Series {
    last: Option<Last>,
    /// From one record to the next, where they last differed.
    step_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    /// What the clock showed, as if it were the first time.
    shown_us: i64,
    /// Of a time that comes twice: whether it was the second.
    is_second: Option<bool>,
}

impl Series {
    /// `second_us`: of a local time that comes again.
    pub fn instant(&mut self, first_us: i64, second_us: Option<i64>) -> i64 {
        let step_us = self.last.map_or(0, |last| first_us - last.shown_us);
        let direction_us = if self.step_us == 0 { step_us } else { self.step_us };
        let is_newest_first = direction_us < 0;
        let was_second = self.last.and_then(|last| last.is_second);
        let is_second = second_us.map(|_| match was_second {
            Some(was_second) => {
                let steps_back = if is_newest_first { step_us > 0 } else { step_us < 0 };
                let is_hourly = step_us == 0 && self.step_us.abs() >= HOURLY_US;
                if steps_back || is_hourly { !is_newest_first } else { was_second }
            }
            None => is_newest_first,
        });
        // From one of the two hours to the other is no step of the file's.
        let changes_hour = was_second.is_some() && is_second.is_some() && was_second != is_second;
        if step_us != 0 && !changes_hour {
            self.step_us = step_us;
        }
        self.last = Some(Last { shown_us: first_us, is_second });
        match second_us {
            Some(second_us) if is_second == Some(true) => second_us,
            _ => first_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60;

    /// Minutes as the clock shows them; those of the third hour come twice. Minutes since the beginning leave.
    fn instants(shown: &[i64]) -> Vec<i64> {
        let mut series = Series::default();
        let us = |minutes: i64| minutes * 60_000_000;
        let of = |minute: i64| match minute {
            minute if (2 * HOUR..3 * HOUR).contains(&minute) => (us(minute), Some(us(minute + HOUR))),
            minute if minute >= 3 * HOUR => (us(minute + HOUR), None),
            minute => (us(minute), None),
        };
        shown
            .iter()
            .map(|minute| of(*minute))
            .map(|(first, second)| series.instant(first, second) / 60_000_000)
            .collect()
    }

    #[test]
    fn each_of_two_equal_hours_has_its_own_instants_in_either_direction() {
        let clock = [105, 120, 135, 150, 165, 120, 135, 150, 165, 180, 195];
        let expected = [105, 120, 135, 150, 165, 180, 195, 210, 225, 240, 255];
        assert_eq!(instants(&clock), expected);
        let (mut back, mut newest_first) = (clock, expected);
        back.reverse();
        newest_first.reverse();
        assert_eq!(instants(&back), newest_first);
    }

    #[test]
    fn hourly_records_of_one_time_are_two_and_a_record_written_twice_is_one() {
        assert_eq!(instants(&[0, 60, 120, 120, 180]), [0, 60, 120, 180, 240]);
        assert_eq!(instants(&[180, 120, 120, 60]), [240, 180, 120, 60]);
        assert_eq!(instants(&[115, 120, 120, 125]), [115, 120, 120, 125]);
    }

    #[test]
    fn where_the_order_tells_nothing_it_is_the_first() {
        assert_eq!(instants(&[150]), [150]);
        assert_eq!(instants(&[100, 130, 190, 140]), [100, 130, 250, 140]);
    }
}
