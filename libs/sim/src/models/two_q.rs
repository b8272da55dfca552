// SPDX-License-Identifier: BSD-2-Clause
//! 2Q, full version (Johnson and Shasha, VLDB 1994), with the main queue in order of use: Kin a quarter, Kout half of memory.

use super::list::Lists;
use crate::exact::Cache;

const A1IN: usize = 0;
const AM: usize = 1;
const A1OUT: usize = 2;

#[derive(Debug)]
pub struct TwoQ {
    pages: Lists<3>,
    size: u32,
    kin: u32,
    kout: u32,
}

impl TwoQ {
    pub fn new(size: u32, unique: u32) -> Self {
        Self { pages: Lists::new(unique), size, kin: (size / 4).max(1), kout: (size / 2).max(1) }
    }

    fn make_room(&mut self, gone: &mut dyn FnMut(u32)) {
        if self.pages.len(A1IN) + self.pages.len(AM) < self.size {
            return;
        }
        if self.pages.len(A1IN) > self.kin || self.pages.len(AM) == 0 {
            if let Some(page) = self.pages.oldest(A1IN) {
                self.pages.push(page, A1OUT);
                gone(page);
            }
            if self.pages.len(A1OUT) > self.kout {
                self.pages.pop(A1OUT);
            }
        } else {
            self.pages.pop(AM).into_iter().for_each(gone);
        }
    }
}

impl Cache for TwoQ {
    fn has(&self, page: u32) -> bool {
        matches!(self.pages.list(page), Some(A1IN | AM))
    }

    fn hit(&mut self, page: u32, _number: usize) {
        if self.pages.is_on(page, AM) {
            self.pages.push(page, AM);
        }
    }

    fn miss(&mut self, page: u32, _number: usize, gone: &mut dyn FnMut(u32)) {
        let known = self.pages.is_on(page, A1OUT);
        self.pages.remove(page);
        self.make_room(gone);
        self.pages.push(page, if known { AM } else { A1IN });
    }
}
