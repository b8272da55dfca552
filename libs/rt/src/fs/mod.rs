// SPDX-License-Identifier: BSD-2-Clause
//! Files: names through the vnode pager, contents through `vm`.
//!
//! Paths are relative to the working directory. A pager that dies is started again, and what it had answered holds; a call that was under way when it died is
//! made again. What such a call did before may have been done twice then: a file that is to be made, or a name that is to be removed, may turn out to be so already,
//! which counts as success.

mod directory;
mod file;
mod map;
mod names;

pub use directory::{DirEntry, ReadDir, read_dir};
pub use ebb_proto::Error;
pub use ebb_proto::fs::{Kind, Mount, Stat};
pub use file::{File, OpenOptions, read, write};
pub use map::{Map, Sharing};
pub use names::{
    create_dir, hard_link, metadata, mounts, read_link, remove_dir, remove_file, rename, set_mode,
    set_modified, symlink, symlink_metadata, sync_all,
};

use crate::start::Given;
use ebb_abi::Handle;

/// How often a call is made again after the server died under it: it is started again at once, unless it dies too often.
const TRIES: u32 = 10;

/// The handle of this name; without the server there is nothing to be found.
fn handle(name: &str) -> Result<Handle, Error> {
    crate::start::info().ok_or(Error::NotFound)?.handle(name)
}
