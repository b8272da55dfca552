// SPDX-License-Identifier: BSD-2-Clause
//! Names, programs, time and memory.

use crate::file::Open;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_rt::io::{self, Channel};
use ebb_rt::memory::Region;
use ebb_rt::proto::vm::Advice;
use ebb_rt::{clock, env, fs, process, time};
use ebb_tools::system::*;

/// The machine.
pub struct Machine;

/// Permissions that what is made does not get: there is no mask that a program could set.
const MASK: u16 = 0o022;
/// Where programs are looked for if `PATH` does not say.
const PATH: &str = "/bin";

struct Anonymous(Region);

impl Memory for Anonymous {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// The file of a program: in one of the directories of `PATH`, or a name of the boot image.
fn find(command: &Command) -> Result<String> {
    let is_file = |path: &str| fs::metadata(path).is_ok_and(|stat| stat.kind == Kind::File);
    if command.program.contains('/') {
        // What a directory that is to be the working one has to do with it, the system decides; here only that it is there.
        return match (&command.directory, fs::metadata(&command.program)) {
            (None, Err(error)) => Err(error),
            (None, Ok(stat)) if stat.kind != Kind::File => Err(Error::Access),
            _ => Ok(command.program.clone()),
        };
    }
    let places = command.env.iter().find(|(name, _)| name == "PATH").map_or(PATH, |(_, value)| value);
    let files = places.split(':').map(|place| format!("{place}/{}", command.program));
    Ok(files.into_iter().find(|file| is_file(file)).unwrap_or_else(|| command.program.clone()))
}

impl System for Machine {
    fn stdin(&self) -> Box<dyn File> {
        Box::new(Open::Standard(io::stdin()))
    }
    fn stdout(&self) -> Box<dyn File> {
        Box::new(Open::Standard(io::stdout()))
    }
    fn stderr(&self) -> Box<dyn File> {
        Box::new(Open::Standard(io::stderr()))
    }
    fn open(&self, path: &str, access: Access, mode: u16) -> Result<Box<dyn File>> {
        if let Some(channel) = Channel::device(path) {
            return Ok(Box::new(Open::Own(channel)));
        }
        let options = fs::OpenOptions::new()
            .read(access.contains(Access::READ))
            .write(access.contains(Access::WRITE))
            .create(access.contains(Access::CREATE))
            .truncate(access.contains(Access::TRUNCATE))
            .mode(mode & !MASK);
        let options = if access.contains(Access::EXCLUSIVE) { options.create_new(true) } else { options };
        let options = if access.contains(Access::APPEND) { options.append(true) } else { options };
        Ok(Box::new(Open::Own(Channel::File(options.open(path)?))))
    }
    fn status(&self, path: &str, follow: Follow) -> Result<Stat> {
        match follow {
            Follow::Yes => fs::metadata(path),
            Follow::No => fs::symlink_metadata(path),
        }
    }
    fn list(&self, path: &str) -> Result<Vec<Entry>> {
        fs::read_dir(path)?
            .map(|entry| entry.map(|e| Entry { name: e.name, inode: e.inode, kind: e.kind }))
            .collect()
    }
    fn make_directory(&self, path: &str, mode: u16) -> Result<()> {
        fs::create_dir(path, mode & !MASK)
    }
    fn remove(&self, path: &str) -> Result<()> {
        fs::remove_file(path)
    }
    fn remove_directory(&self, path: &str) -> Result<()> {
        fs::remove_dir(path)
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(from, to)
    }
    fn link(&self, from: &str, to: &str) -> Result<()> {
        fs::hard_link(from, to)
    }
    fn make_link(&self, target: &str, path: &str) -> Result<()> {
        fs::symlink(target, path)
    }
    fn read_link(&self, path: &str) -> Result<String> {
        fs::read_link(path)
    }
    fn set_mode(&self, path: &str, mode: u16) -> Result<()> {
        fs::set_mode(path, mode)
    }
    fn set_modified(&self, path: &str, us: u64) -> Result<()> {
        fs::set_modified(path, us)
    }
    fn mounts(&self) -> Result<Vec<Mount>> {
        fs::mounts()
    }
    fn sync(&self) -> Result<()> {
        fs::sync_all()
    }
    fn sleep_us(&self, us: u64) -> Result<()> {
        clock::sleep_us(us)
    }
    fn now_us(&self) -> u64 {
        time::now_us()
    }
    fn clock_us(&self) -> u64 {
        clock::now_us()
    }
    fn env(&self) -> Vec<(String, String)> {
        env::vars()
    }
    fn run(&self, command: &Command) -> Result<u8> {
        let program = find(command)?;
        let mut child = process::Command::new(&program).args(&command.args).envs(command.env.clone());
        if let Some(directory) = &command.directory {
            match fs::metadata(directory)?.kind {
                Kind::Directory => child = child.current_dir(directory),
                _ => return Err(Error::NotDirectory),
            }
        }
        if command.nicer != 0 {
            // The tool itself is nicer from now on, which its child inherits.
            let nice = self.niceness()?.saturating_add(command.nicer).clamp(-20, 19);
            process::set_nice(0, nice as i8)?;
        }
        child.status()
    }
    fn niceness(&self) -> Result<i32> {
        let own = process::id()?;
        let all = process::list()?;
        all.iter().find(|p| p.pid == own).map(|p| p.nice as i32).ok_or(Error::NotFound)
    }
    fn memory(&self, bytes: usize, pattern: Pattern) -> Result<Box<dyn Memory>> {
        let region = Region::new(bytes)?;
        if pattern == Pattern::Sequential {
            region.advise(Advice::Sequential)?;
        }
        Ok(Box::new(Anonymous(region)))
    }
}
