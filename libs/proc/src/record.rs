// SPDX-License-Identifier: BSD-2-Clause
//! A record: 40 words.
//!
//! | word | what |
//! |---|---|
//! | 0 | the head: [`Kind`], status, signal that stopped it, notes, niceness, image, thread; it alone says what the others mean |
//! | 1 | number, space |
//! | 2 | parent, group |
//! | 3 | signals ignored |
//! | 4 | while it lives, how many hold it in memory; then when it ended, as a sequence number |
//! | 5 to 12 | name |
//! | 13 to 24 | limits, soft and hard in turn |
//! | 25 to 39 | why it ended |
//!
//! Strings end at their first zero byte.

use crate::words::Words;
use alloc::string::String;
use alloc::vec::Vec;

/// Words of a record.
pub const WORDS: usize = 40;
pub const HEAD: usize = 0;
pub const IDS: usize = 1;
pub const FAMILY: usize = 2;
pub const IGNORED: usize = 3;
pub const WHEN: usize = 4;
/// Marks a count of holds.
pub const HOLDS: u64 = 1 << 63;
pub const NAME: usize = 5;
pub const LIMITS: usize = 13;
pub const REASON: usize = 25;

/// Bytes of a name at most.
pub const MAX_NAME: usize = (LIMITS - NAME) * 8;
/// Bytes of a reason at most.
pub const MAX_REASON: usize = (WORDS - REASON) * 8;

/// What a record is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing.
    Free,
    /// A process that was never started yet.
    Making,
    /// One that runs.
    Running,
    /// One that a signal stopped.
    Stopped,
    /// One that has ended.
    Ended,
}

/// What the parent has not been told, and wants.
pub mod note {
    pub const STOPPED: u8 = 1;
    pub const CONTINUED: u8 = 2;
    /// The process wants to be told of its children.
    pub const WATCHES: u8 = 4;
}

/// The first word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub kind: Kind,
    pub status: u8,
    /// What stopped it.
    pub signal: u8,
    pub notes: u8,
    pub nice: i8,
    /// The boot module that was started.
    pub image: u16,
    /// Its thread in a space that another process began in; 0: the space is its own.
    pub thread: u8,
}

impl Head {
    pub const FREE: Head =
        Head { kind: Kind::Free, status: 0, signal: 0, notes: 0, nice: 0, image: 0, thread: 0 };

    pub fn pack(self) -> u64 {
        let bytes = [self.kind as u8, self.status, self.signal, self.notes, self.nice as u8];
        let low = bytes.iter().rev().fold(0, |word, byte| word << 8 | *byte as u64);
        low | (self.image as u64) << 40 | (self.thread as u64) << 56
    }

    /// `None`: nobody writes this.
    pub fn unpack(word: u64) -> Option<Head> {
        let byte = |n: u32| (word >> (8 * n)) as u8;
        let kind = match byte(0) {
            0 => Kind::Free,
            1 => Kind::Making,
            2 => Kind::Running,
            3 => Kind::Stopped,
            4 => Kind::Ended,
            _ => return None,
        };
        let (status, signal, notes, nice) = (byte(1), byte(2), byte(3), byte(4) as i8);
        Some(Head { kind, status, signal, notes, nice, image: (word >> 40) as u16, thread: byte(7) })
    }

    pub fn lives(self) -> bool {
        matches!(self.kind, Kind::Running | Kind::Stopped)
    }
}

/// Two numbers in a word.
pub fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// Writes a string, cut to so many words at a character's boundary.
pub fn put_text(words: &mut impl Words, at: usize, room: usize, text: &str) {
    let mut end = text.len().min(room * 8);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = text.as_bytes()[..end].chunks(8);
    for n in 0..room {
        let mut word = [0; 8];
        let chunk = bytes.next().unwrap_or(&[]);
        word[..chunk.len()].copy_from_slice(chunk);
        words.store(at + n, u64::from_le_bytes(word));
    }
}

/// Reads a string; what is none of UTF-8 shows as such.
pub fn get_text(words: &impl Words, at: usize, room: usize) -> String {
    let bytes: Vec<u8> =
        (0..room).flat_map(|n| words.load(at + n).to_le_bytes()).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
