// SPDX-License-Identifier: BSD-2-Clause
//! Doubly linked lists of pages, each page on at most one.

use crate::exact::NONE;

/// The lists, through two arrays; behind the pages lie the sentinels.
#[derive(Debug)]
pub struct Lists<const LISTS: usize> {
    next: Vec<u32>,
    prev: Vec<u32>,
    /// The list a page is on.
    list: Vec<u8>,
    len: [u32; LISTS],
    unique: u32,
}

const OFF: u8 = u8::MAX;

impl<const LISTS: usize> Lists<LISTS> {
    pub fn new(unique: u32) -> Self {
        let size = unique as usize + LISTS;
        let mut lists = Self {
            next: vec![NONE; size],
            prev: vec![NONE; size],
            list: vec![OFF; unique as usize],
            len: [0; LISTS],
            unique,
        };
        for end in unique..unique + LISTS as u32 {
            lists.next[end as usize] = end;
            lists.prev[end as usize] = end;
        }
        lists
    }

    pub fn list(&self, page: u32) -> Option<usize> {
        let list = self.list[page as usize];
        (list != OFF).then_some(usize::from(list))
    }

    pub fn is_on(&self, page: u32, list: usize) -> bool {
        self.list(page) == Some(list)
    }

    pub fn len(&self, list: usize) -> u32 {
        self.len[list]
    }

    /// The page that came to the list first.
    pub fn oldest(&self, list: usize) -> Option<u32> {
        let page = self.next[self.unique as usize + list];
        (page < self.unique).then_some(page)
    }

    pub fn remove(&mut self, page: u32) {
        let Some(list) = self.list(page) else { return };
        let (next, prev) = (self.next[page as usize], self.prev[page as usize]);
        self.next[prev as usize] = next;
        self.prev[next as usize] = prev;
        self.list[page as usize] = OFF;
        self.len[list] -= 1;
    }

    /// Puts a page, from wherever it is, behind all others of a list.
    pub fn push(&mut self, page: u32, list: usize) {
        self.remove(page);
        let end = self.unique + list as u32;
        let last = self.prev[end as usize];
        self.next[page as usize] = end;
        self.prev[page as usize] = last;
        self.next[last as usize] = page;
        self.prev[end as usize] = page;
        self.list[page as usize] = list as u8;
        self.len[list] += 1;
    }

    pub fn pop(&mut self, list: usize) -> Option<u32> {
        let page = self.oldest(list)?;
        self.remove(page);
        Some(page)
    }
}
