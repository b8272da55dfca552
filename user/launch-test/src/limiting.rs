// SPDX-License-Identifier: BSD-2-Clause
//! Limits on memory: a program that wants more is told so where it asks, and goes on; another one does not notice.

use crate::Failure;
use crate::forking::{ends_with, in_copy};
use crate::parent::{Parent, because, same};
use alloc::vec::Vec;
use ebb_rt::client::call;
use ebb_rt::memory::{Protection, Region};
use ebb_rt::process::{self, Child, Command, Limit, Resource};
use ebb_rt::proto::Error;
use ebb_rt::proto::proc::UNLIMITED;
use ebb_rt::proto::vm::{Bounds, Usage};
use ebb_rt::thread;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;

fn usage(p: &Parent) -> Result<Bounds, Error> {
    call(p.vm, &Usage { space: 0 })
}

/// Lets the calling process have so many bytes more than it has.
fn allow(p: &Parent, resource: Resource, more: u64) -> Result<(), Error> {
    let has = usage(p)?;
    let pages = match resource {
        Resource::AddressSpace => has.mapped,
        Resource::Data => has.data,
        _ => has.swap,
    };
    let hard = process::limits(0)?[resource as usize].hard;
    process::set_limit(0, resource, Limit { soft: pages * PAGE + more, hard })
}

/// Whether so many bytes can be had, which are used then.
fn region(bytes: u64) -> Result<Region, Error> {
    let mut region = Region::new(bytes as usize)?;
    region.iter_mut().step_by(PAGE as usize).for_each(|b| *b = 1);
    Ok(region)
}

/// A copy that says with its status which step went wrong.
fn in_steps(work: impl FnOnce(&mut dyn FnMut(bool)) -> Result<(), Error>) -> Result<Child, Failure> {
    in_copy(|| {
        let (mut at, mut wrong) = (0, 0);
        work(&mut |right| {
            at += 1;
            if !right && wrong == 0 {
                wrong = at;
            }
        })?;
        Ok(wrong)
    })
}

pub fn memory(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    for resource in [Resource::AddressSpace, Resource::Data, Resource::Swap] {
        let child = in_steps(|right| {
            allow(p, resource, 4 * MIB)?;
            right(region(4 * MIB + 1).err() == Some(Error::NoMemory));
            let first = region(3 * MIB)?;
            right(region(2 * MIB).err() == Some(Error::NoMemory));
            // The heap: who asks is told.
            let mut heap: Vec<u8> = Vec::new();
            right(heap.try_reserve_exact(8 << 20).is_err());
            drop(first);
            right(region(4 * MIB).is_ok_and(|r| r[0] == 1));
            right(heap.try_reserve_exact(2 << 20).is_ok());
            // What it starts has its limits.
            let limit = process::limits(0)?[resource as usize];
            let grandchild = in_copy(|| {
                let same = process::limits(0)?[resource as usize] == limit;
                let refused = region(4 * MIB).err() == Some(Error::NoMemory);
                Ok(if same && refused { 3 } else { 4 })
            });
            right(grandchild.and_then(|c| ends_with(c, 3)).is_ok());
            // And it can have more again.
            let hard = limit.hard;
            process::set_limit(0, resource, Limit { soft: hard, hard })?;
            right(hard == UNLIMITED || resource == Resource::Data);
            right(region(16 * MIB).is_ok());
            Ok(())
        })?;
        // It is nobody else's limit.
        because("the neighbour", region(8 * MIB))?;
        ends_with(child, 0)?;
    }
    same("spaces", p.spaces()?, before)
}

pub fn protection(p: &Parent) -> Result<(), Failure> {
    let child = in_steps(|right| {
        let mut own = Region::new(2 << 20)?;
        allow(p, Resource::Data, MIB)?;
        right(own.protect(0, 512, Protection::READ).is_ok());
        right(own.protect(0, 512, Protection::READ | Protection::WRITE).is_ok());
        let swap = usage(p)?.swap;
        // Stacks are no data; a thread's can be had, and need swap.
        let worker = thread::spawn(move || swap)?;
        right(worker.join() == Ok(swap));
        right(usage(p)?.swap == swap);
        allow(p, Resource::Swap, 0)?;
        right(thread::spawn(|| ()).err() == Some(Error::NoMemory));
        Ok(())
    })?;
    ends_with(child, 0)
}

/// A program that cannot have its image or its stack is not started, and the one that would become it goes on.
pub fn programs(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let child = in_steps(|right| {
        let hard = process::limits(0)?[Resource::AddressSpace as usize].hard;
        process::set_limit(0, Resource::AddressSpace, Limit { soft: 64 * PAGE, hard })?;
        right(Command::new("launch-test").arg("sleep").spawn().err() == Some(Error::NoMemory));
        right(Command::new("launch-test").arg("sleep").exec() == Error::NoMemory);
        process::set_limit(0, Resource::AddressSpace, Limit { soft: 8 * MIB, hard })?;
        let child = Command::new("launch-test").arg("nothing").spawn()?;
        right(child.wait() == Ok(0));
        Ok(())
    })?;
    ends_with(child, 0)?;
    same("spaces", p.spaces()?, before)
}
