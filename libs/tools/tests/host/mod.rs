// SPDX-License-Identifier: BSD-2-Clause
//! The host as a [`System`]: files below a folder, streams in memory or the process's own, and faults on request.
#![allow(dead_code)]

pub mod compare;

use ebb_tools::system::*;
use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A fault: after so many bytes this error.
#[derive(Clone, Copy)]
pub struct Fault {
    pub after: u64,
    pub error: Error,
}

/// Which operations fail.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub stdout: Option<Fault>,
    pub write: Option<Fault>,
    pub read: Option<Fault>,
    /// Closing a file that was written.
    pub close: Option<Error>,
    /// Bytes of memory that there are.
    pub memory: Option<u64>,
    /// Bytes that one read or write moves at most.
    pub piece: Option<usize>,
}

/// What a tool has for a standard stream.
pub enum Stream {
    /// The process's own.
    Own,
    /// Bytes of the test: a pipe.
    Bytes(Rc<RefCell<Vec<u8>>>),
}

pub struct Host {
    pub folder: PathBuf,
    pub stdin: Option<Rc<RefCell<io::Cursor<Vec<u8>>>>>,
    pub stdout: Option<Rc<RefCell<Vec<u8>>>>,
    pub stderr: Option<Rc<RefCell<Vec<u8>>>>,
    pub faults: Faults,
    pub env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    pub slept_us: Cell<u64>,
    pub written: Rc<Cell<u64>>,
    pub start: Instant,
}

impl Host {
    /// The process's own streams and folder.
    pub fn own() -> Host {
        Host {
            folder: std::env::current_dir().unwrap(),
            stdin: None,
            stdout: None,
            stderr: None,
            faults: Faults::default(),
            env: std::env::vars().collect(),
            mounts: Vec::new(),
            slept_us: Cell::new(0),
            written: Rc::default(),
            start: Instant::now(),
        }
    }

    /// Streams in memory, files below `folder`.
    pub fn new(folder: &Path, stdin: &[u8]) -> Host {
        Host {
            folder: folder.to_path_buf(),
            stdin: Some(Rc::new(RefCell::new(io::Cursor::new(stdin.to_vec())))),
            stdout: Some(Rc::default()),
            stderr: Some(Rc::default()),
            ..Host::own()
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// How a tool ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub status: u8,
    pub out: Vec<u8>,
    pub err: String,
}

/// Runs one of the tools on a host.
pub fn run_on(host: &Host, name: &str, args: &[&str]) -> Ended {
    let tool = ebb_tools::TOOLS.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no tool {name}"));
    let status = ebb_tools::run(tool, host, args);
    Ended {
        status,
        out: host.stdout.as_ref().unwrap().borrow().clone(),
        err: String::from_utf8_lossy(&host.stderr.as_ref().unwrap().borrow()).into_owned(),
    }
}

/// Runs one of the tools in a folder.
pub fn run(folder: &Path, name: &str, args: &[&str], stdin: &[u8]) -> Ended {
    run_on(&Host::new(folder, stdin), name, args)
}

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ebb-tools-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What a test leaves behind in a temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn error_of(error: io::Error) -> Error {
    use io::ErrorKind as K;
    match (error.kind(), error.raw_os_error()) {
        (_, Some(40)) => Error::Loop,
        (K::NotFound, _) => Error::NotFound,
        (K::PermissionDenied, _) => Error::Access,
        (K::AlreadyExists, _) => Error::Exists,
        (K::NotADirectory, _) => Error::NotDirectory,
        (K::IsADirectory, _) => Error::IsDirectory,
        (K::DirectoryNotEmpty, _) => Error::NotEmpty,
        (K::ReadOnlyFilesystem, _) => Error::ReadOnly,
        (K::StorageFull, _) => Error::NoSpace,
        (K::BrokenPipe, _) => Error::BrokenPipe,
        (K::InvalidInput, _) => Error::Invalid,
        (K::InvalidFilename, _) => Error::NameTooLong,
        (K::OutOfMemory, _) => Error::NoMemory,
        _ => Error::Io,
    }
}

enum Handle {
    File(fs::File),
    Stdin,
    Stdout,
    Stderr,
    Input(Rc<RefCell<io::Cursor<Vec<u8>>>>),
    Output(Rc<RefCell<Vec<u8>>>),
}

struct Open {
    handle: Handle,
    read: u64,
    written: u64,
    read_fault: Option<Fault>,
    write_fault: Option<Fault>,
    close_fault: Option<Error>,
    piece: usize,
    total: Rc<Cell<u64>>,
}

impl Open {
    fn file(&self) -> Result<&fs::File> {
        match &self.handle {
            Handle::File(file) => Ok(file),
            _ => Err(Error::Unsupported),
        }
    }
}

/// How many bytes may still be moved before the fault; an error if none.
fn allowed(fault: Option<Fault>, done: u64, wanted: usize) -> Result<usize> {
    match fault {
        Some(fault) if done >= fault.after => Err(fault.error),
        Some(fault) => Ok(wanted.min((fault.after - done) as usize)),
        None => Ok(wanted),
    }
}

impl File for Open {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let len = allowed(self.read_fault, self.read, into.len().min(self.piece))?;
        let into = &mut into[..len];
        let n = match &mut self.handle {
            Handle::File(file) => file.read(into),
            Handle::Stdin => io::stdin().read(into),
            Handle::Input(bytes) => bytes.borrow_mut().read(into),
            _ => return Err(Error::BadFile),
        }
        .map_err(error_of)?;
        self.read += n as u64;
        Ok(n)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        let len = allowed(self.write_fault, self.written, from.len().min(self.piece))?;
        let from = &from[..len];
        let n = match &mut self.handle {
            Handle::File(file) => file.write(from),
            Handle::Stdout => io::stdout().write(from).and_then(|n| io::stdout().flush().map(|()| n)),
            Handle::Stderr => io::stderr().write(from),
            Handle::Output(bytes) => bytes.borrow_mut().write(from),
            _ => return Err(Error::BadFile),
        }
        .map_err(error_of)?;
        self.written += n as u64;
        self.total.set(self.total.get() + n as u64);
        Ok(n)
    }

    fn seek(&mut self, to: Seek) -> Result<u64> {
        let to = match to {
            Seek::To(n) => SeekFrom::Start(n),
            Seek::By(n) => SeekFrom::Current(n),
            Seek::End(n) => SeekFrom::End(n),
        };
        self.file()?;
        let Handle::File(file) = &mut self.handle else { return Err(Error::Unsupported) };
        file.seek(to).map_err(error_of)
    }

    fn regular(&self) -> Result<Option<Regular>> {
        let Ok(file) = self.file() else { return Ok(None) };
        let data = file.metadata().map_err(error_of)?;
        Ok(data.is_file().then(|| Regular { inode: data.ino(), size: data.len() }))
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        self.file()?.set_len(size).map_err(error_of)
    }

    fn sync(&mut self) -> Result<()> {
        self.file()?.sync_all().map_err(error_of)
    }

    fn is_terminal(&self) -> bool {
        false
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.close_fault.filter(|_| self.written > 0).map_or(Ok(()), Err)
    }
}

struct Bytes(Vec<u8>);

impl Memory for Bytes {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

fn stat_of(data: &fs::Metadata) -> Stat {
    let kind = kind_of(data.file_type());
    Stat {
        inode: data.ino() as u32,
        kind,
        mode: (data.mode() & 0o7777) as u16,
        links: data.nlink() as u32,
        size: data.len(),
        blocks: data.blocks(),
        modified_us: (data.mtime() as u64) * 1_000_000 + data.mtime_nsec() as u64 / 1000,
    }
}

fn kind_of(kind: fs::FileType) -> Kind {
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

impl Host {
    fn handle(&self, handle: Handle) -> Box<dyn File> {
        let stdout = matches!(handle, Handle::Stdout)
            || matches!((&handle, &self.stdout), (Handle::Output(a), Some(b)) if Rc::ptr_eq(a, b));
        let is_file = matches!(handle, Handle::File(_));
        let input = matches!(handle, Handle::Input(_));
        Box::new(Open {
            handle,
            read: 0,
            written: 0,
            read_fault: self.faults.read.filter(|_| is_file || input),
            write_fault: if stdout { self.faults.stdout } else { self.faults.write.filter(|_| is_file) },
            close_fault: self.faults.close.filter(|_| is_file),
            piece: self.faults.piece.unwrap_or(usize::MAX),
            total: self.written.clone(),
        })
    }
}

impl System for Host {
    fn stdin(&self) -> Box<dyn File> {
        self.handle(match &self.stdin {
            Some(bytes) => Handle::Input(bytes.clone()),
            None => Handle::Stdin,
        })
    }
    fn stdout(&self) -> Box<dyn File> {
        self.handle(match &self.stdout {
            Some(bytes) => Handle::Output(bytes.clone()),
            None => Handle::Stdout,
        })
    }
    fn stderr(&self) -> Box<dyn File> {
        self.handle(match &self.stderr {
            Some(bytes) => Handle::Output(bytes.clone()),
            None => Handle::Stderr,
        })
    }
    fn open(&self, path: &str, access: Access, mode: u16) -> Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(access.contains(Access::READ)).mode(u32::from(mode));
        options.write(access.contains(Access::WRITE) && !access.contains(Access::APPEND));
        options.append(access.contains(Access::APPEND));
        options.truncate(access.contains(Access::TRUNCATE));
        options.create(access.contains(Access::CREATE));
        options.create_new(access.contains(Access::EXCLUSIVE));
        let file = options.open(self.path(path)).map_err(error_of)?;
        if file.metadata().map_err(error_of)?.is_dir() {
            return Err(Error::IsDirectory);
        }
        Ok(self.handle(Handle::File(file)))
    }
    fn status(&self, path: &str, follow: Follow) -> Result<Stat> {
        let path = self.path(path);
        let data = match follow {
            Follow::Yes => fs::metadata(path),
            Follow::No => fs::symlink_metadata(path),
        };
        data.map(|data| stat_of(&data)).map_err(error_of)
    }
    fn list(&self, path: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.path(path)).map_err(error_of)? {
            let entry = entry.map_err(error_of)?;
            let data = entry.metadata().map_err(error_of)?;
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                inode: data.ino() as u32,
                kind: kind_of(data.file_type()),
            });
        }
        Ok(entries)
    }
    fn make_directory(&self, path: &str, mode: u16) -> Result<()> {
        let path = self.path(path);
        fs::create_dir(&path).map_err(error_of)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(u32::from(mode & !0o022))).map_err(error_of)
    }
    fn remove(&self, path: &str) -> Result<()> {
        let path = self.path(path);
        if fs::symlink_metadata(&path).map_err(error_of)?.is_dir() {
            return Err(Error::IsDirectory);
        }
        fs::remove_file(path).map_err(error_of)
    }
    fn remove_directory(&self, path: &str) -> Result<()> {
        fs::remove_dir(self.path(path)).map_err(error_of)
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.path(from), self.path(to)).map_err(error_of)
    }
    fn link(&self, from: &str, to: &str) -> Result<()> {
        fs::hard_link(self.path(from), self.path(to)).map_err(error_of)
    }
    fn make_link(&self, target: &str, path: &str) -> Result<()> {
        std::os::unix::fs::symlink(target, self.path(path)).map_err(error_of)
    }
    fn read_link(&self, path: &str) -> Result<String> {
        Ok(fs::read_link(self.path(path)).map_err(error_of)?.to_string_lossy().into_owned())
    }
    fn set_mode(&self, path: &str, mode: u16) -> Result<()> {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(u32::from(mode))).map_err(error_of)
    }
    fn set_modified(&self, path: &str, us: u64) -> Result<()> {
        let file = fs::File::open(self.path(path)).map_err(error_of)?;
        file.set_modified(UNIX_EPOCH + Duration::from_micros(us)).map_err(error_of)
    }
    fn mounts(&self) -> Result<Vec<Mount>> {
        Ok(self.mounts.clone())
    }
    fn sync(&self) -> Result<()> {
        Ok(())
    }
    fn sleep_us(&self, us: u64) -> Result<()> {
        self.slept_us.set(self.slept_us.get() + us);
        Ok(())
    }
    fn now_us(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
    }
    fn clock_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
    fn env(&self) -> Vec<(String, String)> {
        self.env.clone()
    }
    fn run(&self, command: &Command) -> Result<u8> {
        let mut host = match command.nicer {
            0 => process::Command::new(&command.program),
            nicer => {
                let mut host = process::Command::new("/usr/bin/nice");
                host.args(["-n", &nicer.to_string(), "--", &command.program]);
                host
            }
        };
        host.args(&command.args).env_clear().envs(command.env.iter().cloned());
        host.current_dir(command.directory.as_ref().map_or(self.folder.clone(), |d| self.path(d)));
        let out = host.output().map_err(error_of)?;
        if let Some(bytes) = &self.stdout {
            bytes.borrow_mut().extend_from_slice(&out.stdout);
        }
        if let (Some(bytes), true) = (&self.stderr, command.nicer != 0) {
            // The host's `nice` says that there is no such program.
            bytes.borrow_mut().extend_from_slice(&out.stderr);
        }
        Ok(out.status.code().unwrap_or(128) as u8)
    }
    fn niceness(&self) -> Result<i32> {
        let out = process::Command::new("/usr/bin/nice").output().map_err(error_of)?;
        String::from_utf8_lossy(&out.stdout).trim().parse().map_err(|_| Error::Io)
    }
    fn memory(&self, bytes: usize, _: Pattern) -> Result<Box<dyn Memory>> {
        if self.faults.memory.is_some_and(|most| bytes as u64 > most) {
            return Err(Error::NoMemory);
        }
        Ok(Box::new(Bytes(vec![0; bytes])))
    }
}
