// SPDX-License-Identifier: BSD-2-Clause
//! Both swap pagers pass the suite.

use core::cell::Cell;
use ebb_pager_suite::succession::Plain;
use ebb_pager_suite::{CASES, Host, Instance, Maker, random};
use ebb_proto::pager::{CHUNK_PAGES, FRONT};
use ebb_swap::SwapPager;
use ebb_zswap::Pool;
use proptest::prelude::*;

/// The pager with a compressed pool.
struct Zswap;

struct Compressing(SwapPager<'static, Pool<'static>>);

thread_local! {
    /// Pages that went through to the disks because they did not become small, or found no room.
    static THROUGH: Cell<[u64; 2]> = const { Cell::new([0; 2]) };
}

impl Instance for Compressing {
    fn pump(&mut self, host: &mut Host) {
        self.0.pump(host);
        let pool = self.0.summary().pool.expect("a pool");
        let [poor, full] = THROUGH.get();
        THROUGH.set([poor.max(pool.poor), full.max(pool.full)]);
    }
}

impl Maker for Zswap {
    fn make(&self, host: &mut Host) -> Box<dyn Instance> {
        let pool = Pool::new(4 * CHUNK_PAGES).expect("memory");
        let mut pager = SwapPager::behind(pool);
        for chunk in 0..host.front {
            pager.add_memory(host, FRONT + chunk * CHUNK_PAGES * 4096, CHUNK_PAGES);
        }
        for disk in host.on.clone() {
            pager.adopt(host, disk, Host::segment_of(disk), 0);
        }
        pager.adopt_front(host);
        Box::new(Compressing(pager))
    }
}

fn pass(maker: &dyn Maker) {
    let failed: Vec<_> = CASES
        .iter()
        .filter_map(|(name, case)| case(maker).err().map(|c| format!("{name}: {}", c.0)))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn swap_pager_passes() {
    pass(&Plain);
}

#[test]
fn zswap_pager_passes() {
    pass(&Zswap);
    for seed in 0..8 {
        random::play(&Zswap, seed, 200).map_err(|c| c.0).expect("a play");
    }
    // Both ways past the pool were tried.
    let [poor, full] = THROUGH.get();
    assert!(poor > 0 && full > 0, "{poor} {full}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn swap_pager_equals_the_model(seed: u64) {
        random::play(&Plain, seed, 60).map_err(|c| TestCaseError::fail(c.0))?;
    }

    #[test]
    fn zswap_pager_equals_the_model(seed: u64) {
        random::play(&Zswap, seed, 60).map_err(|c| TestCaseError::fail(c.0))?;
    }
}
