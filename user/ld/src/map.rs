// SPDX-License-Identifier: BSD-2-Clause
//! A file's segments, mapped.

use crate::file::File;
use ebb_image::{Image, Segment};
use ebb_rt::abi::{Handle, PAGE_SIZE};
use ebb_rt::client::call;
use ebb_rt::exec;
use ebb_rt::proto::Error;
use ebb_rt::proto::vm::{Map, Protection, Source};

const PAGE: u64 = PAGE_SIZE as u64;

/// Maps an image. Text and constants are the file's own pages, shared by all; data is this program's copy, made page by page as it is written.
pub fn segments(vm: Handle, file: &File, image: &Image) -> Result<(), Error> {
    image.segments.iter().try_for_each(|segment| map(vm, file, segment))
}

fn map(vm: Handle, file: &File, s: &Segment) -> Result<(), Error> {
    let private = s.protection.contains(Protection::WRITE);
    let (address, from_file) = (s.first_page(), s.file_pages());
    let protection = s.protection.bits();
    if from_file > 0 {
        let first = u32::try_from(s.first_file_page()).map_err(|_| Error::FileTooLarge)?;
        let source = Source::File { file: file.number(), first, private };
        call(vm, &Map { space: 0, address, pages: from_file, protection, source })?;
        let tail = s.tail();
        if private && !tail.is_empty() {
            exec::zero(tail.start, tail.end - tail.start)?;
        }
    }
    let pages = s.pages() - from_file;
    if pages > 0 {
        let address = address + from_file * PAGE;
        call(vm, &Map { space: 0, address, pages, protection, source: Source::Anonymous })?;
    }
    Ok(())
}
