// SPDX-License-Identifier: BSD-2-Clause
//! ARC (Megiddo and Modha, FAST 2003).

use super::list::Lists;
use crate::exact::Cache;

const T1: usize = 0;
const T2: usize = 1;
const B1: usize = 2;
const B2: usize = 3;

#[derive(Debug)]
pub struct Arc {
    pages: Lists<4>,
    c: u32,
    /// Pages that T1 should have.
    p: f64,
}

impl Arc {
    pub fn new(size: u32, unique: u32) -> Self {
        Self { pages: Lists::new(unique), c: size, p: 0.0 }
    }

    fn replace(&mut self, in_b2: bool, gone: &mut dyn FnMut(u32)) {
        let t1 = self.pages.len(T1);
        let over = f64::from(t1) > self.p || in_b2 && f64::from(t1) == self.p;
        let (from, to) = if t1 > 0 && over || self.pages.len(T2) == 0 { (T1, B1) } else { (T2, B2) };
        if let Some(page) = self.pages.oldest(from) {
            self.pages.push(page, to);
            gone(page);
        }
    }
}

impl Cache for Arc {
    fn has(&self, page: u32) -> bool {
        matches!(self.pages.list(page), Some(T1 | T2))
    }

    fn hit(&mut self, page: u32, _number: usize) {
        self.pages.push(page, T2);
    }

    fn miss(&mut self, page: u32, _number: usize, gone: &mut dyn FnMut(u32)) {
        let len = |list| f64::from(self.pages.len(list));
        match self.pages.list(page) {
            Some(B1) => {
                self.p = (self.p + (len(B2) / len(B1)).max(1.0)).min(f64::from(self.c));
                self.replace(false, gone);
                self.pages.push(page, T2);
            }
            Some(_) => {
                self.p = (self.p - (len(B1) / len(B2)).max(1.0)).max(0.0);
                self.replace(true, gone);
                self.pages.push(page, T2);
            }
            None => {
                let l1 = self.pages.len(T1) + self.pages.len(B1);
                let all = l1 + self.pages.len(T2) + self.pages.len(B2);
                if l1 == self.c {
                    if self.pages.len(T1) < self.c {
                        self.pages.pop(B1);
                        self.replace(false, gone);
                    } else {
                        self.pages.pop(T1).into_iter().for_each(gone);
                    }
                } else if all >= self.c {
                    if all == 2 * self.c {
                        self.pages.pop(B2);
                    }
                    self.replace(false, gone);
                }
                self.pages.push(page, T1);
            }
        }
    }
}
