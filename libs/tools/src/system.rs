// SPDX-License-Identifier: BSD-2-Clause
//! What the tools need of the system below: the machine's runtime, or a host in tests.
//!
//! Paths are as a person wrote them; the system joins relative ones to the working directory. Errors are those of
//! [`ebb_proto::Error`], so that every tool says the same of the same thing.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
pub use ebb_proto::Error;
pub use ebb_proto::fs::{Entry, Kind, Mount, Stat};

/// What an operation of the system brings.
pub type Result<T> = core::result::Result<T, Error>;

bitflags::bitflags! {
    /// How a file is opened.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Access: u8 {
        /// For reading.
        const READ = 1;
        /// For writing.
        const WRITE = 2;
        /// Made if it does not exist.
        const CREATE = 4;
        /// With `CREATE`: an error if it exists.
        const EXCLUSIVE = 8;
        /// Emptied.
        const TRUNCATE = 16;
        /// Each write goes to the end.
        const APPEND = 32;
    }
}

impl Access {
    /// A file that is written anew.
    pub const ANEW: Access = Access::WRITE.union(Access::CREATE).union(Access::TRUNCATE);
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// What it names is meant.
    Yes,
    /// The link itself is meant.
    No,
}

/// How memory will be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// Here and there.
    Random,
    /// From front to back.
    Sequential,
}

/// Where a seek goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seek {
    /// Bytes from the beginning.
    To(u64),
    /// Bytes from where the file stands.
    By(i64),
    /// Bytes from the end.
    End(i64),
}

/// What is known of an open regular file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Regular {
    /// Inode number.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
}

/// An open file or stream. Dropping it closes it; whoever has written to it calls [`File::close`] to learn of late errors.
pub trait File {
    /// Reads at most so many bytes; 0: the end.
    fn read(&mut self, into: &mut [u8]) -> Result<usize>;
    /// Writes some bytes, at least one of some. Returns how many.
    fn write(&mut self, from: &[u8]) -> Result<usize>;
    /// Moves; returns the new offset. A pipe or the terminal: `Unsupported`.
    fn seek(&mut self, to: Seek) -> Result<u64>;
    /// What is known of a regular file; `None` for anything else.
    fn regular(&self) -> Result<Option<Regular>>;
    /// Cuts or lengthens a regular file.
    fn truncate(&mut self, size: u64) -> Result<()>;
    /// What was written is durable when this returns.
    fn sync(&mut self) -> Result<()>;
    /// Whether a person sees what is written at once.
    fn is_terminal(&self) -> bool;
    /// Gives the file up; what could not be written any more is an error. A standard stream stays open.
    fn close(self: Box<Self>) -> Result<()>;
}

/// Anonymous memory of its own: given back to the system when dropped, which a heap would not do.
pub trait Memory {
    /// The bytes.
    fn bytes(&self) -> &[u8];
    /// The bytes, to be changed.
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// A program to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Its name, looked for in `PATH` if it has no `/`.
    pub program: String,
    /// Its arguments, without the name.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Its working directory, if not the tool's.
    pub directory: Option<String>,
    /// How much nicer to others it is than the tool.
    pub nicer: i32,
}

/// The system.
pub trait System {
    /// Standard input.
    fn stdin(&self) -> Box<dyn File>;
    /// Standard output.
    fn stdout(&self) -> Box<dyn File>;
    /// Standard error.
    fn stderr(&self) -> Box<dyn File>;
    /// Opens a file; `mode` are the permissions of one that is made.
    fn open(&self, path: &str, access: Access, mode: u16) -> Result<Box<dyn File>>;
    /// Attributes.
    fn status(&self, path: &str, follow: Follow) -> Result<Stat>;
    /// Names in a directory without `.` and `..`, in no order.
    fn list(&self, path: &str) -> Result<Vec<Entry>>;
    /// Makes a directory.
    fn make_directory(&self, path: &str, mode: u16) -> Result<()>;
    /// Removes a name of what is no directory.
    fn remove(&self, path: &str) -> Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &str) -> Result<()>;
    /// Renames.
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Another name for a file.
    fn link(&self, from: &str, to: &str) -> Result<()>;
    /// Makes a symbolic link at `path`.
    fn make_link(&self, target: &str, path: &str) -> Result<()>;
    /// What a symbolic link says.
    fn read_link(&self, path: &str) -> Result<String>;
    /// Sets permission bits.
    fn set_mode(&self, path: &str, mode: u16) -> Result<()>;
    /// Sets the time of the last change, microseconds since 1970.
    fn set_modified(&self, path: &str, us: u64) -> Result<()>;
    /// The mounted file systems.
    fn mounts(&self) -> Result<Vec<Mount>>;
    /// Everything written to any file is durable when this returns.
    fn sync(&self) -> Result<()>;
    /// Waits.
    fn sleep_us(&self, us: u64) -> Result<()>;
    /// Microseconds since 1970.
    fn now_us(&self) -> u64;
    /// Microseconds since some moment; never runs backwards.
    fn clock_us(&self) -> u64;
    /// The environment.
    fn env(&self) -> Vec<(String, String)>;
    /// Runs a program on the tool's own streams and waits for its end. Returns its status. `NotFound`: there is none; `Access`, `BadImage`: it cannot be executed.
    fn run(&self, command: &Command) -> Result<u8>;
    /// How nice the tool is to others: -20 to 19.
    fn niceness(&self) -> Result<i32>;
    /// Zeroed memory. `NoMemory`.
    fn memory(&self, bytes: usize, pattern: Pattern) -> Result<Box<dyn Memory>>;
}
