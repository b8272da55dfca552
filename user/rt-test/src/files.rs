// SPDX-License-Identifier: BSD-2-Clause
//! Files, by several threads and in memory.

use crate::{Failure, equal, trouble};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use ebb_rt::fs::{self, Error, File, Map, OpenOptions, Sharing};
use ebb_rt::io::{BufReader, BufWriter, Write, write_all};
use ebb_rt::thread;

const PAGE: usize = 4096;

fn contents(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect()
}

/// Each reads all of it, in other pieces, through one open file, into memory that it has not touched before.
pub fn reading() -> Result<(), Failure> {
    let path = "/tmp/rt-test.reading";
    let bytes = Arc::new(contents(900_001));
    fs::write(path, &bytes).map_err(trouble(path))?;
    let file = Arc::new(File::open(path).map_err(trouble(path))?);
    let mut threads = Vec::new();
    for n in 0..5 {
        let (file, bytes) = (file.clone(), bytes.clone());
        let work = move || {
            let mut mine = vec![0; bytes.len()];
            let mut at = 0;
            while at < mine.len() {
                let end = mine.len().min(at + 3001 * (n + 1));
                match file.read_at(&mut mine[at..end], at as u64)? {
                    0 => break,
                    count => at += count,
                }
            }
            Ok::<bool, Error>(mine == *bytes)
        };
        threads.push(thread::spawn(work).map_err(trouble("spawn"))?);
    }
    for thread in threads {
        equal("the file", thread.join().map_err(trouble("join"))?.map_err(trouble("reading"))?, true)?;
    }
    fs::remove_file(path).map_err(trouble(path))
}

pub fn appending() -> Result<(), Failure> {
    let path = "/tmp/rt-test.appending";
    let file =
        OpenOptions::new().append(true).create(true).truncate(true).open(path).map_err(trouble(path))?;
    let file = Arc::new(file);
    let mut threads = Vec::new();
    for n in 0..6u8 {
        let file = file.clone();
        let work = move || {
            (0..100u8).try_for_each(|round| {
                let record = [n, round].repeat(50);
                match file.write_at(&record, 0)? {
                    100 => Ok(()),
                    _ => Err(Error::Io),
                }
            })
        };
        threads.push(thread::spawn(work).map_err(trouble("spawn"))?);
    }
    for thread in threads {
        thread.join().map_err(trouble("join"))?.map_err(trouble("appending"))?;
    }
    let all = fs::read(path).map_err(trouble(path))?;
    equal("bytes", all.len(), 6 * 100 * 100)?;
    let mut next = [0u8; 6];
    for record in all.chunks_exact(100) {
        let (n, round) = (record[0], record[1]);
        equal("a record", record, [n, round].repeat(50).as_slice())?;
        let next = next.get_mut(n as usize).ok_or_else(|| format!("a record of {n}"))?;
        equal("its turn", round, *next)?;
        *next += 1;
    }
    fs::remove_file(path).map_err(trouble(path))
}

pub fn mapped() -> Result<(), Failure> {
    let path = "/tmp/rt-test.mapped";
    let mut bytes = contents(5 * PAGE + 123);
    fs::write(path, &bytes).map_err(trouble(path))?;
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(trouble(path))?;
    let map = |sharing| Map::new(&file, 0, 6, sharing).map_err(trouble("mmap"));
    let (read, shared, private) = (map(Sharing::Read)?, map(Sharing::Shared)?, map(Sharing::Private)?);
    let mut seen = vec![1; 6 * PAGE];
    read.copy_out(0, &mut seen).map_err(trouble("copying out"))?;
    equal(
        "the mapping",
        (&seen[..bytes.len()], seen[bytes.len()..].iter().all(|b| *b == 0)),
        (&bytes[..], true),
    )?;
    shared.copy_in(PAGE as u64 - 3, b"shared").map_err(trouble("copying in"))?;
    private.copy_in(3 * PAGE as u64 + 1, b"private").map_err(trouble("copying in"))?;
    bytes[PAGE - 3..PAGE + 3].copy_from_slice(b"shared");
    for (what, map) in [("read", &read), ("shared", &shared)] {
        map.copy_out(0, &mut seen).map_err(trouble(what))?;
        equal(what, &seen[..bytes.len()], &bytes[..])?;
    }
    equal("the file", fs::read(path).map_err(trouble(path))?, bytes.clone())?;
    private.copy_out(0, &mut seen).map_err(trouble("private"))?;
    equal("the private copy", &seen[3 * PAGE + 1..3 * PAGE + 8], &b"private"[..])?;
    equal("beside it", &seen[PAGE - 3..PAGE + 3], &b"shared"[..])?;
    shared.lock(0, 6).map_err(trouble("lock"))?;
    let there = shared.residence().map_err(trouble("residence"))?;
    equal("resident", there.iter().filter(|p| p.resident()).count(), 6)?;
    shared.unlock(0, 6).map_err(trouble("unlock"))?;
    shared.sync(0, 6, true).map_err(trouble("msync"))?;
    equal("writing to what is read", read.copy_in(0, b"x"), Err(Error::Access))?;
    equal("beyond", shared.copy_in(6 * PAGE as u64 - 1, b"xx"), Err(Error::Invalid))?;
    equal("beyond", shared.sync(5, 2, true), Err(Error::Invalid))?;
    fs::remove_file(path).map_err(trouble(path))
}

pub fn lines() -> Result<(), Failure> {
    let path = "/tmp/rt-test.lines";
    let mut to = BufWriter::new(File::create(path).map_err(trouble(path))?);
    for n in 0..5000 {
        write_all(&mut to, format!("line {n}\n").as_bytes()).map_err(trouble("writing"))?;
    }
    to.flush().map_err(trouble("writing"))?;
    let mut from = BufReader::new(File::open(path).map_err(trouble(path))?);
    let (mut line, mut count) = (String::new(), 0);
    while from.read_line(&mut line).map_err(trouble("reading"))? > 0 {
        equal("a line", line.as_str(), format!("line {count}\n").as_str())?;
        line.clear();
        count += 1;
    }
    equal("lines", count, 5000)?;
    fs::remove_file(path).map_err(trouble(path))
}
