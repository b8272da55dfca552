// SPDX-License-Identifier: BSD-2-Clause
//! MIN (Belady, 1966): the page whose next use is farthest goes. The bound for all others.

use crate::exact::{Cache, NONE};
use crate::trace::Trace;

/// A set of positions in the trace, of which the greatest is found by a few words: a tree of bits, 64 to a word.
#[derive(Debug)]
struct Positions {
    levels: Vec<Vec<u64>>,
}

impl Positions {
    fn new(size: usize) -> Self {
        let mut levels = Vec::new();
        let mut size = size.max(1);
        loop {
            size = size.div_ceil(64);
            levels.push(vec![0; size]);
            if size == 1 {
                return Self { levels };
            }
        }
    }

    fn insert(&mut self, position: u32) {
        let mut at = position as usize;
        for level in &mut self.levels {
            level[at >> 6] |= 1 << (at & 63);
            at >>= 6;
        }
    }

    fn remove(&mut self, position: u32) {
        let mut at = position as usize;
        for level in &mut self.levels {
            level[at >> 6] &= !(1 << (at & 63));
            if level[at >> 6] != 0 {
                return;
            }
            at >>= 6;
        }
    }

    fn greatest(&self) -> Option<u32> {
        let mut at = 0;
        for level in self.levels.iter().rev() {
            let bit = level[at].checked_ilog2()?;
            at = at << 6 | bit as usize;
        }
        Some(at as u32)
    }
}

#[derive(Debug)]
pub struct Min {
    /// Next use of the page that each reference names.
    next: Vec<u32>,
    /// Next use of each page that is there.
    due: Vec<u32>,
    here: Vec<bool>,
    /// The page at each position is the trace's.
    pages: Vec<u32>,
    positions: Positions,
    /// Pages there that are used no more.
    done: Vec<u32>,
    len: u32,
    size: u32,
}

impl Min {
    pub fn new(size: u32, trace: &Trace) -> Self {
        let unique = trace.unique as usize;
        let mut next = vec![NONE; trace.pages.len()];
        let mut seen = vec![NONE; unique];
        for (number, page) in trace.pages.iter().enumerate().rev() {
            next[number] = std::mem::replace(&mut seen[*page as usize], number as u32);
        }
        Self {
            positions: Positions::new(next.len()),
            next,
            due: vec![NONE; unique],
            here: vec![false; unique],
            pages: trace.pages.clone(),
            done: Vec::new(),
            len: 0,
            size,
        }
    }

    fn enter(&mut self, page: u32, number: usize) {
        let due = self.next[number];
        self.due[page as usize] = due;
        if due == NONE {
            self.done.push(page);
        } else {
            self.positions.insert(due);
        }
    }
}

impl Cache for Min {
    fn has(&self, page: u32) -> bool {
        self.here[page as usize]
    }

    fn hit(&mut self, page: u32, number: usize) {
        let due = self.due[page as usize];
        // A restart is no other use.
        if due as usize == number {
            self.positions.remove(due);
            self.enter(page, number);
        }
    }

    fn miss(&mut self, page: u32, number: usize, gone: &mut dyn FnMut(u32)) {
        if self.len == self.size {
            let victim = self.done.pop().or_else(|| {
                let position = self.positions.greatest()?;
                self.positions.remove(position);
                Some(self.pages[position as usize])
            });
            if let Some(victim) = victim {
                self.here[victim as usize] = false;
                self.len -= 1;
                gone(victim);
            }
        }
        self.here[page as usize] = true;
        self.len += 1;
        self.enter(page, number);
    }
}
