// SPDX-License-Identifier: BSD-2-Clause
//! Sorted, merged ranges of frames in an array of fixed size: what the boot code knows of memory.

use ebb_abi::boot::Range;

/// Ranges of frames: ascending, not overlapping, not touching.
#[derive(Clone, Debug)]
pub struct Ranges<const N: usize> {
    ranges: [Range; N],
    count: usize,
}

/// There are more separate ranges than the array has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl<const N: usize> Default for Ranges<N> {
    fn default() -> Self {
        Ranges { ranges: [Range { first: 0, count: 0 }; N], count: 0 }
    }
}

impl<const N: usize> Ranges<N> {
    /// The ranges.
    pub fn as_slice(&self) -> &[Range] {
        &self.ranges[..self.count]
    }

    /// Frames in all ranges.
    pub fn total(&self) -> u64 {
        self.as_slice().iter().map(|r| r.count as u64).sum()
    }

    /// One past the highest frame, 0 if there is none.
    pub fn end(&self) -> u32 {
        self.as_slice().last().map_or(0, |r| r.first + r.count)
    }

    /// Whether the frame is in a range.
    pub fn contains(&self, frame: u32) -> bool {
        self.as_slice().iter().any(|r| frame >= r.first && frame - r.first < r.count)
    }

    /// Adds the frames `first .. end`; those that are there already stay.
    #[inline(never)]
    pub fn add(&mut self, first: u32, end: u32) -> Result<(), Full> {
        if first >= end {
            return Ok(());
        }
        let (mut low, mut high) = (first, end);
        let mut kept = Ranges::<N>::default();
        let mut placed = false;
        for r in self.as_slice() {
            let r_end = r.first + r.count;
            if r_end < low {
                kept.push(r.first, r_end)?;
            } else if r.first > high {
                if !placed {
                    kept.push(low, high)?;
                    placed = true;
                }
                kept.push(r.first, r_end)?;
            } else {
                low = low.min(r.first);
                high = high.max(r_end);
            }
        }
        if !placed {
            kept.push(low, high)?;
        }
        *self = kept;
        Ok(())
    }

    /// Takes the frames `first .. end` out; those that are not there are no matter.
    #[inline(never)]
    pub fn remove(&mut self, first: u32, end: u32) -> Result<(), Full> {
        let mut kept = Ranges::<N>::default();
        for r in self.as_slice() {
            let r_end = r.first + r.count;
            kept.push(r.first, r_end.min(first))?;
            kept.push(r.first.max(end), r_end)?;
        }
        *self = kept;
        Ok(())
    }

    /// Takes the lowest run of `count` frames that lie side by side.
    #[inline(never)]
    pub fn take(&mut self, count: u32) -> Option<u32> {
        let r = self.ranges[..self.count].iter_mut().find(|r| r.count >= count && count > 0)?;
        let first = r.first;
        r.first += count;
        r.count -= count;
        if r.count == 0 {
            self.remove(0, 0).ok()?;
        }
        Some(first)
    }

    /// Leaves the lowest frames, `limit` in all.
    #[inline(never)]
    pub fn truncate(&mut self, limit: u64) {
        let mut left = limit;
        for r in &mut self.ranges[..self.count] {
            r.count = (r.count as u64).min(left) as u32;
            left -= r.count as u64;
        }
        while self.count > 0 && self.ranges[self.count - 1].count == 0 {
            self.count -= 1;
        }
    }

    fn push(&mut self, first: u32, end: u32) -> Result<(), Full> {
        if first >= end {
            return Ok(());
        }
        let slot = self.ranges.get_mut(self.count).ok_or(Full)?;
        *slot = Range { first, count: end - first };
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(r: &Ranges<8>) -> Vec<u32> {
        r.as_slice().iter().flat_map(|r| r.first..r.first + r.count).collect()
    }

    /// Every operation against a set, over a few thousand random steps.
    #[test]
    fn agrees_with_a_set() {
        let mut seed = 1u64;
        let mut next = |bound: u32| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as u32 % bound
        };
        let mut ranges = Ranges::<8>::default();
        let mut set = std::collections::BTreeSet::new();
        let mut full = 0;
        for _ in 0..5000 {
            let (first, len) = (next(60), next(12));
            match next(4) {
                0 | 1 => match ranges.add(first, first + len) {
                    Ok(()) => set.extend(first..first + len),
                    Err(Full) => full += 1,
                },
                2 => match ranges.remove(first, first + len) {
                    Ok(()) => set.retain(|f| !(first..first + len).contains(f)),
                    Err(Full) => full += 1,
                },
                _ => {
                    if let Some(at) = ranges.take(len) {
                        assert!((at..at + len).all(|f| set.remove(&f)));
                    }
                }
            }
            assert_eq!(frames(&ranges), set.iter().copied().collect::<Vec<_>>());
            assert!(ranges.as_slice().iter().all(|r| r.count > 0));
            assert_eq!(ranges.total(), set.len() as u64);
            assert_eq!(ranges.end(), set.last().map_or(0, |l| l + 1));
        }
        assert!(full > 0, "the array was never full: the test is too tame");
    }

    #[test]
    fn the_highest_frames_go_first() {
        let mut ranges = Ranges::<8>::default();
        ranges.add(10, 20).unwrap();
        ranges.add(30, 40).unwrap();
        ranges.truncate(12);
        assert_eq!(frames(&ranges), (10..20).chain(30..32).collect::<Vec<_>>());
        ranges.truncate(3);
        assert_eq!(frames(&ranges), vec![10, 11, 12]);
    }
}
