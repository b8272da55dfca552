// SPDX-License-Identifier: BSD-2-Clause
//! Open files and streams.

use alloc::boxed::Box;
use core::mem::ManuallyDrop;
use ebb_rt::io::{Channel, Read, Write};
use ebb_tools::system::{Error, File, Regular, Result, Seek};

/// Something open; a standard stream stays open when this goes.
pub enum Open {
    /// Opened by the tool.
    Own(Channel),
    /// A standard stream.
    Standard(ManuallyDrop<Channel>),
}

impl Open {
    fn channel(&self) -> &Channel {
        match self {
            Open::Own(channel) => channel,
            Open::Standard(channel) => channel,
        }
    }

    fn channel_mut(&mut self) -> &mut Channel {
        match self {
            Open::Own(channel) => channel,
            Open::Standard(channel) => channel,
        }
    }
}

impl File for Open {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.channel_mut().read(into)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize> {
        self.channel_mut().write(from)
    }

    fn seek(&mut self, to: Seek) -> Result<u64> {
        let Channel::File(file) = self.channel() else { return Err(Error::Unsupported) };
        let (to, whence) = match to {
            Seek::To(n) => (i64::try_from(n).map_err(|_| Error::Invalid)?, 0),
            Seek::By(n) => (n, 1),
            Seek::End(n) => (n, 2),
        };
        file.seek(to, whence)
    }

    fn regular(&self) -> Result<Option<Regular>> {
        let Channel::File(file) = self.channel() else { return Ok(None) };
        let status = file.status()?;
        Ok(Some(Regular { inode: u64::from(status.inode), size: status.size }))
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        let Channel::File(file) = self.channel() else { return Err(Error::Invalid) };
        file.set_len(size)
    }

    fn sync(&mut self) -> Result<()> {
        match self.channel() {
            Channel::File(file) => file.sync(),
            // There is nothing to be made durable.
            _ => Ok(()),
        }
    }

    fn is_terminal(&self) -> bool {
        matches!(self.channel(), Channel::Console)
    }

    /// Writing has told of every error there is: what was written is in `vm`.
    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
