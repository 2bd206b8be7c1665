//! Requests that wait to be written: bounded, and added to without waiting.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::{LogBreak, LoggedRequest, Minute, MissingRequests, TenantId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::heard::{Heard, Texts};

/// Independent parts, each of some tenants: whoever fills one with requests leaves room for those in the others.
const PARTS: usize = 16;
/// Most requests that wait in a part, and most of nobody's, so that a flood without a good key takes no other's room.
const MOST_IN_PART: usize = 4_096;
/// Most requests that wait: some 30 megabytes, 100 when all paths and user agents are as long as they may be; and as much again that
/// is being written.
pub const REQUESTS_WAITING: usize = (PARTS + 1) * MOST_IN_PART;
/// Most tenants and minutes of a part of which it is noted that requests are missing, between two writes. It is seldom more than
/// one minute.
const MOST_NOTED: usize = 1_024;
const MINUTE: Duration = Duration::from_secs(60);

/// Whose requests are of which it is known only which application was named. The writer finds the tenant, or forgets them.
pub(super) const NOBODY: TenantId = TenantId::from_u128(0);

/// Requests that wait to be written.
pub(super) struct Buffer {
    parts: [Mutex<Part>; PARTS + 1],
    half_full: Notify,
    missing: AtomicU64,
}

#[derive(Default)]
struct Part {
    heard: Heard,
    /// Room that was used before.
    spare: Heard,
    /// How many found no room.
    missing: HashMap<(TenantId, Minute), u64>,
    /// The first and the last minute of others that found no room, and no note.
    untold: Option<(Minute, Minute)>,
}

/// What waited in a part.
pub(super) struct Taken {
    part: usize,
    heard: Heard,
}

impl Taken {
    /// How many are not taken out yet.
    pub(super) fn len(&self) -> usize {
        self.heard.len()
    }

    /// Takes out the first, in the order in which they came.
    pub(super) fn next(&mut self) -> Option<LoggedRequest> {
        self.heard.next()
    }
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::default()),
            half_full: Notify::new(),
            missing: AtomicU64::new(0),
        }
    }

    /// Adds one, or notes that there was no room for it.
    pub(super) fn add(&self, row: LoggedRequest, texts: Texts<'_>) {
        let tenant_id = row.tenant_id;
        let mut part = self.part_of(tenant_id).lock();
        if part.heard.len() >= MOST_IN_PART {
            self.missing.fetch_add(1, Ordering::Relaxed);
            return part.lose(tenant_id, Minute::of(row.at()), 1);
        }
        part.heard.add(row, texts);
        // What is nobody's is worth no hurry: anybody can send it.
        if part.heard.len() == MOST_IN_PART / 2 && tenant_id != NOBODY {
            self.half_full.notify_one();
        }
    }

    /// Takes all that wait.
    pub(super) fn take(&self) -> impl Iterator<Item = Taken> {
        self.parts.iter().enumerate().filter_map(|(place, part)| {
            let mut part = part.lock();
            if part.heard.len() == 0 {
                return None;
            }
            let room = std::mem::take(&mut part.spare);
            Some(Taken { part: place, heard: std::mem::replace(&mut part.heard, room) })
        })
    }

    /// Takes back the room of what was taken out.
    pub(super) fn give_back(&self, taken: Taken) {
        let room = taken.heard.emptied();
        // What was there is let go of when the lock is, too.
        let _before = std::mem::replace(&mut self.parts[taken.part].lock().spare, room);
    }

    /// Takes what is noted of those that found no room.
    pub(super) fn take_missing(&self) -> Vec<MissingRequests> {
        let noted = self.parts.iter().flat_map(|part| std::mem::take(&mut part.lock().missing));
        noted.map(|((tenant_id, minute), count)| MissingRequests { tenant_id, minute, count }).collect()
    }

    /// Notes once more what could not be told.
    pub(super) fn note_again(&self, missing: Vec<MissingRequests>) {
        for MissingRequests { tenant_id, minute, count } in missing {
            self.part_of(tenant_id).lock().lose(tenant_id, minute, count);
        }
    }

    /// Takes the span of time in which others found neither room nor a note.
    pub(super) fn take_untold(&self) -> Option<LogBreak> {
        let untold = self.parts.iter().filter_map(|part| part.lock().untold.take());
        let (first, last) = untold.reduce(|(first, last), (one, other)| (first.min(one), last.max(other)))?;
        Some(LogBreak { since: first.starts_at(), until: last.starts_at().plus(MINUTE) })
    }

    /// Notes once more that nothing is known of a span.
    pub(super) fn note_untold(&self, span: LogBreak) {
        let last = Minute::of(span.until.minus(Duration::from_millis(1)));
        let mut part = self.parts[PARTS].lock();
        [Minute::of(span.since), last].into_iter().for_each(|minute| part.widen(minute));
    }

    /// Notes that these will never be written.
    pub(super) fn give_up(&self, rows: &[LoggedRequest]) {
        for row in rows {
            self.missing.fetch_add(1, Ordering::Relaxed);
            self.part_of(row.tenant_id).lock().lose(row.tenant_id, Minute::of(row.at()), 1);
        }
    }

    /// Ends when half of the room of a part is taken.
    pub(super) async fn filling(&self) {
        self.half_full.notified().await;
    }

    /// How many wait now.
    pub(super) fn waiting(&self) -> usize {
        self.parts.iter().map(|part| part.lock().heard.len()).sum()
    }

    /// How many were not written since the start.
    pub(super) fn missing(&self) -> u64 {
        self.missing.load(Ordering::Relaxed)
    }

    fn part_of(&self, tenant_id: TenantId) -> &Mutex<Part> {
        let [first, ..] = tenant_id.as_u128().to_le_bytes();
        &self.parts[if tenant_id == NOBODY { PARTS } else { usize::from(first) % PARTS }]
    }
}

impl Part {
    fn lose(&mut self, tenant_id: TenantId, minute: Minute, count: u64) {
        if tenant_id == NOBODY {
            return;
        }
        let room = self.missing.len() < MOST_NOTED;
        match self.missing.get_mut(&(tenant_id, minute)) {
            Some(known) => *known += count,
            None if room => drop(self.missing.insert((tenant_id, minute), count)),
            None => self.widen(minute),
        }
    }

    fn widen(&mut self, minute: Minute) {
        let (first, last) = self.untold.unwrap_or((minute, minute));
        self.untold = Some((first.min(minute), last.max(minute)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystile_core::{LogFace, LogId, Timestamp};

    fn tenant(number: u128) -> TenantId {
        TenantId::from_u128(number)
    }

    fn row(tenant_id: TenantId, millis: i64) -> LoggedRequest {
        let id = LogId::from_parts(Timestamp::from_millis(millis), 1);
        LoggedRequest::new(id, tenant_id, LogFace::Authz, "allowed".into())
    }

    fn add(buffer: &Buffer, row: LoggedRequest) {
        buffer.add(row, Texts::default());
    }

    /// Takes all out, as the writer does.
    fn taken(buffer: &Buffer) -> Vec<LoggedRequest> {
        let mut rows = Vec::new();
        for mut taken in buffer.take() {
            rows.extend(std::iter::from_fn(|| taken.next()));
            buffer.give_back(taken);
        }
        rows
    }

    #[test]
    fn what_finds_no_room_is_noted_by_tenant_and_minute() {
        let buffer = Buffer::new();
        for _ in 0..MOST_IN_PART {
            add(&buffer, row(tenant(1), 0));
        }
        for millis in [1, 59_999, 60_000] {
            add(&buffer, row(tenant(1), millis));
        }
        let mut missing = buffer.take_missing();
        missing.sort_unstable_by_key(|missing| missing.minute);
        let told: Vec<_> =
            missing.iter().map(|one| (one.tenant_id, one.minute.number(), one.count)).collect();
        assert_eq!(told, [(tenant(1), 0, 2), (tenant(1), 1, 1)]);
        buffer.note_again(missing);
        assert_eq!((buffer.take_missing().len(), buffer.take_missing().len(), buffer.missing()), (2, 0, 3));
        assert_eq!(
            (buffer.waiting(), taken(&buffer).len(), buffer.waiting()),
            (MOST_IN_PART, MOST_IN_PART, 0)
        );
        add(&buffer, row(tenant(1), 60_000));
        assert_eq!(taken(&buffer).len(), 1, "there is room again");
    }

    #[test]
    fn a_flood_of_one_tenant_or_of_nobody_leaves_room_for_others() {
        let buffer = Buffer::new();
        for _ in 0..2 * MOST_IN_PART {
            add(&buffer, row(tenant(1), 0));
            add(&buffer, row(NOBODY, 0));
        }
        add(&buffer, row(tenant(2), 0));
        let rows = taken(&buffer);
        assert_eq!(rows.len(), 2 * MOST_IN_PART + 1);
        assert!(rows.iter().any(|row| row.tenant_id == tenant(2)));
        let missing = buffer.take_missing();
        assert_eq!(missing.len(), 1, "nobody is told of what was nobody's");
    }

    #[test]
    fn what_finds_no_note_either_is_a_span_of_which_nothing_is_known() {
        let buffer = Buffer::new();
        let lose = |minute: i64| buffer.give_up(&[row(tenant(1), minute * 60_000)]);
        (0..MOST_NOTED as i64).for_each(lose);
        assert_eq!(buffer.take_untold(), None);
        let minute = |number: i64| Timestamp::from_millis(number * 60_000);
        let span = LogBreak { since: minute(2_000), until: minute(2_004) };
        [2_001, 2_003, 2_000].into_iter().for_each(lose);
        assert_eq!(buffer.take_untold(), Some(span));
        buffer.note_untold(span);
        assert_eq!((buffer.take_untold(), buffer.take_untold()), (Some(span), None));
        assert_eq!(buffer.take_missing().len(), MOST_NOTED);
    }

    #[tokio::test]
    async fn the_writer_is_woken_when_a_part_is_half_full() {
        let buffer = Buffer::new();
        for _ in 0..MOST_IN_PART / 2 {
            add(&buffer, row(tenant(1), 0));
        }
        buffer.filling().await;
    }
}
