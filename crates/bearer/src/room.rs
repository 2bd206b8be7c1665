//! Memory for bodies that are on their way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many bytes of unfinished bodies there are, and may be. Without it, many clients that send much and never end would
/// fill the memory, each within its own bound.
#[derive(Debug)]
pub struct Room {
    held: AtomicUsize,
    most: usize,
    refused: AtomicU64,
}

impl Room {
    /// Room for so many bytes.
    pub const fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most, refused: AtomicU64::new(0) }
    }

    /// Bytes of unfinished bodies now, and how many there may be.
    pub fn held_of_most(&self) -> (usize, usize) {
        (self.held.load(Ordering::Relaxed), self.most)
    }

    /// Bodies for which there was no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The part of one body, empty at first. It is given back when the value is dropped.
    pub const fn part(&self) -> Part<'_> {
        Part { room: self, bytes: 0 }
    }

    /// Keeps a part, which must be one of this room, for work that goes on by itself: it is given back when the value is dropped.
    pub fn keep(self: &Arc<Self>, mut part: Part<'_>) -> Kept {
        Kept { room: Arc::clone(self), bytes: std::mem::take(&mut part.bytes) }
    }

    fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.most {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(NoRoom)
    }
}

/// What one body takes.
#[derive(Debug)]
pub struct Part<'a> {
    room: &'a Room,
    bytes: usize,
}

impl Part<'_> {
    /// Takes so many bytes more. What did not fit is taken all the same, until the part is dropped: whoever is refused drops it.
    ///
    /// # Errors
    /// When there are too many bytes.
    pub fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.bytes += bytes;
        self.room.take(bytes)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.room.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What one body takes for as long as this lives.
#[derive(Debug)]
pub struct Kept {
    room: Arc<Room>,
    bytes: usize,
}

impl Kept {
    /// Takes so many bytes altogether, if it has fewer. What did not fit is taken all the same, until the value is dropped.
    ///
    /// # Errors
    /// When there are too many bytes.
    pub fn reach(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        self.bytes += more;
        self.room.take(more)
    }

    /// Gives back all that it takes, when its bytes are elsewhere.
    pub fn release(&mut self) {
        self.room.held.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.release();
    }
}

/// There are too many bodies at once.
#[derive(Debug, Clone, Copy)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many large requests at once; try again in a moment")
    }
}

impl std::error::Error for NoRoom {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_kept_is_given_back_once() {
        let room = Arc::new(Room::new(10));
        let mut part = room.part();
        part.grow(4).unwrap();
        let mut kept = room.keep(part);
        assert_eq!(room.held_of_most(), (4, 10));
        kept.reach(3).unwrap();
        kept.reach(9).unwrap();
        assert_eq!(room.held_of_most(), (9, 10));
        assert_eq!(room.held_of_most(), (9, 10));
        kept.release();
        assert_eq!(room.held_of_most(), (0, 10));
        assert!(kept.reach(11).is_err());
        drop(kept);
        assert_eq!(room.held_of_most(), (0, 10));
    }

    #[test]
    fn parts_fit_into_the_room_and_give_back_what_they_took() {
        let room = Room::new(10);
        let (mut first, mut second) = (room.part(), room.part());
        first.grow(4).unwrap();
        first.grow(2).unwrap();
        second.grow(4).unwrap();
        assert!(second.grow(1).is_err());
        drop(second);
        room.part().grow(4).unwrap();
        drop(first);
        assert_eq!(room.held.load(Ordering::Relaxed), 0);
        assert!(room.part().grow(11).is_err());
    }
}
