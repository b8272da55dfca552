// SPDX-License-Identifier: BSD-2-Clause
//! How much memory the pager takes at most: its heap is all that it ever gets (`ebb_proto::levels`).
//!
//! Counts what the pager allocates and not what the machine around it does.

// What the tests in the crate use, and this one uses a part of.
#[allow(dead_code, missing_docs)]
#[path = "../src/tests/machine.rs"]
mod machine;

mod world {
    pub use ebb_vnode::world::*;
}

use ebb_proto::block::{Completion, Submission};
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{ALL, Op, Submission as Entry};
use ebb_vnode::{Geometry, PAGE, Setup, VnodePager, World};
use machine::{FIRST_BOUNCE, Machine, Shared};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::process::Command;
use std::rc::Rc;

/// Bytes before each allocation that say whether it is counted.
const HEADER: usize = 16;
/// What an allocation costs in the machine's heap besides its bytes.
const OVERHEAD: usize = 16;

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counter;

fn extended(layout: Layout) -> Layout {
    Layout::from_size_align(layout.size() + HEADER, HEADER).expect("small")
}

// SAFETY: Memory comes from the system's allocator, larger by a header whose size keeps every alignment up to its own; larger alignments are passed through.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > HEADER {
            // SAFETY: The caller's promise.
            return unsafe { System.alloc(layout) };
        }
        let counted = COUNTING.get();
        // SAFETY: The size is not zero; the header is inside what was allocated.
        unsafe {
            let base = System.alloc(extended(layout));
            if base.is_null() {
                return base;
            }
            base.cast::<u64>().write(counted as u64);
            if counted {
                LIVE.set(LIVE.get() + layout.size() + OVERHEAD);
                PEAK.set(PEAK.get().max(LIVE.get()));
            }
            base.add(HEADER)
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if layout.align() > HEADER {
            // SAFETY: The caller's promise.
            return unsafe { System.dealloc(pointer, layout) };
        }
        // SAFETY: `alloc` made it, with a header.
        unsafe {
            let base = pointer.sub(HEADER);
            if base.cast::<u64>().read() != 0 {
                LIVE.set(LIVE.get().saturating_sub(layout.size() + OVERHEAD));
            }
            System.dealloc(base, extended(layout));
        }
    }
}

#[global_allocator]
static ALLOCATOR: Counter = Counter;

fn counted<T>(counting: bool, then: impl FnOnce() -> T) -> T {
    let before = COUNTING.replace(counting);
    let result = then();
    COUNTING.set(before);
    result
}

/// The machine, whose allocations do not count.
struct Uncounted(Shared);

impl World for Uncounted {
    fn next(&mut self) -> Option<[u64; 4]> {
        counted(false, || self.0.next())
    }
    fn room(&mut self) -> usize {
        self.0.room()
    }
    fn push(&mut self, entry: &[u64; 4]) {
        counted(false, || self.0.push(entry));
    }
    fn disk_room(&mut self) -> usize {
        self.0.disk_room()
    }
    fn submit(&mut self, entry: Submission) {
        counted(false, || self.0.submit(entry));
    }
    fn finished(&mut self) -> Option<Completion> {
        counted(false, || self.0.finished())
    }
    fn wait(&mut self) -> bool {
        counted(false, || self.0.wait())
    }
    fn buffers(&self) -> usize {
        self.0.buffers()
    }
    fn buffer_frame(&self, buffer: usize) -> u32 {
        self.0.buffer_frame(buffer)
    }
    fn load(&self, buffer: usize, bytes: &mut [u8]) {
        counted(false, || self.0.load(buffer, bytes));
    }
    fn store(&mut self, buffer: usize, bytes: &[u8]) {
        counted(false, || self.0.store(buffer, bytes));
    }
    fn bounce_frame(&self, slot: usize) -> Option<u32> {
        self.0.bounce_frame(slot)
    }
    fn bounce(&self, slot: usize, bytes: &mut [u8]) {
        counted(false, || self.0.bounce(slot, bytes));
    }
    fn log(&mut self, line: core::fmt::Arguments<'_>) {
        counted(false, || self.0.log(line));
    }
}

fn image() -> Vec<u8> {
    let file = std::env::temp_dir().join(format!("ebb-vnode-memory-{}", std::process::id()));
    let options = "-q -F -t ext4 -b 4096 -m 0 -J size=4 -O ^orphan_file,^metadata_csum_seed,^resize_inode,^dir_index -E lazy_itable_init=0";
    let status = Command::new("mke2fs")
        .args(options.split(' '))
        .arg(&file)
        .arg("300M")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdout(std::process::Stdio::null())
        .status()
        .expect("mke2fs (package e2fsprogs)");
    assert!(status.success());
    let bytes = std::fs::read(&file).expect("the image that was made");
    std::fs::remove_file(&file).expect("the image that was made");
    bytes
}

fn now_us() -> u64 {
    1_700_000_000_000_000
}

struct Player {
    m: Rc<RefCell<Machine>>,
    pager: VnodePager<Uncounted>,
}

impl Player {
    fn new(disk: Vec<u8>) -> Player {
        let machine = Machine::new(disk);
        let geometry = Geometry { disk: 0, pages: machine.pages(), read_only: false };
        let m = Rc::new(RefCell::new(machine));
        let world = Uncounted(Shared(m.clone()));
        let setup = Setup { geometry, name: String::from("root"), now_us, cold: true };
        Player { m, pager: counted(true, || VnodePager::new(world, setup)) }
    }

    fn run(&mut self) {
        loop {
            counted(true, || self.pager.pump());
            self.m.borrow_mut().to_vm.clear();
            if !self.m.borrow_mut().step() && self.m.borrow().is_quiet() {
                counted(true, || self.pager.pump());
                self.m.borrow_mut().to_vm.clear();
                return;
            }
        }
    }

    fn entry(&self, op: Op, slot: u8, words: [u64; 3]) {
        let entry = Entry { op, run: 1, place: 0, slot, cookie: 0, words };
        self.m.borrow_mut().to_pager.push_back(entry.pack());
    }

    fn write(&mut self, path: &str, pages: u64, stride: u64) -> u32 {
        let flags = OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE;
        let opened = counted(true, || self.pager.open(7, path, flags.bits(), 0o644)).expect(path);
        let inode = opened.stat.inode as u64;
        self.entry(Op::Size, 0, [inode, pages * stride * PAGE as u64, 0]);
        for page in 0..pages {
            let slot = page % 32;
            self.m.borrow_mut().frame(FIRST_BOUNCE + slot as u32)[0] = page as u8;
            self.entry(Op::PutBytes, slot as u8, [inode, page * stride, 100 + slot]);
            if slot == 31 {
                self.run();
            }
        }
        self.run();
        opened.stat.inode
    }
}

#[test]
fn the_heap_is_large_enough() {
    let mut player = Player::new(image());
    let report = |what: &str| println!("{what}: {} KiB, at most {} KiB", LIVE.get() >> 10, PEAK.get() >> 10);
    report("mounted");
    for dir in 0..8 {
        counted(true, || player.pager.make_directory(&format!("/d{dir}"), 0o755)).expect("a directory");
        for n in 0..40 {
            let inode = player.write(&format!("/d{dir}/file-{n}"), 1 + n % 5, 1);
            player.entry(Op::Release, 0, [inode as u64, 1, 0]);
        }
    }
    player.run();
    report("small files");
    let large = player.write("/large", 40 * 256, 1);
    report("40 MiB");
    // Every second page: as many extents as pages.
    let torn = player.write("/torn", 3000, 2);
    report("3000 extents");
    for page in 0..6000 {
        player.entry(Op::Get, 0, [torn as u64, page * 7 % 6000, 100 + page % 32]);
    }
    player.run();
    report("reading them");
    player.entry(Op::Fsync, 0, [ALL, 0, 0]);
    player.entry(Op::Resize, 0, [large as u64, 0, 0]);
    player.entry(Op::Resize, 0, [torn as u64, 0, 0]);
    player.run();
    report("cut");
    let again = player.write("/torn", 3000, 2);
    for path in ["/torn", "/large", "/d0/file-1"] {
        counted(true, || player.pager.remove(path)).expect(path);
    }
    player.entry(Op::Release, 0, [again as u64, 2, 0]);
    player.run();
    report("removed");
    let disk = player.m.borrow().content();
    drop(player);
    let left = LIVE.get();
    let player = Player::new(disk);
    report("mounted again");
    assert_eq!(left, 0, "a pager that is gone leaves nothing");
    drop(player);
    let heap = ebb_proto::levels::server("vnode-pager").expect("a role").heap as usize;
    // What the machine's heap loses between its pieces: a guess.
    assert!(PEAK.get() + PEAK.get() / 8 < heap, "{} KiB of {} KiB", PEAK.get() >> 10, heap >> 10);
}
