// SPDX-License-Identifier: BSD-2-Clause
//! The list against a plain array of flags (SWP-249, SWP-256, SWP-261, SWP-W42 to SWP-W47).

use ebb_blist::{Blist, Error, Growth, MAX_ALLOC, Placement};
use proptest::prelude::*;

/// The same rules, said as simply as can be.
struct Model {
    free: Vec<bool>,
    cursor: usize,
    placement: Placement,
}

impl Model {
    /// Length of the run from a block on, 64 standing for more.
    fn run_at(&self, block: usize) -> usize {
        self.free[block..].iter().take(64).take_while(|&&free| free).count()
    }

    fn find(&self, count: usize) -> Option<usize> {
        let fits = |b: &usize| self.run_at(*b) >= count;
        let lowest = || (0..self.free.len()).find(fits);
        match self.placement {
            Placement::FirstFit => lowest(),
            Placement::NextFit => (self.cursor..self.free.len()).find(fits).or_else(lowest),
            Placement::BestFit => self.find_best(count),
        }
    }

    fn find_best(&self, count: usize) -> Option<usize> {
        let blocks = self.free.len();
        let mut runs = vec![0; blocks + 1];
        for b in (0..blocks).rev() {
            runs[b] = if self.free[b] { 64.min(runs[b + 1] + 1) } else { 0 };
        }
        let longest = |start: usize, span: usize| {
            (start.min(blocks)..(start + span).min(blocks)).map(|b| runs[b]).max().unwrap_or(0)
        };
        let mut span = 1024;
        while span < blocks {
            span *= 16;
        }
        let mut base = 0;
        while span > 64 {
            span /= 16;
            let children: Vec<_> =
                (0..16).map(|i| base + i * span).map(|start| (start, longest(start, span))).collect();
            let exact = children.iter().find(|&&(_, hint)| hint == count);
            base = exact.or_else(|| children.iter().find(|&&(_, hint)| hint >= count))?.0;
        }
        let end = blocks.min(base + 64);
        let run = |b: usize| runs[b].min(end - b);
        let exact = |&b: &usize| run(b) == count && (b == base || !self.free[b - 1]);
        let aligned = |&b: &usize| run(b) >= count && b.is_multiple_of(count.next_power_of_two());
        let inside = |&b: &usize| run(b) >= count;
        let across = |&b: &usize| runs[b] >= count;
        let rules: [&dyn Fn(&usize) -> bool; 4] = [&exact, &aligned, &inside, &across];
        rules.iter().find_map(|rule| (base..end).find(rule))
    }

    fn alloc_range(&mut self, min: u32, max: u32) -> Result<(u64, u32), Error> {
        if min == 0 || min > MAX_ALLOC || max < min {
            return Err(Error::BadCount);
        }
        let want = match self.placement {
            Placement::BestFit => max.min(self.largest()).max(min),
            _ => min,
        };
        let start = self.find(want as usize).ok_or(Error::NoSpace)?;
        let count = self.run_at(start).min(max as usize);
        self.free[start..start + count].fill(false);
        self.cursor = (start + count) % self.free.len();
        Ok((start as u64, count as u32))
    }

    fn free(&mut self, start: u64, count: u64) -> Result<(), Error> {
        let end =
            start.checked_add(count).filter(|&e| e <= self.free.len() as u64).ok_or(Error::OutOfRange)?;
        let range = start as usize..end as usize;
        if let Some(i) = self.free[range.clone()].iter().position(|&free| free) {
            return Err(Error::DoubleFree { block: start + i as u64 });
        }
        self.free[range].fill(true);
        Ok(())
    }

    fn fill(&mut self, start: u64, count: u64) -> Result<u64, Error> {
        let end = start.checked_add(count).ok_or(Error::OutOfRange)?.min(self.free.len() as u64);
        let mut were_free = 0;
        for block in start..end {
            were_free += u64::from(std::mem::replace(&mut self.free[block as usize], false));
        }
        Ok(were_free)
    }

    fn resize(&mut self, blocks: u64, growth: Growth) -> Result<(), Error> {
        let n = blocks as usize;
        let in_use = self.free.iter().skip(n).filter(|&&free| !free).count() as u64;
        if in_use > 0 {
            return Err(Error::InUse { blocks: in_use });
        }
        self.free.resize(n, growth == Growth::Free);
        self.cursor = if self.cursor < n { self.cursor } else { 0 };
        Ok(())
    }

    fn largest(&self) -> u32 {
        let longest = self.free.split(|&free| !free).map(<[bool]>::len).max().unwrap_or(0);
        longest.min(64) as u32
    }
}

#[derive(Clone, Debug)]
enum Op {
    Alloc(u32),
    AllocRange(u32, u32),
    /// Of what was allocated, the one with this number (modulo how many there are).
    FreeLive(usize),
    /// Parts of the length, in 1/1024, and blocks more.
    Free(u64, u64),
    Fill(u64, u64),
    Cursor(u64),
    Place(Placement),
    Resize(u64, Growth),
}

/// A place: near an edge of something, or anywhere.
fn block() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..40_000,
        (0u64..40, -3i64..=3).prop_map(|(leaf, d)| (leaf * 64).saturating_add_signed(d)),
        (0u64..40, -3i64..=3).prop_map(|(node, d)| (node * 1024).saturating_add_signed(d)),
        (0u64..3, -3i64..=3).prop_map(|(node, d)| (node * 16384).saturating_add_signed(d)),
    ]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0u64..70, 2 => 0u64..300, 1 => block(), 1 => Just(1024), 1 => Just(16384)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u32..=66).prop_map(Op::Alloc),
        3 => (0u32..=66, 0u32..=80).prop_map(|(min, more)| Op::AllocRange(min, (min + more).saturating_sub(3))),
        6 => any::<usize>().prop_map(Op::FreeLive),
        3 => (block(), length()).prop_map(|(b, n)| Op::Free(b, n)),
        3 => (block(), length()).prop_map(|(b, n)| Op::Fill(b, n)),
        1 => block().prop_map(Op::Cursor),
        1 => placement().prop_map(Op::Place),
        1 => (block(), prop_oneof![Just(Growth::Free), Just(Growth::Allocated)])
            .prop_map(|(n, g)| Op::Resize(n.max(1), g)),
    ]
}

fn agree(list: &Blist, model: &Model) {
    assert_eq!(list.len(), model.free.len() as u64);
    assert_eq!(list.free_count(), model.free.iter().filter(|&&free| free).count() as u64);
    assert_eq!(list.largest_hint(), model.largest());
    assert_eq!(list.cursor(), model.cursor as u64);
    assert_eq!(list.audit(), Ok(()));
}

fn run(blocks: u64, start_free: bool, placement: Placement, ops: Vec<Op>) {
    let mut list = Blist::new(blocks).unwrap();
    let mut model = Model { free: vec![false; blocks as usize], cursor: 0, placement };
    list.set_placement(placement);
    if start_free {
        assert_eq!(list.free(0, blocks), model.free(0, blocks));
    }
    let mut live = Vec::new();
    for op in ops {
        match op {
            Op::Alloc(count) => {
                let got = list.try_alloc(count);
                assert_eq!(got, model.alloc_range(count, count).map(|(start, _)| start));
                live.extend(got.map(|start| (start, count)));
            }
            Op::AllocRange(min, max) => {
                let got = list.try_alloc_range(min, max);
                assert_eq!(got, model.alloc_range(min, max));
                live.extend(got);
            }
            Op::FreeLive(i) if !live.is_empty() => {
                let (start, count) = live.swap_remove(i % live.len());
                // Fills, frees and resizes may have come in between: errors must agree then.
                assert_eq!(list.free(start, u64::from(count)), model.free(start, u64::from(count)));
            }
            Op::FreeLive(_) => {}
            Op::Free(start, count) => assert_eq!(list.free(start, count), model.free(start, count)),
            Op::Fill(start, count) => {
                let end = (start + count).min(list.len());
                let inside = (start..end).filter(|&b| model.free[b as usize]).count() as u64;
                assert_eq!(list.free_in(start, count), inside);
                assert_eq!(list.fill(start, count), model.fill(start, count));
            }
            Op::Cursor(block) => {
                let inside = block < list.len();
                assert_eq!(list.set_cursor(block).is_ok(), inside);
                if inside {
                    model.cursor = block as usize;
                }
            }
            Op::Place(placement) => {
                list.set_placement(placement);
                model.placement = placement;
            }
            Op::Resize(blocks, growth) => {
                assert_eq!(list.resize(blocks, growth), model.resize(blocks, growth))
            }
        }
        agree(&list, &model);
    }
    for (block, &free) in model.free.iter().enumerate() {
        assert_eq!(list.is_free(block as u64), free, "block {block}");
    }
}

fn placement() -> impl Strategy<Value = Placement> {
    prop_oneof![Just(Placement::FirstFit), Just(Placement::NextFit), Just(Placement::BestFit)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    /// Up to three levels, edges everywhere.
    #[test]
    fn agrees_with_a_plain_bitmap(blocks in block(), free: bool, placement in placement(), ops in prop::collection::vec(op(), 1..60)) {
        run(blocks.max(1), free, placement, ops);
    }

    /// A small list that is nearly full most of the time.
    #[test]
    fn agrees_when_small(blocks in 1u64..300, free: bool, placement in placement(), ops in prop::collection::vec(op(), 1..100)) {
        run(blocks, free, placement, ops);
    }
}

/// An interpreter of the machine is a thousand times slower.
const CASES: u32 = if cfg!(miri) { 2 } else { 30 };

/// Every list of 1 to 200 blocks with every single free run, and with every single allocated run.
#[test]
fn every_small_list_and_run() {
    for blocks in (1..=200).step_by(if cfg!(miri) { 67 } else { 1 }) {
        let mut list = Blist::new(blocks).unwrap();
        list.set_placement(Placement::FirstFit);
        for start in 0..blocks {
            // Every end near the run's beginning, near the list's end and near the leaves' edges.
            let ends = (start + 1..=blocks).filter(|&end| {
                end - start <= 4
                    || blocks - end <= 2
                    || (end + 1) % 64 <= 2
                    || (62..=66).contains(&(end - start))
            });
            for end in ends {
                let run = end - start;
                list.free(start, run).unwrap();
                assert_eq!((list.free_count(), u64::from(list.largest_hint())), (run, run.min(64)));
                let count = run.min(64);
                assert_eq!(list.alloc(count as u32), Some(start));
                assert_eq!(list.free(start + count, 1).is_ok(), start + count < blocks && run <= 64);
                assert_eq!(
                    list.fill(0, blocks),
                    Ok(run - count + u64::from(start + count < blocks && run <= 64))
                );

                list.free(0, blocks).unwrap();
                assert_eq!(list.fill(start, run), Ok(run));
                let largest = start.max(blocks - end).min(64);
                assert_eq!(u64::from(list.largest_hint()), largest);
                let want = if largest == 0 {
                    None
                } else if start >= largest {
                    Some(0)
                } else {
                    Some(end)
                };
                assert_eq!(list.alloc(largest as u32), want);
                list.fill(0, blocks).unwrap();
            }
        }
        list.audit().unwrap();
    }
}

/// The whole workload of a swap device in one list: mixed sizes to nearly full, every result compared.
#[test]
fn long_mixed_run_agrees() {
    for placement in [Placement::FirstFit, Placement::NextFit, Placement::BestFit] {
        let blocks = if cfg!(miri) { 300 } else { 3000 };
        let mut list = Blist::new(blocks).unwrap();
        let mut model = Model { free: vec![false; blocks as usize], cursor: 0, placement };
        list.set_placement(placement);
        list.free(0, blocks).unwrap();
        model.free(0, blocks).unwrap();
        let (mut live, mut x) = (Vec::new(), 1u64);
        for i in 0..blocks * 2 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let count = 1 << ((x >> 40) % 5);
            let got = list.try_alloc(count);
            assert_eq!(got, model.alloc_range(count, count).map(|(start, _)| start));
            live.extend(got.map(|start| (start, count)));
            if got.is_err() || (x >> 50) % 3 == 0 && !live.is_empty() {
                let (start, count) = live.swap_remove((x >> 20) as usize % live.len());
                list.free(start, u64::from(count)).unwrap();
                model.free(start, u64::from(count)).unwrap();
            }
            if i % 64 == 0 {
                agree(&list, &model);
            }
        }
    }
}
