// SPDX-License-Identifier: BSD-2-Clause
//! LIRS (Jiang and Zhang, SIGMETRICS 2002): a hundredth of memory for pages of long distance between uses, twice memory remembered.

use super::list::Lists;
use crate::exact::Cache;

const STACK: usize = 0;
const QUEUE: usize = 0;
const REMEMBERED: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Out,
    Lir,
    Hir,
}

#[derive(Debug)]
pub struct Lirs {
    /// The stack S, by recency.
    stack: Lists<1>,
    /// Resident HIR pages in Q; pages in S that are gone, in order of leaving.
    queue: Lists<2>,
    state: Vec<State>,
    lir: u32,
    hir_size: u32,
    size: u32,
}

impl Lirs {
    pub fn new(size: u32, unique: u32) -> Self {
        let hir_size = (size / 100).max(1).min(size);
        Self {
            stack: Lists::new(unique),
            queue: Lists::new(unique),
            state: vec![State::Out; unique as usize],
            lir: 0,
            hir_size,
            size,
        }
    }

    /// Takes pages that are not LIR off the bottom of the stack.
    fn prune(&mut self) {
        while let Some(page) = self.stack.oldest(STACK) {
            match self.state[page as usize] {
                State::Lir => return,
                State::Hir => {}
                State::Out => self.queue.remove(page),
            }
            self.stack.remove(page);
        }
    }

    /// The LIR page at the bottom becomes HIR.
    fn demote_bottom(&mut self) {
        if let Some(page) = self.stack.oldest(STACK) {
            self.stack.remove(page);
            self.state[page as usize] = State::Hir;
            self.queue.push(page, QUEUE);
            self.lir -= 1;
            self.prune();
        }
    }

    fn promote(&mut self, page: u32) {
        self.state[page as usize] = State::Lir;
        self.queue.remove(page);
        self.stack.push(page, STACK);
        self.lir += 1;
        if self.lir > self.size - self.hir_size {
            self.demote_bottom();
        }
    }
}

impl Cache for Lirs {
    fn has(&self, page: u32) -> bool {
        self.state[page as usize] != State::Out
    }

    fn hit(&mut self, page: u32, _number: usize) {
        if self.state[page as usize] == State::Lir {
            self.stack.push(page, STACK);
            self.prune();
        } else if self.stack.is_on(page, STACK) {
            self.promote(page);
        } else {
            self.stack.push(page, STACK);
            self.queue.push(page, QUEUE);
        }
    }

    fn miss(&mut self, page: u32, _number: usize, gone: &mut dyn FnMut(u32)) {
        if self.lir + self.queue.len(QUEUE) >= self.size {
            let victim = match self.queue.pop(QUEUE) {
                Some(victim) => Some(victim),
                None => {
                    self.demote_bottom();
                    self.queue.pop(QUEUE)
                }
            };
            if let Some(victim) = victim {
                self.state[victim as usize] = State::Out;
                if self.stack.is_on(victim, STACK) {
                    self.queue.push(victim, REMEMBERED);
                    if self.queue.len(REMEMBERED) > 2 * self.size
                        && let Some(oldest) = self.queue.pop(REMEMBERED)
                    {
                        self.stack.remove(oldest);
                    }
                }
                gone(victim);
            }
        }
        let known = self.stack.is_on(page, STACK);
        self.queue.remove(page);
        if known || self.lir < self.size - self.hir_size {
            self.promote(page);
        } else {
            self.state[page as usize] = State::Hir;
            self.stack.push(page, STACK);
            self.queue.push(page, QUEUE);
        }
    }
}
