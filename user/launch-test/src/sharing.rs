// SPDX-License-Identifier: BSD-2-Clause
//! Processes that share a space: each has its own number and end, all have the same memory.

use crate::Failure;
use crate::forking::{ends_with, in_copy};
use crate::parent::{Parent, because, same};
use crate::signals::{pause, until};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use ebb_rt::io::{Channel, Read, pipe, write_all};
use ebb_rt::process::{self, Change, Command, Forked, Limit, Resource, Shared, Target, signal};
use ebb_rt::proto::Error;
use ebb_rt::proto::proc::{SEGMENTATION_FAULT, SIGNALLED};
use ebb_rt::thread;

/// What one that did not do what it should ends with.
const WRONG: u8 = 99;

fn share(work: impl FnOnce() -> Result<u8, Error> + Send + 'static) -> Result<Shared, Failure> {
    because("share", process::share(|| work().unwrap_or(WRONG)))
}

fn ended(shared: Shared, status: u8) -> Result<(), Failure> {
    same("status", because("wait", shared.wait())?, status)
}

fn sleep() -> Result<u8, Error> {
    thread::sleep(Duration::from_secs(3600)).map(|()| 0)
}

pub fn together(p: &Parent) -> Result<(), Failure> {
    let (before, own) = (p.spaces()?, because("id", process::id())?);
    let sum = Arc::new(AtomicU64::new(0));
    for round in 0..40u64 {
        let mut all = Vec::new();
        for n in 1..=5 {
            let sum = sum.clone();
            all.push(share(move || {
                let heap = vec![n; 10_000];
                thread::sleep(Duration::from_micros(n * 100))?;
                sum.fetch_add(heap.iter().sum::<u64>() / 10_000 + round, Ordering::Relaxed);
                let family = process::parent_id()? == own && process::id()? != own;
                Ok(if family { n as u8 } else { WRONG })
            })?);
        }
        same("spaces", p.spaces()?, before)?;
        for (n, shared) in all.into_iter().enumerate().rev() {
            ended(shared, n as u8 + 1)?;
        }
    }
    let all = (0..40).map(|round| 15 + 5 * round).sum::<u64>();
    same("what they added", sum.load(Ordering::Relaxed), all)?;
    // As many as there are threads, and no more.
    let many: Vec<Shared> = (0..15).map_while(|_| process::share(|| 1).ok()).collect();
    same("at once", many.len(), 15)?;
    same("one more", process::share(|| 1).err(), Some(Error::Busy))?;
    many.into_iter().try_for_each(|shared| ended(shared, 1))?;
    same("spaces", p.spaces()?, before)
}

pub fn last(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let (mut from, to) = because("pipe", pipe())?;
    let child = in_copy(|| {
        // On the heap of the space that its maker leaves.
        let bytes: Vec<u8> = (0..50_000).map(crate::child::pattern).collect();
        let other = thread::spawn(thread::park)?;
        let to = Channel::of(to.stream());
        process::share(move || {
            let gone = (0..1000).any(|_| {
                // An orphan once its maker has ended.
                thread::sleep(Duration::from_millis(2)).is_ok() && process::parent_id() == Ok(0)
            });
            u8::from(!gone || write_all(&mut { to }, &bytes).is_err())
        })?;
        pause(5).map_err(|_| Error::Io)?;
        drop(other);
        Ok(4)
    })?;
    drop(to);
    ends_with(child, 4)?;
    same("it goes on", p.spaces()?, before + 1)?;
    let mut bytes = Vec::new();
    because("read", from.read_to_end(&mut bytes))?;
    same("bytes", bytes.len(), 50_000)?;
    same("right ones", bytes.iter().enumerate().all(|(n, b)| *b == crate::child::pattern(n)), true)?;
    // The end of its pipe comes with that of its space, or a moment later.
    (0..100).try_for_each(|_| if p.spaces()? == before { Ok(()) } else { pause(5) })?;
    same("spaces", p.spaces()?, before)
}

pub fn signals(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let count = Arc::new(AtomicU32::new(0));
    let counts = count.clone();
    let counter = share(move || {
        loop {
            counts.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1))?;
        }
    })?;
    let sleeper = share(sleep)?;
    let send = |to: &Shared, number| because("signal", process::kill(Target::Process(to.id()), number));
    send(&sleeper, signal::TERM)?;
    ended(sleeper, SIGNALLED + signal::TERM)?;
    send(&counter, signal::STOP)?;
    same("told", process::wait_any(), Ok((counter.id(), Change::Stopped(signal::STOP))))?;
    let now = count.load(Ordering::Relaxed);
    pause(30)?;
    same("while it is stopped", count.load(Ordering::Relaxed), now)?;
    send(&counter, signal::CONT)?;
    until("it goes on", || Ok(count.load(Ordering::Relaxed) > now))?;
    send(&counter, signal::KILL)?;
    ended(counter, SIGNALLED + signal::KILL)?;
    // A limit on memory is that of all.
    let shared = share(sleep)?;
    let own = because("limits", process::limits(0))?[Resource::Data as usize];
    let less = Limit { soft: own.soft - 4096, hard: own.hard };
    because("set", process::set_limit(shared.id(), Resource::Data, less))?;
    same("the same limit", because("limits", process::limits(0))?[Resource::Data as usize], less)?;
    because("set", process::set_limit(0, Resource::Data, own))?;
    same("nice", process::set_nice(shared.id(), 5), Err(Error::Unsupported))?;
    send(&shared, signal::INT)?;
    ended(shared, SIGNALLED + signal::INT)?;
    same("spaces", p.spaces()?, before)
}

pub fn children(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let shared = share(|| {
        // A copy has a space of its own, in which it is the first.
        let copy = match process::fork()? {
            Forked::Parent(child) => child.wait()?,
            Forked::Child => {
                let status = process::share(|| 6).and_then(Shared::wait).unwrap_or(WRONG);
                process::exit(status + thread::spawn(|| 1).and_then(|t| t.join()).unwrap_or(WRONG))
            }
        };
        let program = Command::new("launch-test").arg("nothing").spawn()?.wait()?;
        let deeper = process::share(|| 5)?.wait()?;
        let refused = Command::new("launch-test").arg("nothing").exec();
        Ok(if refused == Error::Unsupported { copy + program + deeper } else { WRONG })
    })?;
    ended(shared, 12)?;
    // Whoever becomes another program leaves the space to the others.
    let (mut from, to) = because("pipe", pipe())?;
    let child = in_copy(|| {
        let own = Channel::of(to.stream());
        process::share(move || {
            let late = thread::sleep(Duration::from_millis(20));
            u8::from(late.is_err() || write_all(&mut { own }, b"still here").is_err())
        })?;
        Err(Command::new("launch-test").arg("nothing").exec())
    })?;
    drop(to);
    ends_with(child, 0)?;
    let mut said = Vec::new();
    because("read", from.read_to_end(&mut said))?;
    same("said", said.as_slice(), b"still here".as_slice())?;
    (0..100).try_for_each(|_| if p.spaces()? == before { Ok(()) } else { pause(5) })?;
    same("spaces", p.spaces()?, before)
}

pub fn exceptions(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let child = in_copy(|| {
        let memory = ebb_rt::memory::Region::new(4096)?;
        process::share(|| sleep().unwrap_or(WRONG))?;
        process::share(move || {
            let mut memory = memory;
            // Not to be written any more.
            if memory.protect(0, 1, ebb_rt::memory::Protection::READ).is_ok() {
                memory[0] = 1;
            }
            WRONG
        })?;
        sleep()
    })?;
    ends_with(child, SEGMENTATION_FAULT)?;
    same("spaces", p.spaces()?, before)
}
