// SPDX-License-Identifier: BSD-2-Clause
//! Blocks ahead of a file that grows: whoever appends gets more than was asked for, so that most of what is asked for next is there already and nothing has to be committed for it.
//! What is left of them is given back when `vm` gives the file up.

use crate::cut;
use crate::pager::VnodePager;
use crate::store::file_number;
use crate::world::{PAGE, World};
use core::ops::Range;
use ebb_proto::Error;
use rsext4::PreallocationOptions;

const BYTES: u64 = PAGE as u64;
/// Pages that are reserved when a file is first seen to grow; then twice as many each time.
const FIRST: u64 = 32;
/// The most: 1 MiB. Guessed.
const MOST: u64 = 256;
/// So many times what is reserved ahead must be free: the last blocks are for those who ask for them.
const PLENTY: u64 = 64;

/// What is known of the blocks behind a file's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ahead {
    /// Pages from here on have blocks, up to `end`. The file system does not tell of blocks behind the end.
    start: u64,
    end: u64,
    /// Where who appends asks next.
    next: u64,
    /// How many pages were reserved last.
    window: u64,
    /// The mount of which that is true.
    mount: u64,
    /// There may be such blocks.
    any: bool,
}

impl Ahead {
    /// Of a file that an earlier instance had.
    pub fn unknown() -> Ahead {
        Ahead { any: true, ..Ahead::default() }
    }

    fn covers(&self, pages: &Range<u64>, mount: u64) -> bool {
        self.mount == mount && self.start <= pages.start && pages.end <= self.end
    }

    /// Pages to reserve, for those that were asked for.
    fn wanted(&mut self, pages: &Range<u64>) -> u64 {
        let grows = pages.start > 0 && pages.start == self.next;
        self.window = if grows { (self.window * 2).clamp(FIRST, MOST) } else { 0 };
        self.next = pages.end;
        self.window.max(pages.end - pages.start)
    }
}

impl<W: World> VnodePager<W> {
    /// Sees to it that pages behind the end, or across it, have blocks. `NoSpace`: there are not so many.
    pub(crate) fn reserve_ahead(&mut self, inode: u32, pages: Range<u64>) -> Result<(), Error> {
        let number = file_number(inode)?;
        let mount = self.store.mounts();
        let ahead = self.held.get_mut(inode).map(|held| &mut held.ahead);
        let mut count = pages.end - pages.start;
        if let Some(ahead) = ahead {
            if ahead.covers(&pages, mount) {
                ahead.next = pages.end;
                return Ok(());
            }
            count = ahead.wanted(&pages);
        }
        let asked = pages.end - pages.start;
        if count > asked && self.store.read(|fs| Ok(fs.statfs()))?.free_blocks < count * PLENTY {
            count = asked;
        }
        self.extents.forget(inode);
        self.changed();
        let mut allocate = |count: u64| {
            let (offset, bytes) = (pages.start * BYTES, count * BYTES);
            self.store
                .change(|fs| fs.preallocate_inode(number, offset, bytes, PreallocationOptions::KEEP_SIZE))
        };
        match allocate(count) {
            Err(Error::NoSpace) if count > asked => {
                count = asked;
                allocate(count)?;
            }
            result => result?,
        }
        let mount = self.store.mounts();
        if let Some(held) = self.held.get_mut(inode) {
            let Ahead { next, window, .. } = held.ahead;
            held.ahead =
                Ahead { start: pages.start, end: pages.start + count, next, window, mount, any: true };
        }
        Ok(())
    }

    /// Gives back the blocks behind the end of a file that nobody uses any more. Its time stays.
    pub(crate) fn trim(&mut self, inode: u32) -> Result<(), Error> {
        let Some(held) = self.held.get(inode).filter(|held| held.ahead.any).copied() else { return Ok(()) };
        if self.store.is_read_only() {
            return Ok(());
        }
        let number = file_number(inode)?;
        let info = self.store.read(|fs| fs.inode(number))?;
        let size = info.size.max(held.size);
        if cut::surplus(&mut self.store, &info)? == 0 {
            return Ok(());
        }
        self.channel.borrow_mut().settle_file(inode);
        self.extents.forget(inode);
        self.changed();
        if !size.is_multiple_of(BYTES) {
            // As in `resize`.
            self.kept.insert((inode, (size / BYTES).min(u32::MAX as u64) as u32));
        }
        cut::trim(&mut self.store, &info, size)?;
        let mtime = Some(rsext4::Ext4Timestamp::new(info.mtime as i64, 0));
        let update = rsext4::InodeMetadataUpdate { mtime, ..Default::default() };
        self.store.change(|fs| fs.update_inode_metadata(number, update)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_appends_gets_more() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.wanted(&(0..4)), 4, "nobody knows yet");
        assert_eq!(ahead.wanted(&(4..5)), FIRST);
        assert_eq!(ahead.wanted(&(5..6)), 2 * FIRST);
        assert_eq!(ahead.wanted(&(6..1006)), 1000, "no less than was asked for");
        for _ in 0..10 {
            let next = ahead.next;
            assert!(ahead.wanted(&(next..next + 1)) <= MOST);
        }
        assert_eq!(ahead.wanted(&(5000..5002)), 2, "elsewhere");
    }
}
