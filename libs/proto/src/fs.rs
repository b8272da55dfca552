// SPDX-License-Identifier: BSD-2-Clause
//! `fs`: names and attributes of files, served by the vnode pager. The caller's badge is its space.
//!
//! Contents are not here: they are pages of one object in `vm`, whoever uses them. [`Open`] checks name and permissions and leaves a *grant* with
//! `vm` (through the pager's ring, before the answer); with it the caller opens the file there ([`crate::vm::FileOpen`]). What
//! these operations change is durable after [`crate::vm::Sync`] or [`crate::vm::SyncAll`], and survives the death of the pager as soon as it is answered.
//!
//! Paths are absolute, at most [`MAX_PATH`] bytes, components at most 255; `.`, `..`, doubled slashes and symbolic links are resolved here. Any operation
//! may answer `NotFound`, `NotDirectory`, `NameTooLong`, `Loop`, `Access`, `Io`, `Damaged`, `Invalid` (not absolute); those that change something also
//! `ReadOnly`, `NoSpace`.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Bytes in a path at most.
pub const MAX_PATH: usize = 3000;
/// Bytes in a component at most.
pub const MAX_NAME: usize = 255;
/// Symbolic links followed at most.
pub const MAX_LINKS: usize = 8;

bitflags::bitflags! {
    /// How a file is opened (`O_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct OpenFlags: u8 {
        /// For reading.
        const READ = 1;
        /// For writing.
        const WRITE = 2;
        /// For mapping with execute permission: the file must have an execute bit.
        const EXECUTE = 4;
        /// Made if it does not exist.
        const CREATE = 8;
        /// With `CREATE`: an error if it exists.
        const EXCLUSIVE = 16;
    }
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Something that Ebb does not serve (a device, a socket).
    Other,
}

/// Attributes (`struct stat`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stat {
    /// Inode number.
    pub inode: u32,
    /// Kind.
    pub kind: Kind,
    /// Permission bits, `0o7777`.
    pub mode: u16,
    /// Names.
    pub links: u32,
    /// Bytes, as `vm` has them if the file is in use.
    pub size: u64,
    /// Blocks of 512 bytes that it takes on the disk.
    pub blocks: u64,
    /// Last change of the contents, microseconds since 1970.
    pub modified_us: u64,
}

/// A name in a directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Inode number.
    pub inode: u32,
    /// Kind.
    pub kind: Kind,
}

/// A piece of a directory.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Listing {
    /// Names, without `.` and `..`, in no order.
    pub entries: Vec<Entry>,
    /// Where the next piece begins; `None`: this was the last.
    pub next: Option<[u64; 3]>,
}

/// An opened file: the first half. The second is [`crate::vm::FileOpen`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Number of the grant that `vm` has for the caller.
    pub grant: u32,
    /// Attributes.
    pub stat: Stat,
    /// Whether it was made just now.
    pub created: bool,
}

/// A mounted file system (`statvfs`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// Where.
    pub path: String,
    /// The disk's name.
    pub disk: String,
    /// `ext4`.
    pub kind: String,
    /// Whether it can be written.
    pub read_only: bool,
    /// Bytes of a block.
    pub block_bytes: u32,
    /// Blocks, free blocks.
    pub blocks: (u64, u64),
    /// Inodes, free inodes.
    pub inodes: (u64, u64),
}

/// What the pager says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Requests to the disk, reads and writes, since this instance started.
    pub requests: (u64, u64),
    /// Pages of files read and written.
    pub pages: (u64, u64),
    /// Commits of the journal.
    pub commits: u64,
    /// Failed requests.
    pub errors: u64,
    /// Files that `vm` holds.
    pub held: u64,
    /// Unlinked files that are kept because `vm` holds them.
    pub unlinked: u64,
}

protocol! {
    number 7;
    /// Opens a regular file. `Exists`: it exists and `EXCLUSIVE` was asked for; `IsDirectory`; `Unsupported`: of a kind that cannot be opened; `TooManyFiles`: more are in use than can
    /// be counted; `Busy`: `vm` has not taken what it was told before, try again. `flags` are [`OpenFlags`];
    /// `mode` are the permissions of a file that is made.
    1 Open { path: String, flags: u8, mode: u16 } -> Opened;
    /// Attributes. `follow`: of what a symbolic link at the end names.
    2 Status { path: String, follow: bool } -> Stat;
    /// Names in a directory, at most 3,000 bytes of them. `from`: [`Listing::next`] of the piece before, `None` at first.
    3 List { path: String, from: Option<[u64; 3]> } -> Listing;
    /// Makes a directory. `Exists`.
    4 MakeDirectory { path: String, mode: u16 } -> ();
    /// Removes a name of what is no directory (`unlink`). `IsDirectory`. A file in use lives on until nobody uses it.
    5 Remove { path: String } -> ();
    /// Removes an empty directory. `NotEmpty`; `Busy`: the root.
    6 RemoveDirectory { path: String } -> ();
    /// Renames; what `to` named before is replaced in one step. `NotEmpty`, `IsDirectory`, `NotDirectory`; `Invalid`: into itself.
    7 Rename { from: String, to: String } -> ();
    /// Another name for a file (`link`). `Exists`; `NotPermitted`: a directory.
    8 Link { from: String, to: String } -> ();
    /// Makes a symbolic link at `path`. `Exists`.
    9 MakeLink { target: String, path: String } -> ();
    /// What a symbolic link says. `Invalid`: it is none.
    10 ReadLink { path: String } -> String;
    /// Sets permission bits (`chmod`).
    11 SetMode { path: String, mode: u16 } -> ();
    /// Sets the time of the last change, microseconds since 1970.
    12 SetModified { path: String, us: u64 } -> ();
    /// The mounted file systems. Empty: there is no disk with one.
    13 Mounts {} -> Vec<Mount>;
    /// What the pager says of itself.
    14 Summarise {} -> Summary;
    /// Checks its own tables against the file system; what is wrong, at most 32 lines, empty if nothing is.
    15 Check {} -> Vec<String>;
}
