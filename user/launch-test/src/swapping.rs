// SPDX-License-Identifier: BSD-2-Clause
//! Programs that are swapped out whole, and come back when their time has come.

use crate::Failure;
use crate::parent::{Parent, because, same};
use crate::signals::{pause, until};
use crate::survival::kill_server;
use alloc::string::ToString;
use alloc::vec::Vec;
use ebb_rt::abi::meter::Counter;
use ebb_rt::client::call;
use ebb_rt::process::{self, Child, Command, Pid, Target, signal};
use ebb_rt::proto::Error;
use ebb_rt::proto::proc::SIGNALLED;
use ebb_rt::proto::vm::{SetTunable, SpaceInfo, Spaces};
use ebb_rt::shared::meter;
use ebb_rt::time::Duration;
use ebb_rt::{println, thread};

/// Of so many children one is held in memory.
const HELD: usize = 10;
/// Bytes of which each child knows what they are.
const BYTES: usize = 48 << 10;
/// What the parent goes through now and then, so that the children's pages go to the disk.
const SWEPT: usize = 24 << 20;
/// Rounds from one time to the next.
const SWEEP: u64 = 64;

/// A step of a generator whose whole state is one word: what a thread has in its registers and on its stack.
fn step(word: u64) -> u64 {
    word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

/// Sleeps and wakes for ever, with a word that is carried on, and counted along in memory. Ends only if something is not as it was.
fn sleep_on(seed: u64, ms: u64) -> u8 {
    let mut bytes: Vec<u64> = (0..BYTES as u64 / 8).map(|n| n ^ seed).collect();
    let (mut word, mut naps) = (seed, 0u64);
    loop {
        if thread::sleep(Duration::from_millis(ms + word % 7)).is_err() {
            return 3;
        }
        naps += 1;
        word = step(word);
        let right = bytes.iter().enumerate().all(|(n, w)| *w == n as u64 ^ seed ^ (naps - 1));
        if !right || word != (0..naps).fold(seed, |w, _| step(w)) {
            return 4;
        }
        bytes.iter_mut().enumerate().for_each(|(n, w)| *w = n as u64 ^ seed ^ naps);
        if naps > 2000 {
            // The way from the seed gets long.
            (naps, word) = (0, seed);
            bytes.iter_mut().enumerate().for_each(|(n, w)| *w = n as u64 ^ seed);
        }
    }
}

/// `sleep-on THREADS MS`: so many threads that sleep and wake.
pub fn sleeper(threads: usize, ms: usize) -> u8 {
    for n in 1..threads as u64 {
        // One that finds something wrong ends all.
        if thread::spawn(move || process::exit(sleep_on(n + 100, ms as u64))).is_err() {
            return 5;
        }
    }
    sleep_on(7, ms as u64)
}

fn spawn(threads: usize, ms: u64) -> Result<Child, Failure> {
    let args = ["sleep-on".to_string(), threads.to_string(), ms.to_string()];
    because("spawn", Command::new("launch-test").args(&args).spawn())
}

fn end(child: Child) -> Result<(), Failure> {
    because("signal", process::kill(Target::Process(child.id()), signal::TERM))?;
    same("its end", because("wait", child.wait())?, SIGNALLED + signal::TERM)
}

fn info(p: &Parent, pid: Pid) -> Result<SpaceInfo, Failure> {
    let some = because("spaces", call(p.vm, &Spaces { from: pid }))?;
    some.into_iter().find(|s| s.space == pid).ok_or_else(|| "it has ended".into())
}

/// Swaps a child out, as soon as all of it sleeps.
fn put_out(child: Child) -> Result<(), Failure> {
    for _ in 0..1000 {
        match process::swap_out(child.id()) {
            Err(Error::Busy) => pause(1)?,
            other => return because("swap out", other),
        }
    }
    Err("it never sleeps".into())
}

pub fn there_and_back(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    for threads in [1, 3] {
        let child = spawn(threads, 40)?;
        pause(20)?;
        let kernel = info(p, child.id())?.kernel_frames;
        for _ in 0..10 {
            put_out(child)?;
            let now = info(p, child.id())?;
            // It may have been kicked already.
            if now.waiting == "out" && now.kernel_frames + 2 * threads as u64 > kernel {
                return Err(alloc::format!("{} frames of the kernel, {kernel} before", now.kernel_frames));
            }
            until("it comes back", || Ok(info(p, child.id())?.waiting != "out"))?;
        }
        same("times out", info(p, child.id())?.swaps, 10)?;
        same("it runs", because("poll", child.change())?, None)?;
        end(child)?;
    }
    same("spaces", p.spaces()?, before)
}

/// One that is out is stopped, goes on, is signalled, and ends.
pub fn while_out(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let child = spawn(2, 10_000)?;
    pause(20)?;
    put_out(child)?;
    same("it is out", info(p, child.id())?.waiting.as_str(), "out")?;
    for number in [signal::STOP, signal::CONT, signal::CHLD] {
        because("signal", process::kill(Target::Process(child.id()), number))?;
    }
    pause(50)?;
    same("it is out still", info(p, child.id())?.waiting.as_str(), "out")?;
    end(child)?;
    // A stopped one goes too, and comes back for who lets it go on.
    let child = spawn(1, 30)?;
    pause(10)?;
    because("signal", process::kill(Target::Process(child.id()), signal::STOP))?;
    put_out(child)?;
    pause(100)?;
    same("stopped, and its timer has rung", info(p, child.id())?.waiting.as_str(), "out")?;
    because("signal", process::kill(Target::Process(child.id()), signal::CONT))?;
    until("it goes on", || Ok(info(p, child.id())?.waiting.is_empty()))?;
    end(child)?;
    same("spaces", p.spaces()?, before)
}

pub fn held(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let child = spawn(2, 10_000)?;
    pause(20)?;
    let pid = child.id();
    put_out(child)?;
    // It comes in for who wants to hold it.
    because("hold", process::hold(pid))?;
    same("in", info(p, pid)?.waiting.as_str(), "")?;
    because("hold", process::hold(pid))?;
    for _ in 0..2 {
        same("held", process::swap_out(pid), Err(Error::Busy))?;
        because("release", process::release(pid))?;
    }
    same("nobody holds it", process::release(pid), Err(Error::Invalid))?;
    put_out(child)?;
    same("times out", info(p, pid)?.swaps, 2)?;
    end(child)?;
    for result in [process::hold(pid), process::release(pid), process::swap_out(pid)] {
        same("nobody", result, Err(Error::NotFound))?;
    }
    // Oneself: it does not sleep, whatever it says.
    same("itself", process::swap_out(0), Err(Error::Busy))?;
    because("hold", process::hold(0))?;
    because("release", process::release(0))?;
    same("spaces", p.spaces()?, before)
}

fn set(p: &Parent, name: &str, value: i64) -> Result<(), Failure> {
    because(name, call(p.vm, &SetTunable { name: name.into(), value }))
}

/// Waits until a child is out.
fn goes_out(p: &Parent, child: Child) -> Result<(), Failure> {
    until("it goes out", || Ok(info(p, child.id())?.waiting == "out"))
}

pub fn idle(p: &Parent) -> Result<(), Failure> {
    let (one, stays) = (spawn(2, 60_000)?, spawn(1, 60_000)?);
    pause(20)?;
    because("hold", process::hold(stays.id()))?;
    for (name, value) in
        [("vm.swap_idle_threshold2", 1), ("vm.swap_residence", 0), ("vm.swap_idle_enabled", 1)]
    {
        set(p, name, value)?;
    }
    goes_out(p, one)?;
    same("times that the held one went out", info(p, stays.id())?.swaps, 0)?;
    for (name, value) in
        [("vm.swap_idle_threshold2", 10), ("vm.swap_residence", 2), ("vm.swap_idle_enabled", 0)]
    {
        set(p, name, value)?;
    }
    end(one)?;
    end(stays)
}

/// What comes for a program that is out while the server is away brings it in nevertheless; and one that is held is held by the next server too.
pub fn server_dies(p: &Parent) -> Result<(), Failure> {
    let (one, stays) = (spawn(2, 300)?, spawn(1, 60_000)?);
    pause(20)?;
    because("hold", process::hold(stays.id()))?;
    put_out(one)?;
    for _ in 0..20 {
        because("kill", kill_server(p))?;
        pause(25)?;
    }
    same("held", process::swap_out(stays.id()), Err(Error::Busy))?;
    until("it is in", || Ok(info(p, one.id())?.waiting.is_empty()))?;
    same("times out", info(p, one.id())?.swaps, 1)?;
    put_out(one)?;
    end(one)?;
    end(stays)
}

/// `out-and-in CHILDREN ROUNDS`: each child that is not held is swapped out so often, and comes back.
pub fn out_and_in(p: &Parent, children: usize, rounds: u32) -> Result<(), Failure> {
    let before = p.spaces()?;
    let mut all = Vec::new();
    for n in 0..children {
        let child = spawn(1 + n % 3, 40)?;
        if n % HELD == 0 {
            because("hold", process::hold(child.id()))?;
        }
        all.push(child);
    }
    let mut swept: Vec<u64> = (0..SWEPT as u64 / 8).collect();
    let (mut least, mut round) = (0, 0u64);
    while least < rounds {
        for (n, child) in all.iter().enumerate() {
            match process::swap_out(child.id()) {
                Ok(()) if n % HELD == 0 => return Err("a held one went out".into()),
                // It is awake: another time.
                Ok(()) | Err(Error::Busy) => {}
                Err(error) => return Err(alloc::format!("swap out: {error}")),
            }
        }
        pause(30)?;
        round += 1;
        if round % SWEEP == 0 {
            if swept.iter().enumerate().any(|(n, w)| *w != n as u64 + round / SWEEP - 1) {
                return Err("the parent's own memory is wrong".into());
            }
            swept.iter_mut().for_each(|w| *w += 1);
            least = u32::MAX;
            for (n, child) in all.iter().enumerate().filter(|(n, _)| n % HELD != 0) {
                least = least.min(info(p, child.id())?.swaps);
                if let Some(change) = because("poll", child.change())? {
                    return Err(alloc::format!("child {n}: {change:?}"));
                }
            }
        }
    }
    for (n, child) in all.into_iter().enumerate() {
        if n % HELD == 0 {
            same("times that a held one went out", info(p, child.id())?.swaps, 0)?;
        }
        end(child)?;
    }
    let (outs, frames) = (meter(Counter::swapouts), meter(Counter::swapout_frames));
    println!(
        "{{\"least_swaps\": {least}, \"swapouts\": {outs}, \"swapins\": {}, \"frames_gained_each\": {}}}",
        meter(Counter::swapins),
        frames / outs.max(1)
    );
    same("spaces", p.spaces()?, before)
}
