// SPDX-License-Identifier: BSD-2-Clause
//! Both swap pagers pass the suite.

use ebb_pager_suite::succession::Plain;
use ebb_pager_suite::{CASES, Host, Instance, Maker, random};
use ebb_proto::pager::{CHUNK_PAGES, FRONT};
use ebb_swap::SwapPager;
use ebb_zswap::Pool;
use proptest::prelude::*;

/// The pager with a compressed pool.
struct Zswap;

struct Compressing(SwapPager<'static, Pool<'static>>);

impl Instance for Compressing {
    fn pump(&mut self, host: &mut Host) {
        self.0.pump(host);
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
