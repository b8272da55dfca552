// SPDX-License-Identifier: BSD-2-Clause
//! What a space has mapped, against what it may (`RLIMIT_AS`, `RLIMIT_DATA`, `RLIMIT_SWAP`).
//!
//! All of it is charged when a mapping is made or becomes writable, never at a fault: a program learns that there is no more where it can still do something about it, and a fault costs nothing.
//! So the limit on swap is one on what might have to go there, as FreeBSD's is: the pages of a mapping of the program's own, once it could write to them, whether it did or not. They stay charged
//! until they are unmapped, also where they are read-only again, since what was written is still there.

use ebb_abi::PAGE_SIZE;
use ebb_abi::layout::{STACK_SHIFT, STACK_TOP};
use ebb_proto::vm::{Bounds, MAX_THREADS};

const PAGE: u64 = PAGE_SIZE as u64;

/// What a region counts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charge {
    /// Room in the address space alone: it shows what is others' too, or has its place elsewhere (files, segments, modules).
    Address,
    /// The same as yet: it is the program's own, and was never writable.
    Own,
    /// Data, unless it is a stack, and room in swap.
    Swap,
    /// Nothing: this server has put it there for itself.
    Nothing,
}

/// Pages by what they count as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Charges {
    /// All.
    pub mapped: u64,
    /// The program's own that it could write, without stacks.
    pub data: u64,
    /// With stacks: what may have to go to swap.
    pub swap: u64,
}

impl Charges {
    /// What pages of a region that begins at `start` are counted as.
    pub fn of(charge: Charge, start: u64, pages: u64) -> Charges {
        let swap = if charge == Charge::Swap { pages } else { 0 };
        let mapped = if charge == Charge::Nothing { 0 } else { pages };
        // By page, so that the parts of a region that is split are counted as the whole was.
        Charges { mapped, data: swap.saturating_sub(pages_of_stacks(start, pages)), swap }
    }

    /// The same, without the room.
    pub fn beyond_room(self) -> Charges {
        Charges { mapped: 0, ..self }
    }

    /// With more.
    pub fn plus(self, more: Charges) -> Charges {
        let Charges { mapped, data, swap } = more;
        Charges { mapped: self.mapped + mapped, data: self.data + data, swap: self.swap + swap }
    }

    /// Without some that are in it.
    pub fn minus(self, less: Charges) -> Charges {
        let Charges { mapped, data, swap } = less;
        Charges {
            mapped: self.mapped.saturating_sub(mapped),
            data: self.data.saturating_sub(data),
            swap: self.swap.saturating_sub(swap),
        }
    }

    /// Whether there may be so much more. What is above a limit already, because that was lowered, only must not grow.
    pub fn may_grow(self, more: Charges, bounds: &Bounds) -> bool {
        let within = |now: u64, more: u64, bound: u64| more == 0 || now.saturating_add(more) <= bound;
        within(self.mapped, more.mapped, bounds.mapped)
            && within(self.data, more.data, bounds.data)
            && within(self.swap, more.swap, bounds.swap)
    }
}

/// Pages of a region where the threads' stacks lie.
fn pages_of_stacks(start: u64, pages: u64) -> u64 {
    let first = STACK_TOP - ((MAX_THREADS as u64) << STACK_SHIFT);
    (start + pages * PAGE).saturating_sub(start.max(first)) / PAGE
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebb_abi::layout::{HEAP, stack_top};

    #[test]
    fn stacks_are_no_data_but_need_swap() {
        for thread in 0..MAX_THREADS as u64 {
            let charges = Charges::of(Charge::Swap, stack_top(thread) - (256 << 10), 64);
            assert_eq!(charges, Charges { mapped: 64, data: 0, swap: 64 }, "{thread}");
        }
        assert_eq!(Charges::of(Charge::Swap, HEAP, 3), Charges { mapped: 3, data: 3, swap: 3 });
        let across = STACK_TOP - ((MAX_THREADS as u64) << STACK_SHIFT) - PAGE;
        assert_eq!(Charges::of(Charge::Swap, across, 3), Charges { mapped: 3, data: 1, swap: 3 });
        for charge in [Charge::Address, Charge::Own] {
            assert_eq!(Charges::of(charge, HEAP, 3), Charges { mapped: 3, data: 0, swap: 0 });
        }
    }

    #[test]
    fn what_does_not_grow_is_never_refused() {
        let bounds = Bounds { resident: 0, mapped: 10, data: 5, swap: 0 };
        let now = Charges { mapped: 8, data: 7, swap: 7 };
        assert!(now.may_grow(Charges { mapped: 2, data: 0, swap: 0 }, &bounds));
        assert!(!now.may_grow(Charges { mapped: 3, data: 0, swap: 0 }, &bounds));
        assert!(!now.may_grow(Charges { mapped: 1, data: 1, swap: 0 }, &bounds));
        assert!(!now.may_grow(Charges { mapped: u64::MAX, data: 0, swap: 0 }, &bounds));
        assert!(now.may_grow(Charges { mapped: u64::MAX, data: 1, swap: 1 }, &Bounds::NONE));
    }
}
