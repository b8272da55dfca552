// SPDX-License-Identifier: BSD-2-Clause
//! Which neighbours of a dirty page are written along with it (`vm_pageout_cluster`, PGO-138…148). Used by `vm`.
//!
//! The rule, all of it (W03): the run grows from the centre downwards to the boundary of its aligned block of P pages, then
//! upwards, then, if there is room left and nothing stopped it at the boundary, downwards past it. A centre on a boundary
//! stays in its block (W04: the seed drags in the block before). The first page that does not join ends its direction.
//! Active pages are not taken (PGO-140).

use core::ops::Range;

/// Largest cluster (W33): whoever keeps a cluster in an array makes it this long.
pub const MAX_CLUSTER: u64 = 16;

/// The run of pages to write with `center`, in ascending order, within `0..object_size`, of at most `p` pages
/// (at least 1, at most [`MAX_CLUSTER`], whatever is passed).
///
/// `joinable(index)` says whether the page at `index` is resident, not busy, dirty after collecting modified bits, on
/// the inactive queue and not held (PGO-139). It is not asked about the centre, which must be writable (PGO-138), and about
/// no other page twice. The run is empty if the centre lies outside the object.
pub fn build(center: u64, object_size: u64, p: u64, mut joinable: impl FnMut(u64) -> bool) -> Range<u64> {
    if center >= object_size {
        return center..center;
    }
    let p = p.clamp(1, MAX_CLUSTER);
    let mut run = center..center + 1;
    // Down to the boundary. A pause there is not an end; a page that does not join, or index 0, is.
    let mut downwards = true;
    while downwards && run.end - run.start < p && run.start % p != 0 {
        downwards = grow_down(&mut run, &mut joinable);
    }
    while run.end - run.start < p && run.end < object_size && joinable(run.end) {
        run.end += 1;
    }
    while downwards && run.end - run.start < p {
        downwards = grow_down(&mut run, &mut joinable);
    }
    run
}

/// Adds the page below; false if there is none that joins.
fn grow_down(run: &mut Range<u64>, joinable: &mut impl FnMut(u64) -> bool) -> bool {
    match run.start.checked_sub(1) {
        Some(below) if joinable(below) => {
            run.start = below;
            true
        }
        _ => false,
    }
}
