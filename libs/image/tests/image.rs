// SPDX-License-Identifier: BSD-2-Clause
//! Images that are good, broken and hostile.

use core::ops::Range;
use ebb_image::{HEAD, Image, Segment, parse, symbol};
use ebb_proto::Error;
use ebb_proto::vm::Protection;
use proptest::prelude::*;

const PLACE: Range<u64> = 0x20_0000..0x1000_0000_0000;
const LOAD: u32 = 1;
const R: u32 = 4;
const RW: u32 = 6;
const RX: u32 = 5;

/// A program header.
#[derive(Clone, Copy, Debug)]
struct Header {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_bytes: u64,
    bytes: u64,
}

fn load(flags: u32, offset: u64, address: u64, file_bytes: u64, bytes: u64) -> Header {
    Header { kind: LOAD, flags, offset, address, file_bytes, bytes }
}

/// Text and data as a linker lays them out that saves room: they share a page of the file, not of memory.
const GOOD: [Header; 3] = [
    Header { kind: LOAD, flags: R, offset: 0, address: 0x20_0000, file_bytes: 0x834, bytes: 0x834 },
    Header { kind: LOAD, flags: RX, offset: 0x840, address: 0x20_1840, file_bytes: 0x1500, bytes: 0x1500 },
    Header { kind: LOAD, flags: RW, offset: 0x1d40, address: 0x20_4d40, file_bytes: 0x400, bytes: 0x3000 },
];
const GOOD_LEN: usize = 0x2200;
const ENTRY: u64 = 0x20_1900;

fn file(entry: u64, headers: &[Header], len: usize) -> Vec<u8> {
    let mut f = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    f.extend(2u16.to_le_bytes());
    f.extend(62u16.to_le_bytes());
    f.extend(1u32.to_le_bytes());
    f.extend(entry.to_le_bytes());
    f.extend(64u64.to_le_bytes());
    f.extend(0u64.to_le_bytes());
    f.extend(0u32.to_le_bytes());
    for word in [64, 56, headers.len() as u16, 64, 0, 0] {
        f.extend(word.to_le_bytes());
    }
    for h in headers {
        f.extend(h.kind.to_le_bytes());
        f.extend(h.flags.to_le_bytes());
        for word in [h.offset, h.address, h.address, h.file_bytes, h.bytes, 0x1000] {
            f.extend(word.to_le_bytes());
        }
    }
    f.resize(len.max(f.len()), 0xaa);
    f
}

fn read(f: &[u8]) -> Result<Image, Error> {
    parse(&f[..f.len().min(HEAD)], f.len() as u64, &PLACE)
}

fn with(change: impl FnOnce(&mut [Header; 3])) -> Result<Image, Error> {
    let mut headers = GOOD;
    change(&mut headers);
    read(&file(ENTRY, &headers, GOOD_LEN))
}

/// What [`parse`] promises.
fn sound(image: &Image, len: u64) {
    let mut free = PLACE.start;
    for s in &image.segments {
        assert!(s.first_page() >= free && s.end() <= PLACE.end && s.bytes > 0, "{s:?}");
        assert!(s.offset + s.file_bytes <= len && s.file_bytes <= s.bytes);
        assert!(s.file_pages() <= s.pages() && s.first_page() <= s.address);
        assert_eq!(s.address % 4096, s.offset % 4096);
        assert!(s.tail().start <= s.tail().end && s.tail().end <= s.end() || s.file_bytes == 0);
        assert!(s.tail().is_empty() || s.tail().end - s.tail().start < 4096);
        free = s.end();
    }
    let runs = |s: &Segment| s.protection.contains(Protection::EXECUTE);
    let text = image.segments.iter().find(|s| (s.first_page()..s.end()).contains(&image.entry));
    assert!(text.is_some_and(runs));
}

#[test]
fn a_good_image_is_what_its_headers_say() {
    let f = file(ENTRY, &GOOD, GOOD_LEN);
    let image = read(&f).unwrap();
    sound(&image, f.len() as u64);
    let pages: Vec<_> = image
        .segments
        .iter()
        .map(|s| (s.first_page(), s.pages(), s.first_file_page(), s.file_pages()))
        .collect();
    assert_eq!(pages, [(0x20_0000, 1, 0, 1), (0x20_1000, 2, 0, 2), (0x20_4000, 4, 1, 2)]);
    assert_eq!(image.segments[2].tail(), 0x20_5140..0x20_6000);
    assert_eq!(image.in_own_pages(), Err(Error::BadImage));
}

#[test]
fn memory_without_a_file_has_no_pages_of_it() {
    let bss = load(RW, 0, 0x30_0000, 0, 0x5000);
    let image = read(&file(ENTRY, &[GOOD[0], GOOD[1], bss], GOOD_LEN)).unwrap();
    let s = image.segments[2];
    assert_eq!((s.pages(), s.file_pages(), s.tail().is_empty()), (5, 0, true));
}

#[test]
fn headers_that_cannot_be_meant_are_refused() {
    let bad = Err(Error::BadImage);
    assert!(with(|_| {}).is_ok());
    assert_eq!(with(|h| h[0].address = 0x10_0000), bad, "below images");
    assert_eq!(with(|h| h[2].bytes = PLACE.end), bad, "beyond images");
    assert_eq!(with(|h| h[2].bytes = u64::MAX), bad, "around the end of memory");
    assert_eq!(with(|h| h[2].offset = u64::MAX - 0x2bf), bad, "around the end of files");
    assert_eq!(with(|h| h[1].file_bytes = 0x1501), bad, "more in the file than in memory");
    assert_eq!(with(|h| (h[1].file_bytes, h[1].bytes) = (0x1a00, 0x1a00)), bad, "beyond the file");
    assert_eq!(with(|h| h[1].offset += 1), bad, "not congruent");
    assert_eq!(with(|h| h[1].bytes += 1), bad, "zeroes that nobody can write");
    assert_eq!(with(|h| h[1].address = 0x20_0840), bad, "two segments in a page");
    assert_eq!(with(|h| h.swap(0, 1)), bad, "not in order");
    assert_eq!(with(|h| h[1].flags = R), bad, "an entry that cannot be executed");
    assert_eq!(with(|h| h[1].kind = 3), bad, "an interpreter");
    assert_eq!(read(&file(0, &GOOD, GOOD_LEN)), bad, "no entry");
    assert_eq!(read(&file(0x20_4d40, &GOOD, GOOD_LEN)), bad, "an entry in data");
    assert_eq!(read(&file(ENTRY, &[], GOOD_LEN)), bad, "no segments");
    let many: Vec<Header> = (0..40).map(|n| load(RX, 0x1000, 0x20_1000 + n * 0x1000, 16, 16)).collect();
    assert_eq!(read(&file(0x20_1000, &many, GOOD_LEN)), bad, "too many segments");
    assert!(read(&file(0x20_1000, &many[..32], GOOD_LEN)).is_ok());
}

#[test]
fn files_of_other_kinds_are_refused() {
    let good = file(ENTRY, &GOOD, GOOD_LEN);
    for (at, byte) in
        [(0, 0), (4, 1), (5, 2), (6, 2), (16, 3), (18, 3), (54, 32), (32, 0xff), (39, 0xff), (56, 0xff)]
    {
        let mut f = good.clone();
        f[at] = byte;
        assert_eq!(read(&f), Err(Error::BadImage), "byte {at}");
    }
    for len in [0, 1, 15, 16, 63, 64, 100, 231] {
        assert_eq!(read(&good[..len]), Err(Error::BadImage), "{len} bytes");
    }
    assert_eq!(read(b"#!/bin/shell\necho no\n"), Err(Error::BadImage));
}

#[test]
fn segments_with_pages_of_their_own_say_so() {
    let headers = [load(RX, 0x1000, 0x20_1000, 0x100, 0x100), load(RW, 0x2000, 0x20_2000, 0x10, 0x2000)];
    let image = read(&file(0x20_1000, &headers, 0x3000)).unwrap();
    assert_eq!(image.clone().in_own_pages(), Ok(image));
}

#[test]
fn this_test_has_names() {
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    // Position independent: no image for us, but its symbols are there.
    assert_eq!(read(&own), Err(Error::BadImage));
    assert_eq!(symbol(&own, 0), None);
    assert_eq!(symbol(&own[..100], 0x1000), None);
    let found = (0..own.len() as u64).step_by(1 << 14).filter_map(|a| symbol(&own, a)).take(2).count();
    assert_eq!(found, 2);
}

proptest! {
    #[test]
    fn mutations_are_refused_or_sound(changes in prop::collection::vec((0usize..240, any::<u8>()), 1..8)) {
        let mut f = file(ENTRY, &GOOD, GOOD_LEN);
        for (at, byte) in changes {
            f[at] = byte;
        }
        if let Ok(image) = read(&f) {
            sound(&image, f.len() as u64);
        }
    }

    #[test]
    fn extreme_headers_are_refused_or_sound(
        headers in prop::collection::vec((0u32..8, 0usize..9, 0usize..9, 0usize..9, 0usize..9), 1..6),
        entry in 0usize..9,
    ) {
        const ODD: [u64; 9] = [0, 1, 0x1000, 0x20_0000, 0x20_1000, 0x1000_0000_0000, i64::MAX as u64, u64::MAX - 0xfff, u64::MAX];
        let headers: Vec<Header> =
            headers.iter().map(|h| load(h.0, ODD[h.1], ODD[h.2], ODD[h.3], ODD[h.4])).collect();
        let f = file(ODD[entry], &headers, 0x30_0000);
        if let Ok(image) = read(&f) {
            sound(&image, f.len() as u64);
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        prop_assert_eq!(read(&bytes), Err(Error::BadImage));
        prop_assert_eq!(symbol(&bytes, 0x1000), None);
    }
}
