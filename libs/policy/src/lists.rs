// SPDX-License-Identifier: BSD-2-Clause
//! Lists of pages for orders: up to 15 doubly linked lists through one array, 8 bytes a page, with four bits a page to use as
//! an order likes.

use alloc::vec::Vec;

use crate::policy::Inconsistency;
use crate::queues::MAX_FRAMES;
use crate::state::{About, BadRecord, Record};

const LINK: u32 = MAX_FRAMES * 2 - 1;
const SHIFT: u32 = 29;
/// On no list.
const OFF: u8 = 7;

/// Most lists.
pub const MAX_LISTS: u8 = OFF;
/// Greatest value of a page's own bits.
pub const MAX_BITS: u8 = 7;

/// A link below, and three bits above: in `next` the list, in `prev` the page's bits.
#[derive(Clone, Copy, Debug)]
struct Node {
    next: u32,
    prev: u32,
}

/// The lists, numbered from 0.
#[derive(Debug)]
pub struct Lists {
    /// One a frame, then one a list.
    nodes: Vec<Node>,
    nr_frames: u32,
    len: [u32; MAX_LISTS as usize],
    nr_lists: u8,
}

impl Lists {
    /// `nr_lists` empty lists over frames `0..nr_frames`, both cut to their greatest.
    #[must_use]
    pub fn new(nr_frames: u32, nr_lists: u8) -> Self {
        let nr_frames = nr_frames.min(MAX_FRAMES);
        let nr_lists = nr_lists.min(MAX_LISTS);
        let mut nodes = Vec::with_capacity(nr_frames as usize + usize::from(nr_lists));
        nodes.resize(nr_frames as usize, Node { next: u32::from(OFF) << SHIFT, prev: 0 });
        for list in 0..nr_lists {
            let end = nr_frames + u32::from(list);
            nodes.push(Node { next: u32::from(list) << SHIFT | end, prev: end });
        }
        Self { nodes, nr_frames, len: [0; MAX_LISTS as usize], nr_lists }
    }

    /// Frames that it has room for.
    #[must_use]
    pub fn nr_frames(&self) -> u32 {
        self.nr_frames
    }

    fn set_next(&mut self, at: u32, next: u32) {
        let node = &mut self.nodes[at as usize];
        node.next = node.next & !LINK | next;
    }

    fn set_prev(&mut self, at: u32, prev: u32) {
        let node = &mut self.nodes[at as usize];
        node.prev = node.prev & !LINK | prev;
    }

    fn end(&self, list: u8) -> u32 {
        self.nr_frames + u32::from(list)
    }

    fn page(&self, at: u32) -> Option<u32> {
        (at < self.nr_frames).then_some(at)
    }

    /// Length of a list in pages.
    #[must_use]
    pub fn len(&self, list: u8) -> u32 {
        self.len[usize::from(list)]
    }

    /// Pages on all lists.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.len.iter().sum()
    }

    /// The list that a page is on.
    #[must_use]
    pub fn list(&self, frame: u32) -> Option<u8> {
        let list = (self.nodes[frame as usize].next >> SHIFT) as u8;
        (list != OFF).then_some(list)
    }

    /// A page's own bits, kept on whatever list it is and on none.
    #[must_use]
    pub fn bits(&self, frame: u32) -> u8 {
        (self.nodes[frame as usize].prev >> SHIFT) as u8
    }

    /// Sets a page's own bits, at most [`MAX_BITS`].
    pub fn set_bits(&mut self, frame: u32, bits: u8) {
        let node = &mut self.nodes[frame as usize];
        node.prev = node.prev & LINK | u32::from(bits.min(MAX_BITS)) << SHIFT;
    }

    /// The page at the head, where a list begins.
    #[must_use]
    pub fn head(&self, list: u8) -> Option<u32> {
        self.page(self.nodes[self.end(list) as usize].next & LINK)
    }

    /// The page at the tail.
    #[must_use]
    pub fn tail(&self, list: u8) -> Option<u32> {
        self.page(self.nodes[self.end(list) as usize].prev & LINK)
    }

    /// The page behind this one, towards the tail.
    #[must_use]
    pub fn after(&self, frame: u32) -> Option<u32> {
        self.page(self.nodes[frame as usize].next & LINK)
    }

    /// The pages of a list from its head.
    pub fn iter(&self, list: u8) -> impl Iterator<Item = u32> {
        let mut at = self.nodes[self.end(list) as usize].next & LINK;
        core::iter::from_fn(move || {
            let frame = at;
            (frame < self.nr_frames).then(|| {
                at = self.nodes[frame as usize].next & LINK;
                frame
            })
        })
    }

    /// Takes a page off the list it is on, if it is on one.
    #[inline]
    pub fn unlink(&mut self, frame: u32) {
        if let Some(list) = self.list(frame) {
            self.take_off(frame, list);
        }
    }

    fn take_off(&mut self, frame: u32, list: u8) {
        let node = self.nodes[frame as usize];
        let (next, prev) = (node.next & LINK, node.prev & LINK);
        self.set_next(prev, next);
        self.set_prev(next, prev);
        self.nodes[frame as usize].next = u32::from(OFF) << SHIFT;
        self.len[usize::from(list)] -= 1;
    }

    /// Moves a page, from wherever it is, to the tail of a list.
    #[inline]
    pub fn push_tail(&mut self, frame: u32, list: u8) {
        self.unlink(frame);
        // All that is on a list has its number above the link, and an end has no bits of its own.
        let (end, number) = (self.end(list), u32::from(list) << SHIFT);
        let prev = core::mem::replace(&mut self.nodes[end as usize].prev, frame);
        self.nodes[prev as usize].next = number | frame;
        let node = &mut self.nodes[frame as usize];
        *node = Node { next: number | end, prev: node.prev & !LINK | prev };
        self.len[usize::from(list)] += 1;
    }

    /// Moves a page, from wherever it is, to the head of a list.
    pub fn push_head(&mut self, frame: u32, list: u8) {
        self.unlink(frame);
        let (end, number) = (self.end(list), u32::from(list) << SHIFT);
        let next = self.nodes[end as usize].next & LINK;
        self.nodes[end as usize].next = number | frame;
        self.set_prev(next, frame);
        let node = &mut self.nodes[frame as usize];
        *node = Node { next: number | next, prev: node.prev & !LINK | end };
        self.len[usize::from(list)] += 1;
    }

    /// Takes the page at the head off.
    #[inline]
    pub fn pop_head(&mut self, list: u8) -> Option<u32> {
        let end = self.end(list);
        let frame = self.page(self.nodes[end as usize].next & LINK)?;
        let node = &mut self.nodes[frame as usize];
        let next = core::mem::replace(&mut node.next, u32::from(OFF) << SHIFT);
        // The list's number stays above the link.
        self.nodes[end as usize].next = next;
        self.set_prev(next & LINK, end);
        self.len[usize::from(list)] -= 1;
        Some(frame)
    }

    /// Moves the pages from the head of a list up to and with `last`, which is on it, to its tail, in their order: as
    /// moving each in turn, in one step.
    pub fn rotate(&mut self, list: u8, last: u32) {
        let (end, number) = (self.end(list), u32::from(list) << SHIFT);
        let (first, tail) = (self.nodes[end as usize].next & LINK, self.nodes[end as usize].prev);
        if last == tail || self.list(last) != Some(list) {
            return;
        }
        let next = core::mem::replace(&mut self.nodes[last as usize].next, number | end) & LINK;
        self.nodes[tail as usize].next = number | first;
        self.set_prev(first, tail);
        self.set_prev(next, end);
        self.nodes[end as usize] = Node { next: number | next, prev: last };
    }

    /// Tells the pages of each list from its head, with their bits.
    pub fn save(&self, tell: &mut dyn FnMut(Record)) {
        for list in 0..self.nr_lists {
            for frame in self.iter(list) {
                let detail = u32::from(list) | u32::from(self.bits(frame)) << 8;
                tell(About::Page.record(detail, 0, frame.into()));
            }
        }
    }

    /// Takes up a page from such a record, at the tail.
    ///
    /// # Errors
    /// No such list or frame, or it is on a list already.
    pub fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        let (_, detail, _) = About::of(record)?;
        let (list, bits) = (detail as u8, detail >> 8);
        let frame = crate::state::below(record, self.nr_frames.into())?;
        if list >= self.nr_lists || bits > u32::from(MAX_BITS) || self.list(frame).is_some() {
            return Err(BadRecord(record));
        }
        self.set_bits(frame, bits as u8);
        self.push_tail(frame, list);
        Ok(())
    }

    /// Bytes of memory it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    /// Audits the links and lengths.
    ///
    /// # Errors
    /// The first inconsistency.
    pub fn check(&self) -> Result<(), Inconsistency> {
        for list in 0..self.nr_lists {
            let (mut at, mut found) = (self.end(list), 0);
            loop {
                let next = self.nodes[at as usize].next & LINK;
                let Some(node) = self.nodes.get(next as usize) else { return Err(Inconsistency::Link(at)) };
                if node.prev & LINK != at {
                    return Err(Inconsistency::Link(next));
                }
                if (node.next >> SHIFT) as u8 != list {
                    return Err(Inconsistency::WrongList(next));
                }
                at = next;
                if at == self.end(list) {
                    break;
                }
                found += 1;
                if found > self.nr_frames {
                    return Err(Inconsistency::Link(at));
                }
            }
            let recorded = self.len(list);
            if found != recorded {
                return Err(Inconsistency::Length { recorded, found });
            }
        }
        Ok(())
    }
}
