// SPDX-License-Identifier: BSD-2-Clause
//! Memory calls.

use crate::{Failure, equal, trouble};
use ebb_rt::fs::Error;
use ebb_rt::memory::{Advice, Protection, Region};

const PAGE: usize = 4096;

pub fn region() -> Result<(), Failure> {
    let mut region = Region::new(8 * PAGE).map_err(trouble("a region"))?;
    let resident = |region: &Region| {
        let pages = region.residence().map_err(trouble("residence"))?;
        Ok::<_, Failure>(pages.iter().filter(|p| p.resident()).count())
    };
    equal("resident at first", resident(&region)?, 0)?;
    region[3 * PAGE] = 7;
    equal("resident after a touch", resident(&region)?, 1)?;
    region.lock(0, 4).map_err(trouble("lock"))?;
    equal("resident when locked", resident(&region)?, 4)?;
    equal("locked twice", region.lock(3, 2), Err(Error::Busy))?;
    region.discard(0, 8).map_err(trouble("discard"))?;
    equal("what is locked stays", region[3 * PAGE], 7)?;
    region.unlock(0, 4).map_err(trouble("unlock"))?;
    region.discard(0, 8).map_err(trouble("discard"))?;
    equal("what was given up", region[3 * PAGE], 0)?;
    region.protect(2, 2, Protection::READ).map_err(trouble("protect"))?;
    equal("what can be read", region[2 * PAGE] + region[4 * PAGE - 1], 0)?;
    region.protect(2, 2, Protection::READ | Protection::WRITE).map_err(trouble("protect"))?;
    region[2 * PAGE] = 9;
    region.advise(Advice::Sequential).map_err(trouble("advise"))?;
    equal("in the end", region.iter().map(|b| *b as usize).sum::<usize>(), 9)
}

pub fn mistakes() -> Result<(), Failure> {
    let mut region = Region::new(4 * PAGE).map_err(trouble("a region"))?;
    for (first, pages) in [(0, 5), (4, 1), (0, 0), (u64::MAX, 1), (1, u64::MAX)] {
        equal("lock", region.lock(first, pages), Err(Error::Invalid))?;
        equal("unlock", region.unlock(first, pages), Err(Error::Invalid))?;
        equal("discard", region.discard(first, pages), Err(Error::Invalid))?;
        equal("protect", region.protect(first, pages, Protection::READ), Err(Error::Invalid))?;
    }
    equal("unlock of what is not locked", region.unlock(0, 4), Err(Error::Fault))?;
    equal("advice that changes it", region.advise(Advice::Free), Err(Error::Invalid))?;
    equal("a region of everything", Region::new(usize::MAX).err(), Some(Error::NoMemory))
}
