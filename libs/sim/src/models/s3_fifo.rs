// SPDX-License-Identifier: BSD-2-Clause
//! S3-FIFO (Yang et al., SOSP 2023): small queue a tenth, as many remembered as the main queue is long, two uses to pass.

use super::list::Lists;
use crate::exact::Cache;

const SMALL: usize = 0;
const MAIN: usize = 1;
const GHOST: usize = 2;

#[derive(Debug)]
pub struct S3Fifo {
    pages: Lists<3>,
    uses: Vec<u8>,
    size: u32,
    small: u32,
}

impl S3Fifo {
    pub fn new(size: u32, unique: u32) -> Self {
        Self { pages: Lists::new(unique), uses: vec![0; unique as usize], size, small: (size / 10).max(1) }
    }

    fn make_room(&mut self, gone: &mut dyn FnMut(u32)) {
        while self.pages.len(SMALL) + self.pages.len(MAIN) >= self.size {
            if self.pages.len(SMALL) >= self.small || self.pages.len(MAIN) == 0 {
                let Some(page) = self.pages.oldest(SMALL) else { return };
                if self.uses[page as usize] > 1 {
                    self.uses[page as usize] = 0;
                    self.pages.push(page, MAIN);
                } else {
                    self.pages.push(page, GHOST);
                    gone(page);
                    if self.pages.len(GHOST) > self.size - self.small {
                        self.pages.pop(GHOST);
                    }
                }
            } else {
                let Some(page) = self.pages.oldest(MAIN) else { return };
                if self.uses[page as usize] > 0 {
                    self.uses[page as usize] -= 1;
                    self.pages.push(page, MAIN);
                } else {
                    self.pages.remove(page);
                    gone(page);
                }
            }
        }
    }
}

impl Cache for S3Fifo {
    fn has(&self, page: u32) -> bool {
        matches!(self.pages.list(page), Some(SMALL | MAIN))
    }

    fn hit(&mut self, page: u32, _number: usize) {
        let uses = &mut self.uses[page as usize];
        *uses = (*uses + 1).min(3);
    }

    fn miss(&mut self, page: u32, _number: usize, gone: &mut dyn FnMut(u32)) {
        let known = self.pages.is_on(page, GHOST);
        self.pages.remove(page);
        self.make_room(gone);
        self.uses[page as usize] = 0;
        self.pages.push(page, if known { MAIN } else { SMALL });
    }
}
