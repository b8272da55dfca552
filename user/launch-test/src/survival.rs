// SPDX-License-Identifier: BSD-2-Clause
//! The server of processes is killed, at any moment: programs go on, and the next one knows them.

use crate::Failure;
use crate::parent::{Parent, because, same};
use crate::signals::{change, pause, send, sleeper};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::process::{self, Child, Command, Forked, Target, signal};
use ebb_rt::proto::Error;
use ebb_rt::proto::init::{Kill, Services};
use ebb_rt::proto::pipe::End;
use ebb_rt::proto::proc::{Change, Group, KILLED, SIGNALLED};
use ebb_rt::proto::start::Stream;
use ebb_rt::start::Given;
use ebb_rt::thread;
use ebb_rt::time::Duration;

/// Times that it is killed in each test.
const DEATHS: u32 = 40;

/// Said on the kernel's command line where it fails on purpose, again and again.
pub const FAILS: &str = "proc-fails=";
/// How often that is waited for.
const FAILURES: u32 = 24;
/// How long a server has to live, so that it counts as one that can.
const LIFE_MS: u64 = 1_100;

pub fn kill_server(p: &Parent) -> Result<(), Error> {
    call(p.info.handle("init")?, &Kill { role: "proc".into() })
}

/// Kills it again and again, after times that differ.
fn killer(init: ebb_rt::abi::Handle, over: &AtomicBool, deaths: &AtomicU32) -> Result<(), Error> {
    let mut us = 500;
    while deaths.load(Ordering::Relaxed) < DEATHS {
        us = us * 7 % 19_997 + 300;
        thread::sleep(Duration::from_micros(us))?;
        call(init, &Kill { role: "proc".into() })?;
        deaths.fetch_add(1, Ordering::Relaxed);
    }
    over.store(true, Ordering::Relaxed);
    Ok(())
}

pub fn spawning(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let (over, deaths) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let init = because("init", p.info.handle("init"))?;
    let thread = {
        let (over, deaths) = (over.clone(), deaths.clone());
        because("thread", thread::spawn(move || killer(init, &over, &deaths)))?
    };
    let (mut ended, mut lost) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        match Command::new("launch-test").arg("nothing").spawn() {
            Ok(child) => {
                let status = because("wait", child.wait())?;
                same("status", status, 0)?;
                ended += 1;
            }
            // Whether there is one nobody knows.
            Err(Error::Dead) => lost += 1,
            Err(error) => return Err(format!("spawn: {error}")),
        }
    }
    because("killer", because("join", thread.join())?)?;
    if ended == 0 {
        return Err(format!("none of {lost} was started"));
    }
    // Those that nobody knows have ended by themselves, and are asked for here.
    loop {
        match process::wait_any() {
            Ok((_, Change::Ended(_))) => {}
            Ok(_) => return Err("something else than an end".into()),
            Err(Error::NotFound) => break,
            Err(error) => return Err(format!("wait: {error}")),
        }
    }
    same("spaces", p.spaces()?, before)
}

pub fn waiting(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let mut children: Vec<Child> = Vec::new();
    for _ in 0..8 {
        children.push(sleeper(Group::Inherited)?);
    }
    because("nice", process::set_nice(children[0].id(), 7))?;
    send(children[1], signal::STOP)?;
    same("stopped", change(children[1])?, Some(Change::Stopped(signal::STOP)))?;
    send(children[2], signal::STOP)?;
    for _ in 0..5 {
        because("kill", kill_server(p))?;
    }
    // What was told is not told again, what was not is.
    same("told", change(children[1])?, None)?;
    same("not told", change(children[2])?, Some(Change::Stopped(signal::STOP)))?;
    let list = because("list", process::list())?;
    let nice = list.iter().find(|p| p.pid == children[0].id()).map(|p| p.nice);
    same("nice", nice, Some(7))?;
    // Somebody waits while it dies.
    let last = children.pop().ok_or("no child")?;
    let thread = because("thread", thread::spawn(move || last.wait()))?;
    pause(5)?;
    because("kill", kill_server(p))?;
    pause(5)?;
    because("kill", last.kill())?;
    same("waited", because("join", thread.join())?, Ok(KILLED))?;
    for child in children {
        send(child, signal::CONT)?;
        because("kill", child.kill())?;
        because("kill", kill_server(p))?;
        same("killed", because("wait", child.wait())?, KILLED)?;
    }
    same("spaces", p.spaces()?, before)
}

/// Starts, stops and ends programs until it has failed often enough. Each that was begun is there, or it is not: nothing in between.
pub fn in_the_middle(p: &Parent) -> Result<(), Failure> {
    // A retry may meet the next failure: what is asked here may be done twice.
    let patiently = |child: Child, number: u8| match process::kill(Target::Process(child.id()), number) {
        Ok(()) | Err(Error::NotFound) => Ok(()),
        Err(error) => Err(format!("signal {number}: {error}")),
    };
    let (mut failures, mut rounds, mut lost) = (0, 0, 0);
    let mut deaths = deaths(p)?;
    let before = p.spaces()?;
    let pipe = p.new_pipe()?;
    while failures < FAILURES {
        rounds += 1;
        let stream = [Stream::Null, Stream::PipeWrite(pipe)];
        let mut shared = None;
        let started = match rounds % 6 {
            5 => process::share(|| thread::sleep(Duration::from_secs(3600)).is_err() as u8).map(|s| {
                let pid = s.id();
                shared = Some(s);
                pid
            }),
            0 | 3 => p.try_launch("launch-test", &["sleep"], &stream),
            how => process::fork().map(|forked| match forked {
                Forked::Parent(child) => child.id(),
                Forked::Child => as_copy(how % 3),
            }),
        };
        match started {
            Ok(pid) => {
                let child = Child::numbered(pid);
                patiently(child, signal::STOP)?;
                patiently(child, signal::CONT)?;
                patiently(child, signal::TERM)?;
                let status = shared.map_or_else(|| child.wait(), |shared| shared.wait());
                same("status", because("wait", status)?, SIGNALLED + signal::TERM)?;
            }
            Err(Error::Dead) => lost += 1,
            // Each of those of which nothing is known has the number of a thread.
            Err(Error::Busy) if rounds % 6 == 5 => {}
            Err(error) => return Err(format!("spawn: {error}")),
        }
        let now = self::deaths(p)?;
        if now != deaths {
            failures += now - deaths;
            deaths = now;
            pause(LIFE_MS)?;
        }
    }
    // Those of which it is not known whether they were started run, as this program's children, or were never there.
    let own = because("id", process::id())?;
    for process in because("list", process::list())?.iter().filter(|p| p.parent == own) {
        let child = Child::numbered(process.pid);
        patiently(child, signal::KILL)?;
        same("status", because("wait", child.wait())?, KILLED)?;
        lost -= 1;
    }
    println!("{rounds} programs, {failures} failures, {lost} that were never there");
    p.close(pipe, End::Write)?;
    // Whoever else had the end would make this wait for ever.
    same("bytes", p.read_all(pipe)?.len(), 0)?;
    p.close(pipe, End::Read)?;
    same("spaces", p.spaces()?, before)
}

/// What a copy does, for long: sleeping, or becoming a program that does.
fn as_copy(how: u32) -> ! {
    if how == 2 {
        while Command::new("launch-test").arg("sleep").exec() == Error::Dead {}
    }
    // That it could not sleep shows in the status.
    process::exit(thread::sleep(Duration::from_secs(3600)).is_err() as u8)
}

/// How often it has died.
fn deaths(p: &Parent) -> Result<u32, Failure> {
    let services = because("services", call(because("init", p.info.handle("init"))?, &Services {}))?;
    Ok(services.iter().find(|s| s.role == "proc").map_or(0, |s| s.starts.1))
}
