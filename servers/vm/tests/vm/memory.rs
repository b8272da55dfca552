// SPDX-License-Identifier: BSD-2-Clause
//! `mmap` and its kin.

use crate::model::World;
use crate::model::world::PAGE;

#[test]
fn memory_reads_as_zero_and_keeps_what_is_written() {
    let mut w = World::new(400);
    let p = w.program();
    let a = w.mmap(p, 8);
    for n in 0..8 {
        assert!(w.read(p, a + n * PAGE));
        assert!(w.write(p, a + n * PAGE, 100 + n));
        assert!(w.read(p, a + n * PAGE));
    }
    w.check();
    w.end(p);
    w.check();
}
