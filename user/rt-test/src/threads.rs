// SPDX-License-Identifier: BSD-2-Clause
//! Threads.

use crate::{Failure, equal, trouble};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use ebb_rt::fs::Error;
use ebb_rt::io::{BufReader, Read, pipe, write_all};
use ebb_rt::process::Command;
use ebb_rt::thread::{self, JoinHandle, Mutex};
use ebb_rt::time::{Duration, Instant};
use ebb_workload::Random;

/// Threads beside the first that there can be.
const MOST: u32 = 15;

/// Starts so many.
fn several<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
    count: u32,
    work: impl Fn(u32) -> F,
) -> Result<Vec<JoinHandle<T>>, Failure> {
    (0..count).map(|n| thread::spawn(work(n)).map_err(trouble("spawn"))).collect()
}

/// Waits for all; what they returned.
fn all<T>(threads: Vec<JoinHandle<T>>) -> Result<Vec<T>, Failure> {
    threads.into_iter().map(|t| t.join().map_err(trouble("join"))).collect()
}

pub fn results() -> Result<(), Failure> {
    let threads = several(MOST, |n| move || (thread::current(), (0..=n as u64 * 1000).sum::<u64>()))?;
    let numbers: Vec<u32> = threads.iter().map(JoinHandle::number).collect();
    for (n, (number, sum)) in all(threads)?.into_iter().enumerate() {
        let last = n as u64 * 1000;
        equal("a sum", sum, last * (last + 1) / 2)?;
        equal("its number", number, numbers[n])?;
    }
    equal("the first's number", thread::current(), 0)
}

pub fn generations() -> Result<(), Failure> {
    for round in 0..100u32 {
        let sum: u32 = all(several(3, |n| move || n + round)?)?.into_iter().sum();
        equal("a round", sum, 3 + 3 * round)?;
    }
    Ok(())
}

pub fn lock() -> Result<(), Failure> {
    const ROUNDS: u32 = 500;
    let shared = Arc::new(Mutex::new((0u32, 0u32)));
    let threads = several(8, |_| {
        let shared = shared.clone();
        move || {
            for round in 0..ROUNDS {
                let mut both = shared.lock();
                both.0 += 1;
                if round % 7 == 0 {
                    thread::yield_now();
                }
                both.1 += 1;
            }
        }
    })?;
    all(threads)?;
    equal("counts", *shared.lock(), (8 * ROUNDS, 8 * ROUNDS))
}

/// A ring of threads, each of which wakes the next.
pub fn parking() -> Result<(), Failure> {
    const ROUNDS: u32 = 50;
    let order = Arc::new(Mutex::new(Vec::new()));
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let threads = several(5, |n| {
        let (order, numbers) = (order.clone(), numbers.clone());
        move || {
            for _ in 0..ROUNDS {
                thread::park()?;
                order.lock().push(n);
                let next = numbers.lock().get((n as usize + 1) % 5).copied();
                thread::unpark(next.unwrap_or(0))?;
            }
            Ok::<(), Error>(())
        }
    })?;
    *numbers.lock() = threads.iter().map(JoinHandle::number).collect();
    thread::unpark(threads[0].number()).map_err(trouble("unpark"))?;
    for result in all(threads)? {
        // The last one wakes the first of all, which may be gone.
        if !matches!(result, Ok(()) | Err(Error::NotFound)) {
            return Err(format!("park, unpark: {result:?}"));
        }
    }
    let should: Vec<u32> = (0..5 * ROUNDS).map(|n| n % 5).collect();
    equal("the order", core::mem::take(&mut *order.lock()), should)
}

pub fn sleeping() -> Result<(), Failure> {
    let begin = Instant::now();
    let threads = several(8, |n| {
        move || {
            let time = Duration::from_millis(50 + n as u64 * 10);
            let begin = Instant::now();
            thread::sleep(time).map(|()| begin.elapsed() >= time)
        }
    })?;
    thread::sleep(Duration::from_millis(60)).map_err(trouble("sleep"))?;
    for slept in all(threads)? {
        equal("a sleep", slept.map_err(trouble("sleep"))?, true)?;
    }
    let took = begin.elapsed();
    // One after the other they would take 680 ms.
    if took < Duration::from_millis(120) || took > Duration::from_millis(600) {
        return Err(format!("all together {took:?}"));
    }
    Ok(())
}

pub fn detached() -> Result<(), Failure> {
    let done = Arc::new(AtomicU32::new(0));
    for n in 0..60 {
        let counter = done.clone();
        let work = move || {
            if n % 3 == 0 {
                thread::yield_now();
            }
            counter.fetch_add(1, Ordering::Relaxed);
        };
        // As many as there can be, and one that ends makes room for another.
        loop {
            match thread::spawn(work.clone()) {
                Ok(handle) => break drop(handle),
                Err(Error::Busy) => thread::yield_now(),
                Err(error) => return Err(trouble("spawn")(error)),
            }
        }
    }
    let begin = Instant::now();
    while done.load(Ordering::Relaxed) < 60 && begin.elapsed() < Duration::from_secs(5) {
        thread::yield_now();
    }
    equal("done", done.load(Ordering::Relaxed), 60)
}

pub fn limit() -> Result<(), Failure> {
    let go = Arc::new(AtomicU32::new(0));
    let wait = |_| {
        let go = go.clone();
        move || {
            while go.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
        }
    };
    // Those of the test before may still be on their way out.
    let mut threads = Vec::new();
    let begin = Instant::now();
    while (threads.len() as u32) < MOST && begin.elapsed() < Duration::from_secs(5) {
        match thread::spawn(wait(0)) {
            Ok(handle) => threads.push(handle),
            Err(Error::Busy) => thread::yield_now(),
            Err(error) => return Err(trouble("spawn")(error)),
        }
    }
    equal("threads", threads.len() as u32, MOST)?;
    equal("one more", thread::spawn(|| ()).err(), Some(Error::Busy))?;
    equal("too large a stack", thread::spawn_with_stack(1 << 40, || ()).err(), Some(Error::Invalid))?;
    equal("no stack", thread::spawn_with_stack(0, || ()).err(), Some(Error::Invalid))?;
    equal("finished", threads.iter().any(JoinHandle::is_finished), false)?;
    go.store(1, Ordering::Relaxed);
    all(threads).map(|_| ())
}

fn pattern(thread: u32, at: usize) -> u8 {
    (at as u32).wrapping_mul(2_654_435_761 ^ thread << 1).to_be_bytes()[0]
}

/// Each pair has a pipe, through which more goes than it holds: everybody waits for a server, in the message buffer of each is something else.
pub fn messages() -> Result<(), Failure> {
    const BYTES: usize = 60_000;
    let mut threads = Vec::new();
    for n in 0..6 {
        let (mut from, mut to) = pipe().map_err(trouble("pipe"))?;
        let writer = thread::spawn(move || {
            let bytes: Vec<u8> = (0..BYTES).map(|at| pattern(n, at)).collect();
            bytes.chunks(1777).try_for_each(|piece| write_all(&mut to, piece)).map(|()| BYTES)
        });
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes)?;
            Ok(bytes.iter().enumerate().take_while(|(at, byte)| pattern(n, *at) == **byte).count())
        });
        threads.push(writer.map_err(trouble("spawn"))?);
        threads.push(reader.map_err(trouble("spawn"))?);
    }
    for result in all(threads)? {
        equal("right bytes", result.map_err(trouble("a pipe"))?, BYTES)?;
    }
    Ok(())
}

/// Lines of several threads of another program, through a pipe.
pub fn printing() -> Result<(), Failure> {
    let (from, to) = pipe().map_err(trouble("pipe"))?;
    let child = Command::new("/bin/rt-test")
        .arg("--end")
        .arg("lines")
        .stdout(&to)
        .spawn()
        .map_err(trouble("spawn"))?;
    drop(to);
    let mut from = BufReader::new(from);
    let mut counts = vec![0u32; 5];
    let mut line = String::new();
    while from.read_line(&mut line).map_err(trouble("reading"))? > 0 {
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let number = words.first().and_then(|n| n.parse::<usize>().ok());
        let count = number.and_then(|n| counts.get_mut(n)).ok_or_else(|| format!("a line {line:?}"))?;
        equal("a line's words", words.as_slice(), &vec![words[0]; 20])?;
        *count += 1;
        line.clear();
    }
    equal("status", child.wait().map_err(trouble("wait"))?, 0)?;
    equal("lines", counts, vec![40; 5])
}

/// What [`printing`] reads.
pub fn print_lines() -> u8 {
    let threads = several(5, |n| {
        move || {
            for _ in 0..40 {
                let words = [n; 19];
                ebb_rt::println!("{n}{}", words.iter().map(|w| format!(" {w}")).collect::<String>());
                thread::yield_now();
            }
        }
    });
    threads.and_then(all).is_err() as u8
}

/// Words of the same pages belong to different threads; the memory is larger than the machine's.
pub fn pages() -> Result<(), Failure> {
    const THREADS: usize = 4;
    let words = (0..72u32 << 17).map(|_| AtomicU64::new(0)).collect();
    let shared = Arc::new(Words(words));
    let threads = several(THREADS as u32, |n| {
        let shared = shared.clone();
        move || shared.work(n as usize, THREADS)
    })?;
    for wrong in all(threads)? {
        equal("wrong words", wrong, 0)?;
    }
    Ok(())
}

struct Words(Vec<AtomicU64>);

impl Words {
    /// Writes words that are this thread's at random, reads them again, and counts those that have changed.
    fn work(&self, thread: usize, threads: usize) -> usize {
        let mut random = Random::new(thread as u64 + 1);
        let places = (self.0.len() / threads) as u64;
        let mut written = Vec::new();
        for _ in 0..6000 {
            let at = random.below(places) as usize * threads + thread;
            self.0[at].store(at as u64 ^ 0x5555, Ordering::Relaxed);
            written.push(at);
        }
        written.into_iter().filter(|at| self.0[*at].load(Ordering::Relaxed) != *at as u64 ^ 0x5555).count()
    }
}

fn deep(levels: u32, seed: u64) -> u64 {
    let mut room = [seed; 64];
    core::hint::black_box(&mut room);
    if levels == 0 { room[17] } else { deep(levels - 1, seed + 1) + room[levels as usize % 64] }
}

pub fn stacks() -> Result<(), Failure> {
    let small = deep(200, 5);
    let threads = several(6, |_| || deep(200, 5))?;
    for result in all(threads)? {
        equal("the depths of a small stack", result, small)?;
    }
    // 16 MiB and more.
    let large = thread::spawn_with_stack(48 << 20, || deep(30_000, 5)).map_err(trouble("spawn"))?;
    let result = large.join().map_err(trouble("join"))?;
    equal("the depths of a large one", result > small, true)
}
