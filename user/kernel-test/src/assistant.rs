// SPDX-License-Identifier: BSD-2-Clause
//! Assistants: tasks made of this program's image, text shared, data copied.

use crate::frames::Frames;
use crate::memory::SHARED;
use ebb_abi::boot::{BootInfo, handles};
use ebb_abi::layout::{IMAGE, MESSAGE_BUFFER, STACK_TOP};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::thread::ThreadOp;
use ebb_abi::{Error, Frame, Handle, Kind, Rights};
use ebb_sys::memory::{copy, extract, map};
use ebb_sys::object::{self, Donation, Start};

const PM: Handle = handles::PHYS_MEM;
const STACK_PAGES: u64 = 4;
/// Frames for page tables: image, stack, buffer, shared page and what a test maps.
const POOL: usize = 24;

/// What an assistant does. It never returns.
pub type Role = extern "C" fn(u64) -> !;

/// A task and its first thread.
#[derive(Clone, Copy)]
pub struct Assistant {
    /// The task.
    pub task: Handle,
    /// The thread.
    pub thread: Handle,
}

/// What the tests work with.
pub struct Rig {
    /// Free frames.
    pub frames: Frames,
    /// What the kernel told.
    pub info: &'static BootInfo,
    /// Frame of the shared page.
    pub shared: Frame,
}

/// Unwraps a result that no test expects to fail.
pub fn must<T, E: core::fmt::Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the test itself failed: {error:?}"),
    }
}

impl Rig {
    /// Takes over the machine.
    pub fn new(info: &'static BootInfo) -> Rig {
        let mut frames = Frames::new(info);
        let tables: [Frame; 64] = frames.take_many();
        must(object::donate(PM, handles::TASK, Donation::Tables, &tables));
        let shared = frames.take();
        let rig = Rig { frames, info, shared };
        rig.map(handles::TASK, SHARED, shared, MapFlags::WRITE | MapFlags::ZERO);
        rig
    }

    /// Maps a page; the test wants it to work.
    pub fn map(&self, task: Handle, address: u64, frame: Frame, flags: MapFlags) {
        must(map(PM, task, &[MapOp { address, frame, flags }]));
    }

    /// Maps a page, and returns how that went.
    pub fn try_map(&self, task: Handle, address: u64, frame: Frame, flags: MapFlags) -> Result<(), Error> {
        map(PM, task, &[MapOp { address, frame, flags }]).map_err(|p| p.error)
    }

    /// A new endpoint.
    pub fn endpoint(&mut self) -> Handle {
        let frame = self.frames.take();
        must(object::create(PM, Kind::Endpoint, frame))
    }

    /// A new notification.
    pub fn notification(&mut self) -> Handle {
        let frame = self.frames.take();
        must(object::create(PM, Kind::Notification, frame))
    }

    /// A new task with so many frames for page tables.
    pub fn task(&mut self, pool: usize) -> Handle {
        let [a, b, c] = self.frames.take_many();
        let task = must(object::task_create(PM, a, b, c));
        for _ in 0..pool {
            let frame = self.frames.take();
            must(object::donate(PM, task, Donation::Tables, &[frame]));
        }
        task
    }

    /// Destroys an object, to the end; its frames are free again, its handle is closed.
    pub fn destroy(&mut self, handle: Handle) {
        while must(object::destroy_step(handle, |f| self.frames.give(f))) {}
        must(object::handle_close(handle));
    }

    /// Free slots of the test's own handle table.
    pub fn free_slots(&self) -> usize {
        let mut taken = [Handle::NONE; 512];
        let mut nr = 0;
        while let Ok(h) = object::handle_copy(Handle::NONE, PM, Rights::GRANT, 0) {
            taken[nr] = h;
            nr += 1;
        }
        taken[..nr].iter().rev().for_each(|h| must(object::handle_close(*h)));
        nr
    }

    /// A frame of which nothing is known: neither referenced nor modified.
    pub fn clean_frame(&mut self) -> Frame {
        let frame = self.frames.take();
        must(ebb_sys::memory::frame_op1(PM, ebb_abi::frame::FrameOp::RemoveAll, frame));
        frame
    }

    /// Makes an assistant with copies of these handles in its slots 1, 2, … with the rights and badges given. It is stopped.
    pub fn prepare(&mut self, role: Role, argument: u64, given: &[(Handle, Rights, u32)]) -> Assistant {
        let task = self.task(POOL);
        self.map_image(task);
        for page in 1..=STACK_PAGES {
            let frame = self.frames.take();
            self.map(task, STACK_TOP - page * 4096, frame, MapFlags::WRITE | MapFlags::ZERO);
        }
        self.map(task, SHARED, self.shared, MapFlags::WRITE);
        for (index, (handle, rights, badge)) in given.iter().enumerate() {
            let slot = must(object::handle_copy(task, *handle, *rights, *badge));
            assert!(slot.0 == index as u32 + 1);
        }
        let [frame, buffer] = self.frames.take_many();
        let start =
            Start { buffer: MESSAGE_BUFFER, entry: role as *const () as u64, stack: STACK_TOP - 8, argument };
        let thread = must(object::thread_create(PM, task, frame, buffer, start));
        Assistant { task, thread }
    }

    /// [`Rig::prepare`], then starts it with a priority.
    pub fn start(
        &mut self,
        role: Role,
        argument: u64,
        priority: u64,
        given: &[(Handle, Rights, u32)],
    ) -> Assistant {
        let a = self.prepare(role, argument, given);
        must(object::thread_control(a.thread, ThreadOp::Priority, priority));
        must(object::thread_control(a.thread, ThreadOp::Start, 0));
        a
    }

    /// Ends an assistant: the pages of its own are free again.
    pub fn end(&mut self, a: Assistant) {
        self.free_pages(a.task);
        self.destroy(a.task);
        must(object::handle_close(a.thread));
    }

    /// Gives back the pages that `prepare` took for an assistant.
    fn free_pages(&mut self, task: Handle) {
        for page in 1..=STACK_PAGES {
            let (frame, _) = must(extract(task, STACK_TOP - page * 4096));
            self.unmap_and_give(task, STACK_TOP - page * 4096, frame);
        }
        for address in image() {
            if let Ok((frame, flags)) = extract(task, address)
                && flags.contains(MapFlags::WRITE)
            {
                self.unmap_and_give(task, address, frame);
            }
        }
    }

    /// Unmaps a page and frees its frame.
    pub fn unmap_and_give(&mut self, task: Handle, address: u64, frame: Frame) {
        must(ebb_sys::memory::unmap(task, address, 1));
        self.frames.give(frame);
    }

    fn map_image(&mut self, task: Handle) {
        for address in image() {
            let Ok((frame, flags)) = extract(handles::TASK, address) else { continue };
            let frame = if flags.contains(MapFlags::WRITE) {
                let own = self.frames.take();
                must(copy(PM, frame, own));
                own
            } else {
                frame
            };
            self.map(task, address, frame, flags);
        }
    }
}

unsafe extern "C" {
    static _end: u8;
}

/// Addresses of the pages of the image.
fn image() -> impl Iterator<Item = u64> {
    (IMAGE..&raw const _end as u64).step_by(4096)
}
