// SPDX-License-Identifier: BSD-2-Clause
//! Room for compressed pages: spans, each cut into objects of one size when it is taken for that size, and given back when its last object goes.
//!
//! Spans of a size that have free objects are in a list, so that taking and freeing an object cost a few steps. All of this is made anew from the entries by each instance.

use crate::chunk::SPAN_BYTES;
use alloc::vec::Vec;

/// Objects in a span, by size.
const COUNTS: [u16; 21] = [256, 128, 85, 64, 48, 39, 32, 28, 24, 21, 18, 16, 14, 12, 11, 10, 9, 8, 7, 6, 5];
/// No span.
const NONE: u32 = u32::MAX;

/// Bytes of the objects of a size.
pub const fn bytes_of(class: usize) -> usize {
    SPAN_BYTES / COUNTS[class] as usize / 8 * 8
}

/// The smallest size for so many bytes; `None`: too many.
pub fn class_of(bytes: usize) -> Option<usize> {
    (0..COUNTS.len()).position(|class| bytes_of(class) >= bytes)
}

/// A span.
#[derive(Clone, Debug)]
struct Span {
    class: u8,
    used: u16,
    before: u32,
    after: u32,
    taken: [u64; 4],
}

/// Bytes of what is known of one span.
pub const BYTES: u64 = size_of::<Span>() as u64;

/// The spans.
#[derive(Debug)]
pub struct Spans {
    spans: Vec<Span>,
    /// Spans of each size that have free objects.
    partial: [u32; COUNTS.len()],
    /// Spans that are of no size.
    empty: u32,
    nr_empty: u32,
    /// Bytes of the objects in use.
    used: u64,
}

impl Spans {
    /// None yet, with room for so many; `None`: no memory.
    pub fn new(most: u32) -> Option<Spans> {
        let mut spans = Vec::new();
        spans.try_reserve_exact(most as usize).ok()?;
        Some(Spans { spans, partial: [NONE; COUNTS.len()], empty: NONE, nr_empty: 0, used: 0 })
    }

    /// So many more, all empty.
    pub fn add(&mut self, count: u32) {
        for _ in 0..count {
            if self.spans.len() == self.spans.capacity() {
                return;
            }
            let number = self.spans.len() as u32;
            self.spans.push(Span { class: 0, used: 0, before: NONE, after: NONE, taken: [0; 4] });
            self.link_empty(number);
        }
    }

    /// Bytes of all spans, and of the objects in use.
    pub fn bytes(&self) -> (u64, u64) {
        (self.spans.len() as u64 * SPAN_BYTES as u64, self.used)
    }

    /// Takes an object for so many bytes: span and number. `None`: there is no room for that size.
    pub fn take(&mut self, bytes: usize) -> Option<(u32, u8)> {
        let class = class_of(bytes)?;
        let number = match self.partial[class] {
            NONE => self.begin(class)?,
            number => number,
        };
        let span = self.spans.get(number as usize)?;
        let free = |word: usize| span.taken[word].trailing_ones() as usize;
        let object = (0..4).find(|w| free(*w) < 64).map(|w| 64 * w + free(w))?;
        self.set(number, object as u8);
        Some((number, object as u8))
    }

    /// Takes this object, of a size for so many bytes: for what is found there already. `false`: it cannot be.
    pub fn take_this(&mut self, number: u32, object: u8, bytes: usize) -> bool {
        let (Some(class), Some(span)) = (class_of(bytes), self.spans.get(number as usize)) else {
            return false;
        };
        if object as u16 >= COUNTS[class]
            || (span.used > 0 && span.class as usize != class)
            || span.has(object)
        {
            return false;
        }
        if span.used == 0 {
            self.unlink_empty(number);
            self.give_size(number, class);
        }
        self.set(number, object);
        true
    }

    /// Gives an object back. `false`: it was not taken.
    pub fn free(&mut self, number: u32, object: u8) -> bool {
        let Some(span) = self.spans.get_mut(number as usize).filter(|s| s.has(object)) else { return false };
        let class = span.class as usize;
        let was_full = span.used == COUNTS[class];
        span.taken[object as usize / 64] &= !(1 << (object % 64));
        span.used -= 1;
        let empty = span.used == 0;
        self.used -= bytes_of(class) as u64;
        if empty {
            if !was_full {
                self.unlink(number, class);
            }
            self.link_empty(number);
        } else if was_full {
            self.link(number, class);
        }
        true
    }

    /// First word of an object in its span, and how many words it has.
    pub fn place(&self, number: u32, object: u8) -> Option<(usize, usize)> {
        let span = self.spans.get(number as usize).filter(|s| s.has(object))?;
        let words = bytes_of(span.class as usize) / 8;
        Some((object as usize * words, words))
    }

    /// Checks the books; returns objects in use and the number of inconsistencies.
    pub fn audit(&self) -> (u64, u64) {
        let (mut objects, mut used, mut wrong, mut empty) = (0, 0, 0, 0);
        for span in &self.spans {
            let count: u32 = span.taken.iter().map(|w| w.count_ones()).sum();
            wrong += (count != span.used as u32) as u64;
            empty += (count == 0) as u32;
            objects += count as u64;
            used += count as u64 * bytes_of(span.class as usize) as u64;
        }
        wrong += (used != self.used) as u64 + (empty != self.nr_empty) as u64;
        (objects, wrong)
    }

    fn begin(&mut self, class: usize) -> Option<u32> {
        let number = self.empty;
        self.spans.get(number as usize)?;
        self.unlink_empty(number);
        self.give_size(number, class);
        Some(number)
    }

    fn give_size(&mut self, number: u32, class: usize) {
        if let Some(span) = self.spans.get_mut(number as usize) {
            span.class = class as u8;
        }
        self.link(number, class);
    }

    fn set(&mut self, number: u32, object: u8) {
        let Some(span) = self.spans.get_mut(number as usize) else { return };
        let class = span.class as usize;
        span.taken[object as usize / 64] |= 1 << (object % 64);
        span.used += 1;
        self.used += bytes_of(class) as u64;
        if span.used == COUNTS[class] {
            self.unlink(number, class);
        }
    }

    fn link(&mut self, number: u32, class: usize) {
        let head = core::mem::replace(&mut self.partial[class], number);
        self.link_before(number, head);
    }

    fn link_empty(&mut self, number: u32) {
        let head = core::mem::replace(&mut self.empty, number);
        self.link_before(number, head);
        self.nr_empty += 1;
    }

    fn link_before(&mut self, number: u32, head: u32) {
        if let Some(span) = self.spans.get_mut(number as usize) {
            (span.before, span.after) = (NONE, head);
        }
        if let Some(next) = self.spans.get_mut(head as usize) {
            next.before = number;
        }
    }

    fn unlink(&mut self, number: u32, class: usize) {
        if self.partial[class] == number {
            self.partial[class] = self.spans.get(number as usize).map_or(NONE, |s| s.after);
        }
        self.unlink_from(number);
    }

    fn unlink_empty(&mut self, number: u32) {
        if self.empty == number {
            self.empty = self.spans.get(number as usize).map_or(NONE, |s| s.after);
        }
        self.unlink_from(number);
        self.nr_empty -= 1;
    }

    fn unlink_from(&mut self, number: u32) {
        let Some(span) = self.spans.get(number as usize) else { return };
        let (before, after) = (span.before, span.after);
        if let Some(span) = self.spans.get_mut(before as usize) {
            span.after = after;
        }
        if let Some(span) = self.spans.get_mut(after as usize) {
            span.before = before;
        }
    }
}

impl Span {
    fn has(&self, object: u8) -> bool {
        self.taken[object as usize / 64] & 1 << (object % 64) != 0
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    #[test]
    fn sizes_rise_and_reach_what_is_needed() {
        assert!((1..COUNTS.len()).all(|c| bytes_of(c) > bytes_of(c - 1)));
        assert!(bytes_of(COUNTS.len() - 1) >= crate::compress::MOST);
        assert_eq!((class_of(1), class_of(64), class_of(65)), (Some(0), Some(0), Some(1)));
        // Little is lost at any size.
        for bytes in 200..=crate::compress::MOST {
            let class = class_of(bytes).unwrap();
            assert!(bytes_of(class) * 100 <= bytes * 135, "{bytes}");
        }
    }

    /// Takes and frees as the steps say; objects are disjoint, and the books right, after each.
    fn play(spans: &mut Spans, model: &mut HashMap<(u32, u8), usize>, steps: &[(u8, usize, u16)]) {
        for (op, bytes, pick) in steps {
            if *op > 0 {
                match spans.take(*bytes) {
                    Some(found) => assert_eq!(model.insert(found, *bytes), None),
                    None => assert!(spans.nr_empty == 0),
                }
            } else if !model.is_empty() {
                let mut keys: Vec<_> = model.keys().copied().collect();
                keys.sort();
                let (span, object) = keys[*pick as usize % keys.len()];
                model.remove(&(span, object));
                assert!(spans.free(span, object));
                assert!(!spans.free(span, object));
            }
            assert_eq!(spans.audit(), (model.len() as u64, 0));
        }
        // Objects of one size and with different numbers do not overlap.
        for ((span, object), bytes) in model {
            let (first, words) = spans.place(*span, *object).unwrap();
            assert!(first + words <= SPAN_BYTES / 8 && words * 8 >= *bytes);
        }
    }

    type Steps = Vec<(u8, usize, u16)>;

    fn steps() -> impl Strategy<Value = Steps> {
        proptest::collection::vec((0u8..3, 1usize..3072, any::<u16>()), 1..200)
    }

    proptest! {
        /// After any history, and after what was there was found again in any order, and more of it.
        #[test]
        fn objects_equal_a_model(first in steps(), second in steps(), third in steps()) {
            let mut model = HashMap::new();
            let mut spans = Spans::new(12).unwrap();
            spans.add(6);
            play(&mut spans, &mut model, &first);
            spans.add(60);
            prop_assert_eq!(spans.spans.len(), 12);
            play(&mut spans, &mut model, &second);
            let mut again = Spans::new(12).unwrap();
            again.add(12);
            for ((span, object), bytes) in &model {
                prop_assert!(again.take_this(*span, *object, *bytes));
                prop_assert!(!again.take_this(*span, *object, *bytes));
            }
            prop_assert_eq!(again.used, spans.used);
            play(&mut again, &mut model, &third);
        }
    }
}
