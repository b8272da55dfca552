// SPDX-License-Identifier: BSD-2-Clause
//! The mounted file system: mounting, committing, and what remains when the disk fails.
//!
//! What was changed is not answered before [`Store::commit`]. When a commit fails the file system is mounted again, so that what it shows is what the disk has; where that fails
//! too, everything is answered with the reason. If the journal was given up, it goes on as it is, for reading only: what it shows may then be changes that were answered with an error.

use crate::channel::Channel;
use crate::disk::{Disk, Entropy, Wall};
use crate::errors::error_of;
use crate::world::{PAGE, World};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use ebb_proto::Error;
use rsext4::{
    Ext4, Ext4Error, Ext4ErrorKind, Ext4Result, FileExtentTarget, InodeNumber, MountOptions, MountServices,
    MountedServices, NoopObserver,
};

/// The file system of the crate.
pub type Mounted<W> = Ext4<Disk<W>, MountedServices<Entropy, NoopObserver>>;

/// Inode of the journal.
const JOURNAL: u32 = 8;
/// Pieces that the journal may be in; what lies in more of them is written like anything else.
const JOURNAL_PIECES: usize = 64;

/// The first inode that a file can have; those below it are the file system's own.
const FIRST_FILE: u32 = 11;

/// The inode of a file. `Invalid`: one that files cannot have.
pub fn file_number(inode: u32) -> Result<InodeNumber, Error> {
    if inode < FIRST_FILE { Err(Error::Invalid) } else { InodeNumber::new(inode).map_err(error_of) }
}

/// The mounted file system.
pub struct Store<W: World> {
    channel: Rc<RefCell<Channel<W>>>,
    wall: Wall,
    /// The file system, or why there is none.
    fs: Result<Mounted<W>, Error>,
    /// Something has changed since the last commit.
    dirty: bool,
    /// Nothing may be changed any more.
    read_only: bool,
    /// The journal was given up: what is not on the disk never will be.
    given_up: bool,
    /// Counts mounts: what was known of the disk before another is not true any more.
    mounts: u64,
    /// Commits.
    pub commits: u64,
}

impl<W: World> Store<W> {
    /// Mounts the file system. Where the disk cannot be written, or its last user found it damaged, only for reading.
    pub fn new(channel: Rc<RefCell<Channel<W>>>, wall: Wall) -> Store<W> {
        let blind = channel.borrow().geometry.read_only;
        let fs = Err(Error::Io);
        let mut store = Store {
            channel,
            wall,
            fs,
            dirty: false,
            read_only: false,
            given_up: false,
            mounts: 0,
            commits: 0,
        };
        if let Err(error) = store.mount(blind) {
            store.log(format_args!("cannot mount: {error}"));
        }
        store
    }

    /// Whether there is a file system.
    pub fn is_mounted(&self) -> bool {
        self.fs.is_ok()
    }

    /// The wall clock.
    pub fn wall(&self) -> Wall {
        self.wall
    }

    /// Whether nothing can be changed.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether something was changed that is not committed.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Number of the mount.
    pub fn mounts(&self) -> u64 {
        self.mounts
    }

    /// Looks something up.
    pub fn read<T>(&mut self, look: impl FnOnce(&mut Mounted<W>) -> Ext4Result<T>) -> Result<T, Error> {
        let fs = self.fs.as_mut().map_err(|why| *why)?;
        look(fs).map_err(error_of)
    }

    /// Changes something. It lasts from the next commit on.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Mounted<W>) -> Ext4Result<T>) -> Result<T, Error> {
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        let fs = self.fs.as_mut().map_err(|why| *why)?;
        // Also when it fails: part of it may have been done.
        self.dirty = true;
        change(fs).map_err(error_of)
    }

    /// Makes what was changed last; with nothing changed, what was written to the disk.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.given_up {
            return Err(Error::Io);
        }
        if self.read_only {
            return Ok(());
        }
        let fs = self.fs.as_mut().map_err(|why| *why)?;
        self.commits += 1;
        self.dirty = false;
        // A transfer that failed once is tried again; a journal that was given up says so.
        let Err(first) = fs.sync() else { return Ok(()) };
        let Err(second) = fs.sync() else { return Ok(()) };
        self.log(format_args!("cannot commit: {first}"));
        if second.kind() == Ext4ErrorKind::JournalAborted {
            // What is on the disk cannot be made whole now, and what is in memory can still be read.
            self.log(format_args!("the journal is given up: from now on for reading only"));
            (self.read_only, self.given_up) = (true, true);
        } else if let Err(error) = self.mount(false) {
            self.log(format_args!("cannot mount again: {error}"));
        }
        Err(error_of(first))
    }

    /// Forgets everything that is kept in memory. Nothing may be uncommitted.
    pub fn refresh(&mut self) -> Result<(), Error> {
        self.commit()?;
        self.mount(self.read_only).map_err(error_of)
    }

    fn mount(&mut self, read_only: bool) -> Result<(), Ext4Error> {
        // The old one goes first: there is not memory for two.
        self.fs = Err(Error::Io);
        self.dirty = false;
        self.mounts += 1;
        match self.mounted(read_only) {
            Ok(fs) => {
                self.read_only = fs.options().readonly;
                self.fs = Ok(fs);
                if self.read_only {
                    self.log(format_args!("mounted for reading only"));
                }
                Ok(())
            }
            Err(error) => {
                self.fs = Err(error_of(error));
                Err(error)
            }
        }
    }

    fn mounted(&mut self, read_only: bool) -> Result<Mounted<W>, Ext4Error> {
        let services = || MountServices::new(self.wall, Entropy(self.wall), NoopObserver);
        let disk = || Disk(self.channel.clone());
        let replay = !self.channel.borrow().geometry.read_only;
        let options = MountOptions { readonly: true, replay_journal: replay, block_validity: true };
        let mut fs = match read_only {
            true => Ext4::mount(disk(), services(), options)?,
            false => match Ext4::mount_with_readonly_fallback(disk(), services()) {
                // Something that can be read, but not be written by who does not know it.
                Err(error) if error.kind() == Ext4ErrorKind::UnsupportedFeature => {
                    Ext4::mount(disk(), services(), options)?
                }
                other => other?,
            },
        };
        if fs.statfs().block_size != PAGE as u64 {
            return Err(Ext4Error::unsupported().with_operation("mount:block_size"));
        }
        let journal = InodeNumber::new(JOURNAL)
            .and_then(|n| fs.inode_extents(n, 0, u64::MAX, FileExtentTarget::Data, JOURNAL_PIECES));
        let pieces: Vec<(u64, u64)> = journal
            .map(|map| {
                map.extents.iter().map(|e| (e.physical_start / PAGE as u64, e.length / PAGE as u64)).collect()
            })
            // Without a journal nothing is known to be one.
            .unwrap_or_default();
        self.channel.borrow_mut().set_journal(pieces);
        Ok(fs)
    }

    /// Writes a line to the log.
    pub fn log(&self, line: core::fmt::Arguments<'_>) {
        self.channel.borrow_mut().world.log(line);
    }
}
