// SPDX-License-Identifier: BSD-2-Clause
//! Random stories against a naive model: what is read is what was written; and after the pager or the machine has died at any point, what was promised is there.

use super::machine::Machine;
use super::rig::{Rig, assert_clean, image, pages_of, pattern};
use crate::world::PAGE;
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{ALL, Notice, Op, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::string::{String, ToString};
use std::vec::Vec;

const NAMES: [&str; 6] = ["/a", "/b", "/d/c", "/d/d", "/d/e", "/f"];
const MAX_PAGES: usize = 40;
/// Points of death: more find more, and take longer.
const POINTS: usize = 60;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// A file as it should be.
#[derive(Clone, Debug, Default)]
struct File {
    inode: u32,
    bytes: Vec<u8>,
    grants: u64,
    /// Pages whose writing was not answered.
    doubtful: BTreeSet<usize>,
    /// Pages written since the last fsync.
    unsynced: BTreeSet<usize>,
    /// Cut, or made longer, since the last fsync.
    resized: bool,
    /// Its size may be either of two.
    doubtful_size: bool,
}

#[derive(Default)]
struct Model {
    files: BTreeMap<String, File>,
    /// Names of which nobody knows whether the last change of them was made.
    doubtful: BTreeSet<String>,
}

impl Model {
    fn doubt(&mut self, names: &[&str]) {
        for name in names {
            self.files.remove(*name);
            self.doubtful.insert(name.to_string());
        }
    }
}

/// Plays until the disk stands still or so many operations were done.
fn play(rig: &mut Rig, model: &mut Model, dice: &mut Dice, operations: usize) {
    for _ in 0..operations {
        step(rig, model, dice);
        if rig.is_stopped() {
            return;
        }
    }
}

fn open(rig: &mut Rig, path: &str, create: bool) -> Result<u32, Error> {
    let flags =
        OpenFlags::READ | OpenFlags::WRITE | if create { OpenFlags::CREATE } else { OpenFlags::empty() };
    rig.open(path, flags).map(|o| o.stat.inode)
}

fn step(rig: &mut Rig, model: &mut Model, dice: &mut Dice) {
    let name = NAMES[dice.roll(NAMES.len())];
    let other = NAMES[dice.roll(NAMES.len())];
    let known = model.files.contains_key(name);
    match dice.roll(12) {
        0 | 1 if !known => match open(rig, name, true) {
            Ok(inode) => {
                model.files.insert(name.into(), File { inode, grants: 1, ..File::default() });
            }
            Err(error) => {
                assert!(rig.is_stopped(), "{error:?} {:?}", rig.m.borrow().log);
                model.doubt(&[name]);
            }
        },
        2..=5 if known => write(rig, model.files.get_mut(name).unwrap(), dice),
        6 if known => {
            let file = model.files.get_mut(name).unwrap();
            let size = dice.roll(MAX_PAGES * PAGE);
            let keep = file.bytes.len().min(size) / PAGE;
            match rig.attempt(Op::Resize, [file.inode as u64, size as u64, 0]) {
                Outcome::Ok => {}
                _ => {
                    assert!(rig.is_stopped());
                    file.doubtful_size = true;
                    file.doubtful.extend(keep..MAX_PAGES + 1);
                }
            }
            file.bytes.resize(size, 0);
            file.resized = true;
            file.unsynced.extend(keep..MAX_PAGES + 1);
        }
        7 => {
            let all = dice.roll(2) == 0;
            let inode = model.files.get(name).map(|f| f.inode);
            let object = if all { ALL } else { inode.map_or(ALL, u64::from) };
            let outcome = rig.attempt(Op::Fsync, [object, 0, 0]);
            assert!(outcome == Outcome::Ok || rig.is_stopped(), "{outcome:?} {:?}", rig.m.borrow().log);
            for file in model.files.values_mut() {
                if outcome == Outcome::Ok && (object == ALL || object == file.inode as u64) {
                    file.unsynced.clear();
                    file.resized = false;
                }
            }
        }
        8 if known && name != other => {
            if rig.pager.rename(name, other).is_err() {
                assert!(rig.is_stopped());
                return model.doubt(&[name, other]);
            }
            let file = model.files.remove(name).unwrap();
            let old = model.files.insert(other.into(), file);
            model.doubtful.remove(other);
            if let Some(old) = old {
                told(rig, old);
            }
        }
        9 if known => {
            if rig.pager.remove(name).is_err() {
                assert!(rig.is_stopped());
                return model.doubt(&[name]);
            }
            let file = model.files.remove(name).unwrap();
            told(rig, file);
        }
        10 if known => {
            let file = &model.files[name];
            let first = dice.roll(MAX_PAGES) as u64;
            let outcome = rig.attempt(Op::Reserve, [file.inode as u64, first, 1 + dice.roll(8) as u64]);
            assert!(outcome == Outcome::Ok || rig.is_stopped(), "{outcome:?}");
        }
        11 if known => {
            let file = model.files.get_mut(name).unwrap();
            let endless = rig.m.borrow().left.is_none();
            if endless {
                assert!(rig.read(file.inode, file.bytes.len()) == file.bytes, "{name} differs");
            }
            // What is not on the disk yet is not given up.
            if file.doubtful.is_empty()
                && rig.attempt(Op::Release, [file.inode as u64, file.grants, 0]) == Outcome::Ok
            {
                match open(rig, name, false) {
                    Ok(_) => file.grants = 1,
                    Err(_) => assert!(rig.is_stopped()),
                }
                if endless {
                    assert_eq!(rig.pager.status(name, true).unwrap().size, file.bytes.len() as u64);
                }
            }
        }
        _ => {}
    }
}

/// `vm` hears that a file was unlinked, and gives it up.
fn told(rig: &mut Rig, file: File) {
    rig.run();
    let notice = rig.grants.pop();
    assert_eq!(notice, Some(Notice::Unlinked { inode: file.inode }));
    if rig.attempt(Op::Release, [file.inode as u64, file.grants, 0]) != Outcome::Ok {
        assert!(rig.is_stopped());
    }
}

fn write(rig: &mut Rig, file: &mut File, dice: &mut Dice) {
    let first = dice.roll((file.bytes.len() / PAGE + 5).min(MAX_PAGES - 1));
    let count = 1 + dice.roll((MAX_PAGES - first).min(20));
    let cut = if dice.roll(2) == 0 { dice.roll(PAGE) } else { 0 };
    let end = ((first + count) * PAGE - cut).max(file.bytes.len().min((first + count) * PAGE));
    let before = file.bytes.len();
    if end > before {
        file.bytes.resize(end, 0);
        file.resized = true;
        if rig.attempt(Op::Size, [file.inode as u64, end as u64, 0]) != Outcome::Ok {
            file.doubtful_size = true;
        }
    }
    let start = first * PAGE;
    let fresh = pattern(dice.0, end - start);
    file.bytes[start..end].copy_from_slice(&fresh);
    // The page that was the last one has changed too if it is followed now: the rest of it is zero.
    let pages = pages_of(&file.bytes[start..(start + count * PAGE).min(file.bytes.len())]);
    let outcomes = rig.put(file.inode, first as u32, &pages);
    for (nth, outcome) in outcomes.iter().enumerate() {
        file.unsynced.insert(first + nth);
        if *outcome != Outcome::Ok {
            assert!(rig.is_stopped(), "{outcome:?} {:?}", rig.m.borrow().log);
            file.doubtful.insert(first + nth);
        } else {
            file.doubtful.remove(&(first + nth));
        }
    }
}

fn begin(seed: u64) -> (Rig, Model, Dice) {
    let mut rig = Rig::on(image(), true);
    rig.m.borrow_mut().shuffle = Some(seed);
    rig.pager.make_directory("/d", 0o755).unwrap();
    (rig, Model::default(), Dice(seed))
}

#[test]
fn what_is_read_is_what_was_written() {
    for seed in 0..3 {
        let (mut rig, mut model, mut dice) = begin(seed);
        for _ in 0..4 {
            play(&mut rig, &mut model, &mut dice, 120);
            for file in model.files.values() {
                assert!(rig.read(file.inode, file.bytes.len()) == file.bytes, "seed {seed}");
            }
            rig.assert_sound();
            let held: Vec<(u32, u64)> =
                model.files.values().map(|f| (f.inode, f.bytes.len() as u64)).collect();
            rig = rig.restart(&held);
            model.files.values_mut().for_each(|f| f.grants = 0);
        }
    }
}

/// Everything that was answered is there after the death of the pager: `vm` tells the next instance sizes.
fn after_death(mut rig: Rig, model: &Model, what: &str) {
    for (name, file) in &model.files {
        let held = rig.attempt(Op::Hold, [file.inode as u64, file.bytes.len() as u64, 0]);
        assert_eq!(held, Outcome::Ok, "{what}: {name}");
        assert_eq!(rig.pager.status(name, true).map(|s| s.inode), Ok(file.inode), "{what}: {name}");
        let read = rig.read(file.inode, file.bytes.len());
        for (page, (is, should)) in read.chunks(PAGE).zip(file.bytes.chunks(PAGE)).enumerate() {
            assert!(is == should || file.doubtful.contains(&page), "{what}: page {page} of {name}");
        }
    }
    for name in NAMES {
        if !model.files.contains_key(name) && !model.doubtful.contains(name) {
            assert_eq!(rig.pager.status(name, true), Err(Error::NotFound), "{what}: {name}");
        }
    }
    rig.assert_sound();
}

/// Everything that fsync has answered for is there after the death of the machine.
fn after_crash(mut rig: Rig, model: &Model, what: &str) {
    for (name, file) in &model.files {
        let stat = rig.pager.status(name, true).unwrap_or_else(|e| panic!("{what}: {name}: {e:?}"));
        assert_eq!(stat.inode, file.inode, "{what}: {name}");
        if !file.resized && !file.doubtful_size {
            assert_eq!(stat.size, file.bytes.len() as u64, "{what}: size of {name}");
        }
        let read = rig.read(file.inode, file.bytes.len());
        for (page, (is, should)) in read.chunks(PAGE).zip(file.bytes.chunks(PAGE)).enumerate() {
            let open = file.unsynced.contains(&page) || file.doubtful.contains(&page);
            // Its last page was another when it was synced.
            let end = file.resized && page + 1 >= stat.size.div_ceil(PAGE as u64) as usize;
            assert!(is == should || open || end, "{what}: page {page} of {name}");
        }
    }
    rig.assert_sound();
}

fn dies_after(seed: u64, requests: usize) -> (Rig, Model) {
    let (mut rig, mut model, mut dice) = begin(seed);
    rig.m.borrow_mut().left = Some(requests);
    play(&mut rig, &mut model, &mut dice, 400);
    (rig, model)
}

#[test]
fn the_pager_dies_at_any_request() {
    for point in 0..POINTS {
        let (rig, model) = dies_after(point as u64 % 4, point * 11);
        let disk = rig.m.borrow().content();
        drop(rig);
        after_death(Rig::on(disk, false), &model, &std::format!("death {point}"));
    }
}

#[test]
fn the_machine_dies_at_any_request() {
    for point in 0..POINTS {
        let (rig, model) = dies_after(10 + point as u64 % 4, 1 + point * 11);
        let mut dice = Dice(point as u64);
        let disk = rig.m.borrow().crashed(|_| dice.roll(2) == 0);
        drop(rig);
        assert_clean(&disk);
        after_crash(Rig::on(disk, true), &model, &std::format!("crash {point}"));
    }
}

#[test]
fn a_mount_that_is_interrupted_is_repeated() {
    let (rig, model) = dies_after(3, 400);
    let disk = rig.m.borrow().content();
    drop(rig);
    for requests in 0..20 {
        let mut machine = Machine::new(disk.clone());
        machine.left = Some(requests);
        let geometry = crate::Geometry { disk: 1, pages: machine.pages(), read_only: false };
        let rig = Rig::with(machine, true, geometry);
        let mut dice = Dice(requests as u64);
        let disk = rig.m.borrow().crashed(|_| dice.roll(2) == 0);
        assert_clean(&disk);
        after_crash(Rig::on(disk, true), &model, &std::format!("mount {requests}"));
    }
}
