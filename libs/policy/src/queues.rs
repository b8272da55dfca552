// SPDX-License-Identifier: BSD-2-Clause
//! Page queues: doubly linked lists threaded through one flat array indexed by frame, 16 bytes a page.
//!
//! Each list has a sentinel behind the frames in the same array, so that linking and unlinking have no special cases.
//!
//! The seed keeps a scan's position with marker pages in the queue, since locks are dropped in mid-scan. Here a
//! scan's position is [`Pages::hand`], which unlinking moves on: whatever happens to pages between two batches, the scan
//! goes on with the page that followed, and there is nothing in a queue but pages (PGO-008, 062, 064, 090, 112, 176…180).

use alloc::vec::Vec;

use crate::machine::{Page, Queue};
use crate::policy::{Event, Inconsistency};

/// Raise of the activity count by a reference found (`ACT_ADVANCE`).
pub const ACT_ADVANCE: u8 = 3;
/// Decay of the activity count by a look without reference (`ACT_DECLINE`).
pub const ACT_DECLINE: u8 = 1;
/// Least activity count after activation (`ACT_INIT`).
pub const ACT_INIT: u8 = 5;
/// Greatest activity count, at every update (`ACT_MAX`, W30).
pub const ACT_MAX: u8 = 64;

/// The activity count after a look that found references (PGO-098, PGO-123), never above [`ACT_MAX`] (W30).
#[must_use]
pub const fn advance(act_count: u8, refs: u8) -> u8 {
    let sum = act_count.saturating_add(ACT_ADVANCE).saturating_add(refs);
    if sum > ACT_MAX { ACT_MAX } else { sum }
}

/// Most frames a policy takes on: 1 TiB of memory.
pub const MAX_FRAMES: u32 = 1 << 28;

/// Lists of a policy; the first two are the machine's queues.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// [`Queue::Inactive`].
    Inactive = 0,
    /// [`Queue::Active`].
    Active = 1,
    /// Inactive pages set aside because nothing can be done about them (W31).
    Parked = 2,
}

const LISTS: usize = 3;
const ALL_LISTS: [List; LISTS] = [List::Inactive, List::Active, List::Parked];
/// `Node::list` of a page on no list (`PQ_NONE`).
const OFF: u8 = 255;

impl From<Queue> for List {
    fn from(queue: Queue) -> Self {
        match queue {
            Queue::Inactive => Self::Inactive,
            Queue::Active => Self::Active,
        }
    }
}

/// Page flag: known to the policy; its generation is valid.
pub const RESIDENT: u8 = 1;
/// Page flag: wired.
pub const WIRED: u8 = 2;
/// Page flag: seen dirty once on the inactive queue (`PG_WINATCFLS`, PGO-007). A policy without second chance for dirty pages
/// may use it otherwise.
pub const MARKED: u8 = 4;
/// Page flag: not looked at since it came in; its first reference may be that of the faulting instruction.
pub const FRESH: u8 = 8;
/// Page flag: a write that was started for this page has not ended. It is busy, and needs no asking.
pub const LAUNDERING: u8 = 16;

/// What is kept per frame.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Node {
    next: u32,
    prev: u32,
    generation: u32,
    /// Activity count, `0..=ACT_MAX`.
    pub act_count: u8,
    /// Flags, see the constants.
    pub flags: u8,
    /// References that were harvested but not acted upon, since the page was busy or held, or the scan ended before it.
    pub saved_refs: u8,
    list: u8,
}

const _: () = assert!(size_of::<Node>() == 16);

/// All pages of a policy and its lists over them.
#[derive(Debug)]
pub struct Pages {
    /// One node a frame, then the lists' sentinels.
    nodes: Vec<Node>,
    nr_frames: u32,
    len: [u32; LISTS],
    /// Next page that the scan under way will visit; [`Pages::end`] of its list when it is through.
    pub hand: u32,
}

impl Pages {
    /// Pages for frames `0..nr_frames`, none known yet. `nr_frames` is cut to [`MAX_FRAMES`].
    #[must_use]
    pub fn new(nr_frames: u32) -> Self {
        let nr_frames = nr_frames.min(MAX_FRAMES);
        let blank =
            Node { next: 0, prev: 0, generation: 0, act_count: 0, flags: 0, saved_refs: 0, list: OFF };
        // All at once: a server's heap has room for this table, and not for a second one while it grows.
        let mut nodes = Vec::with_capacity(nr_frames as usize + LISTS);
        nodes.resize(nr_frames as usize, blank);
        for list in ALL_LISTS {
            let end = nr_frames + list as u32;
            nodes.push(Node { next: end, prev: end, ..blank });
        }
        Self { nodes, nr_frames, len: [0; LISTS], hand: nr_frames }
    }

    /// The position behind the last page of a list.
    #[must_use]
    pub const fn end(&self, list: List) -> u32 {
        self.nr_frames + list as u32
    }

    /// First page of a list, or its end.
    #[must_use]
    pub fn first(&self, list: List) -> u32 {
        self.nodes[self.end(list) as usize].next
    }

    /// What follows a page, or the end of its list.
    #[must_use]
    pub fn next(&self, frame: u32) -> u32 {
        self.nodes[frame as usize].next
    }

    /// The pages of a list from its head.
    pub fn iter(&self, list: List) -> impl Iterator<Item = u32> {
        let (mut at, end) = (self.first(list), self.end(list));
        core::iter::from_fn(move || {
            let frame = at;
            (frame != end).then(|| {
                at = self.next(frame);
                frame
            })
        })
    }

    /// Length of a list in pages.
    #[must_use]
    pub const fn len(&self, list: List) -> u32 {
        self.len[list as usize]
    }

    /// The frame's node. The frame must come from a list or have passed [`Pages::knows`].
    #[must_use]
    pub fn node(&self, frame: u32) -> &Node {
        &self.nodes[frame as usize]
    }

    /// The frame's node, to change.
    pub fn node_mut(&mut self, frame: u32) -> &mut Node {
        &mut self.nodes[frame as usize]
    }

    /// The frame with its generation.
    #[must_use]
    pub fn page(&self, frame: u32) -> Page {
        Page { frame, generation: self.nodes[frame as usize].generation }
    }

    /// Whether exactly this page is known: the check on everything that comes from outside.
    #[must_use]
    pub fn knows(&self, page: Page) -> bool {
        page.frame < self.nr_frames
            && self.nodes[page.frame as usize].flags & RESIDENT != 0
            && self.nodes[page.frame as usize].generation == page.generation
    }

    /// Whether an event concerns a page that is known, or one that may be taken up.
    #[must_use]
    pub fn accepts(&self, event: &Event) -> bool {
        match *event {
            Event::Shortage => true,
            Event::PageIn { page, .. } => page.frame < self.nr_frames,
            Event::Activate(page)
            | Event::Deactivate(page)
            | Event::Free(page)
            | Event::Wire(page)
            | Event::Unwire { page, .. }
            | Event::Laundered { page, .. } => self.knows(page),
        }
    }

    /// Whether the frame is on this list.
    #[must_use]
    pub fn is_on(&self, frame: u32, list: List) -> bool {
        self.nodes[frame as usize].list == list as u8
    }

    /// The list that the frame is on.
    #[must_use]
    pub fn list(&self, frame: u32) -> Option<List> {
        ALL_LISTS.get(usize::from(self.nodes[frame as usize].list)).copied()
    }

    /// Takes up a new page at the tail of a list with activity count 0. Does nothing if the frame is out of range.
    pub fn page_in(&mut self, page: Page, list: List) {
        if page.frame >= self.nr_frames {
            return;
        }
        self.unlink(page.frame);
        let node = &mut self.nodes[page.frame as usize];
        node.generation = page.generation;
        node.flags = RESIDENT | FRESH;
        node.act_count = 0;
        node.saved_refs = 0;
        self.push_tail(page.frame, list);
    }

    /// Forgets a page: on no list, not known.
    pub fn forget(&mut self, frame: u32) {
        self.unlink(frame);
        self.nodes[frame as usize].flags = 0;
    }

    /// Takes a page off its list, if it is on one, and moves the hand on if it points there.
    #[inline]
    pub fn unlink(&mut self, frame: u32) {
        if self.nodes[frame as usize].list != OFF {
            self.take_off(frame);
        }
    }

    fn take_off(&mut self, frame: u32) {
        let Node { next, prev, list, .. } = self.nodes[frame as usize];
        self.nodes[prev as usize].next = next;
        self.nodes[next as usize].prev = prev;
        self.nodes[frame as usize].list = OFF;
        self.len[usize::from(list)] -= 1;
        if self.hand == frame {
            self.hand = next;
        }
    }

    /// Moves a page, from whatever list, to the tail of `list`.
    pub fn push_tail(&mut self, frame: u32, list: List) {
        self.unlink(frame);
        let end = self.end(list);
        self.link(frame, self.nodes[end as usize].prev, end, list);
    }

    /// Moves a page, from whatever list, to the head of `list`.
    pub fn push_head(&mut self, frame: u32, list: List) {
        self.unlink(frame);
        let end = self.end(list);
        self.link(frame, end, self.nodes[end as usize].next, list);
    }

    fn link(&mut self, frame: u32, prev: u32, next: u32, list: List) {
        let node = &mut self.nodes[frame as usize];
        node.prev = prev;
        node.next = next;
        node.list = list as u8;
        self.nodes[prev as usize].next = frame;
        self.nodes[next as usize].prev = frame;
        self.len[list as usize] += 1;
    }

    /// Moves the pages from the head of a list up to and with `last`, which is on it, to its tail, in their order: as
    /// requeueing each in turn, in one step.
    pub fn rotate(&mut self, list: List, last: u32) {
        let end = self.end(list);
        let Node { next: first, prev: tail, .. } = self.nodes[end as usize];
        if last == tail {
            return;
        }
        let next = self.nodes[last as usize].next;
        self.nodes[tail as usize].next = first;
        self.nodes[first as usize].prev = tail;
        self.nodes[last as usize].next = end;
        self.nodes[next as usize].prev = end;
        let sentinel = &mut self.nodes[end as usize];
        sentinel.prev = last;
        sentinel.next = next;
    }

    /// Moves a page to the inactive tail. Coming from elsewhere it loses its second-chance mark (PGO-007); already
    /// inactive it keeps its place (PGO-237).
    pub fn deactivate(&mut self, frame: u32) {
        if !self.is_on(frame, List::Inactive) {
            self.nodes[frame as usize].flags &= !MARKED;
            self.push_tail(frame, List::Inactive);
        }
    }

    /// Moves a page to the active tail, unless it is active already, and raises its activity count to [`ACT_INIT`]
    /// (PGO-004).
    pub fn activate(&mut self, frame: u32) {
        let node = &mut self.nodes[frame as usize];
        node.act_count = node.act_count.max(ACT_INIT);
        if !self.is_on(frame, List::Active) {
            self.push_tail(frame, List::Active);
        }
    }

    /// References to act upon, from a fresh harvest: with those saved at an earlier one, and, if so wanted, without the one
    /// that the faulting instruction made. Saved and new are not added, since they may be of the same mapping.
    pub fn references(&mut self, frame: u32, harvested: u8, discount_first: bool) -> u8 {
        let refs = self.peek_references(frame, harvested, discount_first);
        self.nodes[frame as usize].flags &= !FRESH;
        refs
    }

    /// The same, of a page of which it is not known yet whether anything can be done: its faulting reference is still to be discounted if not.
    pub fn peek_references(&mut self, frame: u32, harvested: u8, discount_first: bool) -> u8 {
        let node = &mut self.nodes[frame as usize];
        let first = u8::from(discount_first && node.flags & FRESH != 0);
        core::mem::take(&mut node.saved_refs).max(harvested).saturating_sub(first)
    }

    /// Ages active pages by what was harvested of each, until the activity count of one is 0. Returns how many have one above that, how many had no reference
    /// in this harvest, and whether the page behind them fell.
    #[inline(never)]
    pub fn age_until_one_falls(
        &mut self,
        frames: &[u32],
        harvested: &[u8],
        discount_first: bool,
    ) -> (usize, u32, bool) {
        let (mut active, mut unused) = (0, 0);
        for (frame, refs) in frames.iter().zip(harvested) {
            unused += u32::from(*refs == 0);
            let node = &mut self.nodes[*frame as usize];
            let act_count = if *refs | node.saved_refs == 0 {
                // By far the most frequent.
                node.flags &= !FRESH;
                node.act_count = node.act_count.saturating_sub(ACT_DECLINE);
                node.act_count
            } else {
                self.age(*frame, *refs, discount_first)
            };
            if act_count == 0 {
                return (active, unused, true);
            }
            active += 1;
        }
        (active, unused, false)
    }

    /// Ages an active page by the references found: advance or decay of its activity count (PGO-123, PGO-124), which is
    /// returned.
    #[inline(never)]
    pub fn age(&mut self, frame: u32, harvested: u8, discount_first: bool) -> u8 {
        let refs = self.references(frame, harvested, discount_first);
        let node = &mut self.nodes[frame as usize];
        node.act_count =
            if refs > 0 { advance(node.act_count, refs) } else { node.act_count.saturating_sub(ACT_DECLINE) };
        node.act_count
    }

    /// Keeps what was harvested for the page's next look.
    pub fn save_references(&mut self, frame: u32, harvested: u8) {
        let node = &mut self.nodes[frame as usize];
        node.saved_refs = node.saved_refs.max(harvested);
    }

    /// Audits the lists (PGO-001): every page on a list says so and is pageable, links agree in both directions, lengths
    /// are right.
    ///
    /// # Errors
    /// The first inconsistency.
    pub fn check(&self) -> Result<(), Inconsistency> {
        for list in ALL_LISTS {
            let end = self.end(list);
            let (mut at, mut found) = (end, 0);
            loop {
                let next = self.nodes[at as usize].next;
                let Some(node) = self.nodes.get(next as usize) else { return Err(Inconsistency::Link(at)) };
                if node.prev != at {
                    return Err(Inconsistency::Link(next));
                }
                at = next;
                if at == end {
                    break;
                }
                if node.list != list as u8 {
                    return Err(Inconsistency::WrongList(at));
                }
                if node.flags & (RESIDENT | WIRED) != RESIDENT {
                    return Err(Inconsistency::NotPageable(at));
                }
                found += 1;
                if found > self.nr_frames {
                    return Err(Inconsistency::Link(at));
                }
            }
            let claimed = self.nodes.iter().filter(|n| n.list == list as u8).count() as u32;
            let recorded = self.len(list);
            if found != recorded || claimed != recorded {
                return Err(Inconsistency::Length { recorded, found });
            }
        }
        Ok(())
    }
}
