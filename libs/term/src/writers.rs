// SPDX-License-Identifier: BSD-2-Clause
//! Writes on their way to the screen, in order, except that nobody comes between the pieces of one long write.

use crate::Output;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Microseconds for which the screen is kept for a writer that has said that more comes. It is about to call again; if it was stopped or has ended,
/// the others go on after so long.
pub const KEPT_US: u64 = 1_000_000;

/// A write that waits. `C` is what it is answered by.
struct Waiting<C> {
    writer: u64,
    call: C,
    output: Output,
    more: bool,
}

/// The writes that wait, at most so many as were made room for.
pub struct Writers<C> {
    waiting: VecDeque<Waiting<C>>,
    most: usize,
    /// The one at this place is being sent.
    current: Option<usize>,
    /// Whose next piece comes first, and until when.
    kept: Option<(u64, u64)>,
}

impl<C> Writers<C> {
    /// No writes, and room for so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { waiting: VecDeque::with_capacity(most), most, current: None, kept: None }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether there is no room for one more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= self.most
    }

    /// One more. `more`: the writer's next write goes on where this ends.
    pub fn push(&mut self, writer: u64, call: C, bytes: Vec<u8>, more: bool) {
        self.waiting.push_back(Waiting { writer, call, output: Output::new(bytes), more });
    }

    /// The write whose turn it is: the one that was begun, the next piece of the writer that the screen is kept for, or the oldest. None if
    /// nothing waits, or nothing but what has to wait for that writer.
    pub fn turn(&mut self, now_us: u64) -> Option<&mut Output> {
        if self.current.is_none() {
            // Who fills all the room cannot be waited for: the next piece would find none.
            let kept = self.kept.filter(|(_, until)| now_us < *until);
            let piece = |writer| self.waiting.iter().position(|w| w.writer == writer);
            self.current = match kept {
                Some((writer, _)) => piece(writer).or_else(|| self.is_full().then_some(0)),
                None => (!self.waiting.is_empty()).then_some(0),
            };
        }
        self.waiting.get_mut(self.current?).map(|w| &mut w.output)
    }

    /// The write whose turn it was is out; what it is answered by.
    pub fn sent(&mut self, now_us: u64) -> Option<C> {
        let sent = self.waiting.remove(self.current.take()?)?;
        self.kept = sent.more.then(|| (sent.writer, now_us.saturating_add(KEPT_US)));
        Some(sent.call)
    }

    /// Until when those that wait have to, if it is not the device that they wait for.
    #[must_use]
    pub fn held_until(&self) -> Option<u64> {
        let (_, until) = self.kept.filter(|_| self.current.is_none() && !self.waiting.is_empty())?;
        Some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a device shows that takes so many bytes at a time, and who was answered.
    fn shows(writers: &mut Writers<u32>, now: u64, at_a_time: usize) -> (Vec<u8>, Vec<u32>) {
        let (mut shown, mut answered) = (Vec::new(), Vec::new());
        while let Some(output) = writers.turn(now) {
            let before = shown.len();
            shown.extend(output.take(at_a_time));
            if shown.len() - before < at_a_time {
                answered.extend(writers.sent(now));
            }
        }
        (shown, answered)
    }

    #[test]
    fn writes_come_in_order() {
        let mut writers = Writers::new(4);
        for (writer, text) in [(1, "one"), (2, "two"), (1, "three")] {
            writers.push(writer, writer as u32, text.into(), false);
        }
        assert_eq!(shows(&mut writers, 0, 2), (b"onetwothree".to_vec(), [1, 2, 1].to_vec()));
        assert!(writers.is_empty() && writers.held_until().is_none());
    }

    #[test]
    fn nobody_comes_between_the_pieces_of_a_write() {
        let mut writers = Writers::new(4);
        writers.push(1, 1, b"{\"a\":".into(), true);
        writers.push(2, 2, b"second\n".into(), false);
        assert_eq!(shows(&mut writers, 5, 3), (b"{\"a\":".to_vec(), [1].to_vec()));
        assert_eq!(writers.held_until(), Some(5 + KEPT_US));
        writers.push(1, 3, b"1,".into(), true);
        writers.push(3, 4, b"third\n".into(), false);
        assert_eq!(shows(&mut writers, 6, 16), (b"1,".to_vec(), [3].to_vec()));
        writers.push(1, 5, b"}".into(), false);
        let (shown, answered) = shows(&mut writers, 7, 16);
        assert_eq!((shown.as_slice(), answered), (b"}second\r\nthird\r\n".as_slice(), [5, 2, 4].to_vec()));
        assert_eq!(writers.held_until(), None);
    }

    #[test]
    fn a_writer_that_says_no_more_is_not_waited_for_for_ever() {
        let mut writers = Writers::new(4);
        writers.push(1, 1, b"begun".into(), true);
        writers.push(2, 2, b"\nnext".into(), false);
        assert_eq!(shows(&mut writers, 0, 16).1, [1]);
        assert_eq!(shows(&mut writers, KEPT_US - 1, 16).1, []);
        assert_eq!(shows(&mut writers, KEPT_US, 16), (b"\r\nnext".to_vec(), [2].to_vec()));
        // Nor when all places are taken by those who wait.
        writers.push(1, 1, b"begun".into(), true);
        assert_eq!(shows(&mut writers, 0, 16).1, [1]);
        for n in 2..6 {
            writers.push(n, n as u32, b"x".into(), false);
        }
        assert!(writers.is_full());
        assert_eq!(shows(&mut writers, 1, 16).1, [2, 3, 4, 5]);
    }

    #[test]
    fn what_was_begun_is_finished_first() {
        let mut writers = Writers::new(4);
        writers.push(1, 1, b"abc".into(), false);
        assert_eq!(writers.turn(0).and_then(Iterator::next), Some(b'a'));
        writers.push(2, 2, b"def".into(), true);
        assert_eq!(shows(&mut writers, 0, 16), (b"bcdef".to_vec(), [1, 2].to_vec()));
    }
}
