// SPDX-License-Identifier: BSD-2-Clause
//! Least recently used, exactly.

use super::list::Lists;
use crate::exact::Cache;

#[derive(Debug)]
pub struct Lru {
    pages: Lists<1>,
    size: u32,
}

impl Lru {
    pub fn new(size: u32, unique: u32) -> Self {
        Self { pages: Lists::new(unique), size }
    }
}

impl Cache for Lru {
    fn has(&self, page: u32) -> bool {
        self.pages.is_on(page, 0)
    }

    fn hit(&mut self, page: u32, _number: usize) {
        self.pages.push(page, 0);
    }

    fn miss(&mut self, page: u32, _number: usize, gone: &mut dyn FnMut(u32)) {
        if self.pages.len(0) >= self.size {
            self.pages.pop(0).into_iter().for_each(gone);
        }
        self.pages.push(page, 0);
    }
}
