// SPDX-License-Identifier: BSD-2-Clause
//! CAR (Bansal and Modha, FAST 2004).

use super::list::Lists;
use crate::exact::Cache;

const T1: usize = 0;
const T2: usize = 1;
const B1: usize = 2;
const B2: usize = 3;

#[derive(Debug)]
pub struct Car {
    pages: Lists<4>,
    used: Vec<bool>,
    c: u32,
    p: f64,
}

impl Car {
    pub fn new(size: u32, unique: u32) -> Self {
        Self { pages: Lists::new(unique), used: vec![false; unique as usize], c: size, p: 0.0 }
    }

    fn replace(&mut self, gone: &mut dyn FnMut(u32)) {
        loop {
            let t1 = self.pages.len(T1);
            let first = f64::from(t1) >= self.p.max(1.0) || self.pages.len(T2) == 0;
            let (from, to) = if first { (T1, B1) } else { (T2, B2) };
            let Some(page) = self.pages.oldest(from) else { return };
            if std::mem::take(&mut self.used[page as usize]) {
                self.pages.push(page, T2);
            } else {
                self.pages.push(page, to);
                gone(page);
                return;
            }
        }
    }
}

impl Cache for Car {
    fn has(&self, page: u32) -> bool {
        matches!(self.pages.list(page), Some(T1 | T2))
    }

    fn hit(&mut self, page: u32, _number: usize) {
        self.used[page as usize] = true;
    }

    fn miss(&mut self, page: u32, _number: usize, gone: &mut dyn FnMut(u32)) {
        let was = self.pages.list(page);
        if self.pages.len(T1) + self.pages.len(T2) == self.c {
            self.replace(gone);
            if was.is_none() {
                let b = self.pages.len(B1) + self.pages.len(B2);
                if self.pages.len(T1) + self.pages.len(B1) > self.c && self.pages.len(B1) > 0 {
                    self.pages.pop(B1);
                } else if self.pages.len(T1) + self.pages.len(T2) + b >= 2 * self.c && self.pages.len(B2) > 0
                {
                    self.pages.pop(B2);
                }
            }
        }
        let len = |list| f64::from(self.pages.len(list));
        match was {
            Some(B1) => self.p = (self.p + (len(B2) / len(B1).max(1.0)).max(1.0)).min(f64::from(self.c)),
            Some(_) => self.p = (self.p - (len(B1) / len(B2).max(1.0)).max(1.0)).max(0.0),
            None => {}
        }
        self.used[page as usize] = false;
        self.pages.push(page, if was.is_some() { T2 } else { T1 });
    }
}
