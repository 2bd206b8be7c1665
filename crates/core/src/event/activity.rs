//! How much a source has sent lately, in a few hundred bytes however much it was.

use crate::{Minute, Timestamp};

/// Minutes that are told apart: an hour.
const MINUTES: u32 = 60;
/// Hours that are told apart: a day.
const HOURS: u32 = 24;
/// Minutes whose mean is the rate: enough to be steady, few enough to follow.
const RATE_MINUTES: u32 = 5;
/// The length of its binary form: a moment, and a number for each minute and, twice, for each hour.
const BYTES: usize = 4 * (1 + MINUTES as usize + 2 * HOURS as usize);

/// How many events of a source were accepted in each of the last 60 minutes and 24 hours, and how many were refused in those
/// hours. Minutes and hours are those of UTC in which the events were received; the present ones are among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The number of the last minute in which anything was counted; slots are those of the time up to it.
    latest: u32,
    minutes: [u32; MINUTES as usize],
    hours: [u32; HOURS as usize],
    refused: [u32; HOURS as usize],
}

impl Activity {
    /// Of a source that has sent nothing.
    pub const fn silent() -> Self {
        Self {
            latest: 0,
            minutes: [0; MINUTES as usize],
            hours: [0; HOURS as usize],
            refused: [0; HOURS as usize],
        }
    }

    /// Counts events that were received in a minute. What is older than the time that is told apart is left out.
    pub fn hear(&mut self, minute: Minute, accepted: u64, refused: u64) {
        let number = minute.number();
        self.advance(number);
        if self.latest - number < MINUTES {
            add(&mut self.minutes[slot(number, MINUTES)], accepted);
        }
        let hour = number / MINUTES;
        if self.latest / MINUTES - hour < HOURS {
            add(&mut self.hours[slot(hour, HOURS)], accepted);
            add(&mut self.refused[slot(hour, HOURS)], refused);
        }
    }

    /// How many were accepted in the last hour.
    pub fn in_last_hour(&self, now: Timestamp) -> u64 {
        self.in_last_minutes(MINUTES, now)
    }

    /// How many were accepted in the last 24 hours.
    pub fn in_last_day(&self, now: Timestamp) -> u64 {
        self.by_hour(now).iter().sum()
    }

    /// How many were refused in the last 24 hours.
    pub fn refused_in_last_day(&self, now: Timestamp) -> u64 {
        self.told(&self.refused, now).iter().sum()
    }

    /// How many were accepted in each of the last 24 hours, the earliest first.
    pub fn by_hour(&self, now: Timestamp) -> [u64; HOURS as usize] {
        self.told(&self.hours, now)
    }

    /// How many were accepted in a minute, as the mean of the last five.
    pub fn per_minute(&self, now: Timestamp) -> f64 {
        let lately = self.in_last_minutes(RATE_MINUTES, now);
        f64::from(u32::try_from(lately).unwrap_or(u32::MAX)) / f64::from(RATE_MINUTES)
    }

    /// Its binary form: the number of the latest minute, the minutes by their number modulo 60, the hours by theirs modulo 24, and
    /// the refused events of those hours, each in four bytes, the highest first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.latest].into_iter().chain(self.minutes).chain(self.hours).chain(self.refused);
        numbers.flat_map(u32::to_be_bytes).collect()
    }

    /// Reads its binary form; nothing if it is of another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES {
            return None;
        }
        let mut numbers =
            bytes.chunks_exact(4).map(|four| <[u8; 4]>::try_from(four).map_or(0, u32::from_be_bytes));
        let mut next = || numbers.next().unwrap_or(0);
        Some(Self {
            latest: next(),
            minutes: std::array::from_fn(|_| next()),
            hours: std::array::from_fn(|_| next()),
            refused: std::array::from_fn(|_| next()),
        })
    }

    fn in_last_minutes(&self, minutes: u32, now: Timestamp) -> u64 {
        let now = Minute::of(now).number();
        (0..minutes).filter_map(|ago| now.checked_sub(ago)).map(|number| self.in_minute(number)).sum()
    }

    fn in_minute(&self, number: u32) -> u64 {
        let is_kept = number <= self.latest && self.latest - number < MINUTES;
        if is_kept { self.minutes[slot(number, MINUTES)].into() } else { 0 }
    }

    fn told(&self, counts: &[u32; HOURS as usize], now: Timestamp) -> [u64; HOURS as usize] {
        let (now, latest) = (Minute::of(now).number() / MINUTES, self.latest / MINUTES);
        let mut ago = HOURS;
        std::array::from_fn(|_| {
            ago -= 1;
            let hour = now.checked_sub(ago).filter(|hour| *hour <= latest && latest - hour < HOURS);
            hour.map_or(0, |hour| counts[slot(hour, HOURS)].into())
        })
    }

    /// Empties the slots of the time since the latest minute, for what comes in it.
    fn advance(&mut self, number: u32) {
        if number <= self.latest {
            return;
        }
        for minute in (self.latest + 1..=number).take(MINUTES as usize) {
            self.minutes[slot(minute, MINUTES)] = 0;
        }
        for hour in (self.latest / MINUTES + 1..=number / MINUTES).take(HOURS as usize) {
            self.hours[slot(hour, HOURS)] = 0;
            self.refused[slot(hour, HOURS)] = 0;
        }
        self.latest = number;
    }
}

const fn slot(number: u32, slots: u32) -> usize {
    (number % slots) as usize
}

fn add(slot: &mut u32, count: u64) {
    *slot = slot.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u32 = 29_000_000;

    fn minute(after: u32) -> Minute {
        Minute::new(FIRST + after)
    }

    /// Within that minute.
    fn at(after: u32) -> Timestamp {
        Timestamp::from_millis(i64::from(FIRST + after) * 60_000 + 59_999)
    }

    #[test]
    fn what_is_told_is_what_a_list_of_everything_would_tell() {
        // Gaps of every length, from none to more than a day, and now and then a clock that was set back.
        let gaps = [0_i64, 1, 1, 7, -3, 59, 1, 60, 61, -65, 400, 0, 1_439, 1_440, 1_441, 4_000, 2];
        let (mut activity, mut all, mut now) = (Activity::silent(), Vec::new(), 5_000_i64);
        for (place, gap) in gaps.into_iter().cycle().take(200).enumerate() {
            now = (now + gap).max(0);
            let after = u32::try_from(now).unwrap();
            let count = place as u64 % 5;
            activity.hear(minute(after), count, count + 1);
            all.push((i64::from(FIRST) + now, count));
            let latest = all.iter().map(|(minute, _)| *minute).max().unwrap();
            let present = at(u32::try_from(latest - i64::from(FIRST)).unwrap());
            let hour = |minute: i64| minute / 60;
            let within_hour = all.iter().filter(|(minute, _)| latest - minute < 60);
            // What came with a clock set back beyond what is kept was left out when it came, and so it is here.
            assert_eq!(activity.in_last_hour(present), within_hour.map(|(_, count)| count).sum::<u64>());
            let within_day: Vec<_> =
                all.iter().filter(|(minute, _)| hour(latest) - hour(*minute) < 24).collect();
            let accepted = within_day.iter().map(|(_, count)| count).sum::<u64>();
            assert_eq!(activity.in_last_day(present), accepted);
            let refused = within_day.iter().map(|(_, count)| count + 1).sum::<u64>();
            assert_eq!(activity.refused_in_last_day(present), refused);
        }
    }

    #[test]
    fn hours_are_told_from_the_earliest_and_minutes_pass() {
        let mut activity = Activity::silent();
        activity.hear(minute(0), 10, 0);
        assert_eq!((activity.in_last_hour(at(59)), activity.in_last_hour(at(60))), (10, 0));
        activity.hear(minute(60), 5, 2);
        let hours = activity.by_hour(at(60));
        assert_eq!((hours[22], hours[23], hours.iter().sum::<u64>()), (10, 5, 15));
        assert_eq!((activity.in_last_hour(at(119)), activity.in_last_hour(at(120))), (5, 0));
        assert_eq!((activity.per_minute(at(64)), activity.per_minute(at(65))), (1.0, 0.0));
        assert_eq!((activity.in_last_day(at(25 * 60)), activity.refused_in_last_day(at(25 * 60))), (0, 0));
    }

    #[test]
    fn its_binary_form_is_read_again_and_no_other() {
        let mut activity = Activity::silent();
        activity.hear(minute(7), 3, 4);
        activity.hear(minute(9), u64::MAX, 1);
        let bytes = activity.to_bytes();
        assert_eq!(Activity::from_bytes(&bytes), Some(activity));
        assert_eq!((Activity::from_bytes(&bytes[1..]), Activity::from_bytes(&[])), (None, None));
    }
}
