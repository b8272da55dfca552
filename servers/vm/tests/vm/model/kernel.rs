// SPDX-License-Identifier: BSD-2-Clause
//! A model of the kernel: tasks with page tables made of donated frames, frames with contents, hardware bits kept with each mapping
//! and, when it is removed, with the frame. It refuses what the kernel refuses, and panics where `vm` breaks its part of the contract.

use super::own::Own;
use super::reply::{Answer, Answers, Reply};
use ebb_abi::frame::{FAILED, FrameOp, MODIFIED, Piece, REFERENCED, Use};
use ebb_abi::layout::{USER_END, USER_MIN};
use ebb_abi::map::{MapFlags, MapOp};
use ebb_abi::thread::{Registers, State, TaskOp, ThreadOp};
use ebb_abi::{Error, Frame, Handle, Kind, Rights};
use ebb_proto::Operation;
use ebb_proto::codec::{Encoded, bytes_of, encode};
use ebb_sys::Result;
use ebb_sys::memory::Partial;
use ebb_sys::object::{Donation, Start};
use ebb_vm::machine::Machine;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Handles that one frame of handle table holds: few, so that tables have to grow.
const HANDLES_A_FRAME: usize = 6;
/// Frames that one step of a destruction returns: few, so that there are several steps.
const FRAMES_A_STEP: usize = 3;

/// A mapping.
#[derive(Clone, Copy, Debug)]
pub struct Pte {
    pub frame: u32,
    pub flags: MapFlags,
    pub accessed: bool,
    pub dirty: bool,
}

/// A frame.
#[derive(Clone, Debug)]
pub struct FrameState {
    /// Its contents; most tests look at the first word alone.
    pub bytes: Box<[u8; 4096]>,
    pub used: Use,
    pub sticky: u64,
    pub maps: BTreeSet<(u32, u64)>,
}

impl FrameState {
    /// The first word.
    pub fn stamp(&self) -> u64 {
        u64::from_le_bytes(self.bytes[..8].try_into().expect("eight bytes"))
    }

    /// Writes the first word.
    pub fn set_stamp(&mut self, stamp: u64) {
        self.bytes[..8].copy_from_slice(&stamp.to_le_bytes());
    }

    /// Fills it with a word.
    pub fn fill(&mut self, word: u64) {
        self.bytes.chunks_exact_mut(8).for_each(|c| c.copy_from_slice(&word.to_le_bytes()));
    }
}

/// A task.
#[derive(Default)]
pub struct Task {
    pub ptes: BTreeMap<u64, Pte>,
    tables: BTreeMap<(u32, u64), Vec<u32>>,
    pool: Vec<u32>,
    handle_frames: Vec<u32>,
    handles: usize,
    fixed: Vec<u32>,
    buffers: BTreeSet<u64>,
}

impl Task {
    /// Frames that the kernel has for it.
    pub fn kernel_frames(&self) -> usize {
        let tables: usize = self.tables.values().map(Vec::len).sum();
        tables + self.pool.len() + self.handle_frames.len() + self.fixed.len()
    }
}

enum Object {
    Task,
    Thread(Thread),
    Other(u32),
}

/// A thread: what a test says of it, and what was done to it.
pub struct Thread {
    task: u32,
    frames: [u32; 2],
    buffer: u64,
    pub state: State,
    pub registers: Registers,
    pub runs: u32,
    /// The notification whose bits it gets.
    pub bound: Handle,
}

/// A notification.
#[derive(Default)]
pub struct Notification {
    pub bits: u64,
    /// Whom the first bits kick, and with what.
    pub kick: Option<(Handle, u64)>,
}

/// The kernel.
pub struct Kernel {
    pub frames: Vec<FrameState>,
    pub tasks: BTreeMap<u32, Task>,
    objects: BTreeMap<u32, Object>,
    /// Notifications that bits were sent to, or threads parked at.
    pub notifications: BTreeMap<u32, Notification>,
    next_handle: u32,
    pub clock: u64,
    pub answers: Answers,
    pub signals: Vec<(Handle, u64)>,
    pub log: Vec<String>,
    own_task: u32,
    own: Own,
    /// Handles that `vm` closed.
    pub closed: Vec<Handle>,
    /// What was done to threads.
    pub controlled: Vec<(Handle, ThreadOp, u64)>,
    /// A write to this frame through its mappings happens just before they are removed, as another processor could do it.
    pub before_removal: Option<(u32, u64)>,
    /// The next so many copies fail.
    pub failing_copies: u32,
    /// `vm` ended the machine.
    pub stopped: bool,
}

impl Kernel {
    /// A kernel with so many frames, of which the first `reserved` are no user memory; `own_task` is `vm`'s.
    pub fn new(nr_frames: u32, reserved: u32) -> Kernel {
        let frame = |n| {
            let mut frame = FrameState {
                bytes: Box::new([0; 4096]),
                used: if n < reserved { Use::Reserved } else { Use::User },
                sticky: 0,
                maps: BTreeSet::new(),
            };
            frame.fill(0xdead_0000 + n as u64);
            frame
        };
        let mut kernel = Kernel {
            frames: (0..nr_frames).map(frame).collect(),
            tasks: BTreeMap::new(),
            objects: BTreeMap::new(),
            notifications: BTreeMap::new(),
            next_handle: 100,
            clock: 1,
            answers: Answers::default(),
            signals: Vec::new(),
            log: Vec::new(),
            own_task: 0,
            own: Own::take(),
            closed: Vec::new(),
            controlled: Vec::new(),
            before_removal: None,
            failing_copies: 0,
            stopped: false,
        };
        kernel.own_task = kernel.first_task().0;
        kernel
    }

    /// A task that exists before `vm` runs, with page tables for all it needs.
    pub fn first_task(&mut self) -> Handle {
        let handle = self.new_handle(Object::Task);
        self.tasks.insert(handle.0, Task::default());
        handle
    }

    pub fn own_task(&self) -> Handle {
        Handle(self.own_task)
    }

    fn new_handle(&mut self, object: Object) -> Handle {
        self.next_handle += 1;
        self.objects.insert(self.next_handle, object);
        Handle(self.next_handle)
    }

    fn task(&mut self, task: Handle) -> Result<&mut Task> {
        self.tasks.get_mut(&task.0).ok_or(Error::BadHandle)
    }

    /// A thread.
    pub fn thread(&mut self, thread: Handle) -> Result<&mut Thread> {
        match self.objects.get_mut(&thread.0) {
            Some(Object::Thread(t)) => Ok(t),
            _ => Err(Error::BadHandle),
        }
    }

    /// The frame of a thread's message buffer.
    pub fn buffer_of(&mut self, thread: Handle) -> u32 {
        self.thread(thread).expect("a thread").frames[1]
    }

    fn user(&self, frame: u64) -> Option<u32> {
        let state = self.frames.get(usize::try_from(frame).ok()?)?;
        (state.used == Use::User).then_some(frame as u32)
    }

    fn claim(&mut self, frame: Frame, used: Use) -> Result<()> {
        let state = self.frames.get_mut(frame.0 as usize).ok_or(Error::BadFrame)?;
        if state.used != Use::User || !state.maps.is_empty() {
            return Err(Error::BadFrame);
        }
        state.used = used;
        state.sticky = 0;
        state.fill(0xbad0_0000 + frame.0 as u64);
        Ok(())
    }

    fn release(&mut self, frame: u32) {
        let state = &mut self.frames[frame as usize];
        assert!(state.used != Use::User, "frame {frame} was released twice");
        state.used = Use::User;
        state.maps.clear();
    }

    /// Makes the tables for an address out of the pool, all or none.
    fn make_tables(&mut self, task: u32, address: u64) -> Result<()> {
        if task == self.own_task {
            return Ok(());
        }
        let t = self.tasks.get_mut(&task).ok_or(Error::BadHandle)?;
        let missing: Vec<(u32, u64)> = [3u32, 2, 1]
            .into_iter()
            .map(|level| (level, address >> (12 + 9 * level)))
            .filter(|key| !t.tables.contains_key(key))
            .collect();
        let needed = missing.len() + missing.iter().any(|(level, _)| *level == 1) as usize;
        if needed > t.pool.len() {
            return Err(Error::NoTables);
        }
        for key in missing {
            let mut frames: Vec<u32> = t.pool.pop().into_iter().collect();
            if key.0 == 1 {
                frames.extend(t.pool.pop());
            }
            for frame in &frames {
                self.frames[*frame as usize].used = Use::Table;
            }
            t.tables.insert(key, frames);
        }
        Ok(())
    }

    fn enter(&mut self, task: u32, op: &MapOp) -> Result<()> {
        if op.address & 0xfff != 0 || !(USER_MIN..USER_END).contains(&op.address) {
            return Err(Error::BadAddress);
        }
        let read_only = !op.flags.contains(MapFlags::WRITE);
        let state = self.frames.get(op.frame.0 as usize).ok_or(Error::BadFrame)?;
        if state.used != Use::User && !(state.used == Use::Reserved && read_only) {
            return Err(Error::BadFrame);
        }
        self.make_tables(task, op.address)?;
        let flags = op.flags - MapFlags::ZERO;
        let t = self.tasks.get_mut(&task).ok_or(Error::BadHandle)?;
        if let Some(pte) = t.ptes.get_mut(&op.address) {
            if pte.frame != op.frame.0 {
                return Err(Error::Exists);
            }
            pte.flags = flags;
            return Ok(());
        }
        t.ptes.insert(op.address, Pte { frame: op.frame.0, flags, accessed: false, dirty: false });
        let state = &mut self.frames[op.frame.0 as usize];
        state.maps.insert((task, op.address));
        if op.flags.contains(MapFlags::ZERO) {
            state.fill(0);
            if task == self.own_task {
                self.own.zero(op.address);
            }
        } else if task == self.own_task {
            let words =
                state.bytes.chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().expect("eight bytes")));
            let cells = self.own.words(op.address, 1).into_iter().flatten();
            cells.zip(words).for_each(|(cell, word)| cell.store(word, Ordering::Relaxed));
        }
        Ok(())
    }

    fn remove(&mut self, task: u32, address: u64) {
        if task == self.own_task
            && let Some(pte) = self.pte(Handle(task), address)
        {
            self.see_own(pte.frame);
        }
        let Some(pte) = self.tasks.get_mut(&task).and_then(|t| t.ptes.remove(&address)) else { return };
        let state = &mut self.frames[pte.frame as usize];
        state.maps.remove(&(task, address));
        state.sticky |= (pte.accessed as u64 * REFERENCED) | (pte.dirty as u64 * MODIFIED);
    }

    fn ptes(&mut self, frame: u32, mut change: impl FnMut(&mut Pte)) {
        for (task, address) in self.frames[frame as usize].maps.clone() {
            if let Some(pte) = self.tasks.get_mut(&task).and_then(|t| t.ptes.get_mut(&address)) {
                change(pte);
            }
        }
    }

    fn test_modified(&mut self, frame: u32) -> u64 {
        let mut bits = self.frames[frame as usize].sticky & MODIFIED;
        self.ptes(frame, |p| bits |= p.dirty as u64 * MODIFIED);
        bits
    }

    fn one(&mut self, op: FrameOp, frame: u32) -> u64 {
        match op {
            FrameOp::Harvest => {
                let mut used = (self.frames[frame as usize].sticky & REFERENCED != 0) as u64;
                self.frames[frame as usize].sticky &= !REFERENCED;
                self.ptes(frame, |p| used += core::mem::take(&mut p.accessed) as u64);
                used
            }
            FrameOp::TestModified => self.test_modified(frame),
            FrameOp::ClearModified => {
                let bits = self.test_modified(frame);
                self.frames[frame as usize].sticky &= !MODIFIED;
                self.ptes(frame, |p| p.dirty = false);
                bits
            }
            FrameOp::RemoveAll => {
                if let Some((_, stamp)) = self.before_removal.take_if(|(f, _)| *f == frame) {
                    self.frames[frame as usize].set_stamp(stamp);
                    self.ptes(frame, |p| p.dirty = true);
                }
                for (task, address) in self.frames[frame as usize].maps.clone() {
                    self.remove(task, address);
                }
                core::mem::take(&mut self.frames[frame as usize].sticky)
            }
            FrameOp::RemoveWrite => {
                self.ptes(frame, |p| p.flags -= MapFlags::WRITE);
                self.test_modified(frame)
            }
            FrameOp::Zero => {
                self.frames[frame as usize].fill(0);
                0
            }
            FrameOp::Query | FrameOp::Copy => FAILED,
        }
    }

    fn query(&mut self, frame: u64) -> u64 {
        if frame >= self.frames.len() as u64 {
            return FAILED;
        }
        let bits = self.test_modified(frame as u32);
        let state = &self.frames[frame as usize];
        bits | (state.used as u64) << 8 | (state.maps.len() as u64) << 16
    }

    /// What a program does: reads (`write` is `None`) or writes the word at an address. `None`: it faults.
    pub fn touch(&mut self, task: Handle, address: u64, write: Option<u64>) -> Option<u64> {
        let pte = self.tasks.get_mut(&task.0)?.ptes.get_mut(&(address & !0xfff))?;
        if write.is_some() && !pte.flags.contains(MapFlags::WRITE) {
            return None;
        }
        pte.accessed = true;
        pte.dirty |= write.is_some();
        let state = &mut self.frames[pte.frame as usize];
        assert_ne!(state.used as u8, Use::Table as u8, "a program reaches a page table");
        if let Some(stamp) = write {
            state.set_stamp(stamp);
        }
        Some(state.stamp())
    }

    /// A program reaches for a page: its frame. `None`: it faults.
    pub fn reach(&mut self, task: Handle, page: u64, needed: MapFlags) -> Option<u32> {
        let pte = self.tasks.get_mut(&task.0)?.ptes.get_mut(&page)?;
        if !pte.flags.contains(needed) {
            return None;
        }
        pte.accessed = true;
        pte.dirty |= needed.contains(MapFlags::WRITE);
        Some(pte.frame)
    }

    /// What `vm` has written into a frame that it has mapped itself.
    fn see_own(&mut self, frame: u32) {
        let mapped =
            self.frames.get(frame as usize).map(|f| f.maps.iter().find(|m| m.0 == self.own_task).copied());
        let Some((_, address)) = mapped.flatten() else { return };
        let words: Vec<u64> =
            self.own.words(address, 1).into_iter().flatten().map(|w| w.load(Ordering::Relaxed)).collect();
        for (bytes, word) in self.frames[frame as usize].bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// The mapping at an address.
    pub fn pte(&self, task: Handle, address: u64) -> Option<Pte> {
        self.tasks.get(&task.0)?.ptes.get(&address).copied()
    }
}

impl Kernel {
    /// Endpoints and notifications.
    pub fn nr_objects(&self) -> usize {
        self.objects.values().filter(|o| matches!(o, Object::Other(_))).count()
    }
}

impl Machine for Kernel {
    type Reply = Reply;

    fn answer<O: Operation>(
        &mut self,
        reply: Reply,
        result: core::result::Result<O::Reply, ebb_proto::Error>,
        _: &[Handle],
    ) {
        reply.give(match result {
            Err(error) => Answer::Error(error),
            Ok(value) => match encode(&value) {
                Ok(Encoded::Words(words)) => Answer::Bytes(bytes_of(&words).to_vec()),
                Ok(Encoded::Bytes(bytes)) => Answer::Bytes(bytes),
                Err(error) => Answer::Error(error),
            },
        });
    }
    fn resume(&mut self, reply: Reply) {
        reply.give(Answer::Resumed);
    }
    fn refuse(&mut self, reply: Reply) {
        reply.give(Answer::Refused);
    }
    fn signal(&mut self, notification: Handle, bits: u64) {
        self.signals.push((notification, bits));
        let n = self.notifications.entry(notification.0).or_default();
        n.bits |= bits;
        if let Some((kick, bits)) = n.kick.take_if(|_| bits != 0) {
            self.signal(kick, bits);
        }
    }
    fn now(&self) -> u64 {
        self.clock
    }
    fn log(&mut self, text: core::fmt::Arguments<'_>) {
        self.log.push(text.to_string());
    }

    fn map(&mut self, task: Handle, ops: &[MapOp]) -> core::result::Result<(), Partial> {
        for (done, op) in ops.iter().enumerate() {
            self.enter(task.0, op).map_err(|error| Partial { done, error })?;
        }
        Ok(())
    }
    fn unmap(&mut self, task: Handle, address: u64, pages: u64) -> Result<()> {
        let range = address..address + (pages << 12);
        let there: Vec<u64> = self.task(task)?.ptes.range(range).map(|(a, _)| *a).collect();
        there.into_iter().for_each(|a| self.remove(task.0, a));
        Ok(())
    }
    fn protect(&mut self, task: Handle, address: u64, pages: u64, flags: MapFlags) -> Result<()> {
        for (_, pte) in self.task(task)?.ptes.range_mut(address..address + (pages << 12)) {
            pte.flags = flags;
        }
        Ok(())
    }
    fn frame_op(&mut self, op: FrameOp, frames: &mut [u64]) -> Result<()> {
        if frames.len() > ebb_abi::message::MAX_VECTOR {
            return Err(Error::BadArgument);
        }
        for frame in frames {
            *frame = match op {
                FrameOp::Query => self.query(*frame),
                _ => self.user(*frame).map_or(FAILED, |f| self.one(op, f)),
            };
        }
        Ok(())
    }
    fn copy(&mut self, from: Frame, to: Frame) -> Result<()> {
        if self.failing_copies > 0 {
            self.failing_copies -= 1;
            return Err(Error::BadFrame);
        }
        let to = self.user(to.0 as u64).ok_or(Error::BadFrame)?;
        let bytes = self.frames[from.0 as usize].bytes.clone();
        self.frames[to as usize].bytes = bytes;
        Ok(())
    }
    fn copy_bytes(&mut self, pieces: &[Piece]) -> Result<()> {
        for piece in pieces {
            self.see_own(piece.from.0);
            let from = self.frames.get(piece.from.0 as usize).ok_or(Error::BadFrame)?;
            let bytes =
                from.bytes.get(piece.from_offset as usize..).and_then(|b| b.get(..piece.bytes as usize));
            let bytes = bytes.ok_or(Error::BadArgument)?.to_vec();
            let buffer = self.frames.get(piece.to.0 as usize).filter(|f| f.used == Use::MessageBuffer);
            let to =
                self.user(piece.to.0 as u64).or(buffer.map(|_| piece.to.0)).ok_or(Error::BadFrame)? as usize;
            let to = self.frames[to].bytes.get_mut(piece.to_offset as usize..);
            to.and_then(|b| b.get_mut(..bytes.len())).ok_or(Error::BadArgument)?.copy_from_slice(&bytes);
        }
        Ok(())
    }
    fn zero_tail(&mut self, frame: Frame, offset: u64) -> Result<()> {
        let frame = self.user(frame.0 as u64).ok_or(Error::BadFrame)?;
        self.frames[frame as usize].bytes[offset as usize..].fill(0);
        Ok(())
    }
    fn task_read(&mut self, task: Handle, address: u64, bytes: &mut [u8]) -> Result<usize> {
        let Some(pte) = self.pte(task, address & !0xfff) else { return Ok(0) };
        let stamp = self.frames[pte.frame as usize].stamp().to_le_bytes();
        let len = bytes.len().min(8);
        bytes[..len].copy_from_slice(&stamp[..len]);
        Ok(len)
    }
    fn audit(&mut self, first: Frame, count: u32) -> Result<u64> {
        let mut wrong = 0;
        for frame in first.0..first.0 + count {
            for (task, address) in &self.frames[frame as usize].maps {
                let pte = self.tasks.get(task).and_then(|t| t.ptes.get(address));
                wrong += (pte.map(|p| p.frame) != Some(frame)) as u64;
            }
        }
        Ok(wrong)
    }

    fn object_create(&mut self, kind: Kind, frame: Frame) -> Result<Handle> {
        let used = if kind == Kind::Endpoint { Use::Endpoint } else { Use::Notification };
        self.claim(frame, used)?;
        Ok(self.new_handle(Object::Other(frame.0)))
    }
    fn task_create(&mut self, frames: [Frame; 3]) -> Result<Handle> {
        for (frame, used) in frames.into_iter().zip([Use::Task, Use::Table, Use::Handles]) {
            self.claim(frame, used)?;
        }
        let handle = self.new_handle(Object::Task);
        let [task, root, handles] = frames.map(|f| f.0);
        let state = Task { handle_frames: vec![handles], fixed: vec![task, root], ..Task::default() };
        self.tasks.insert(handle.0, state);
        Ok(handle)
    }
    fn donate(&mut self, task: Handle, what: Donation, frames: &[Frame]) -> Result<usize> {
        self.task(task)?;
        for frame in frames {
            self.claim(*frame, if what == Donation::Tables { Use::Pool } else { Use::Handles })?;
            let t = self.task(task)?;
            match what {
                Donation::Tables => t.pool.push(frame.0),
                Donation::Handles => t.handle_frames.push(frame.0),
            }
        }
        Ok(frames.len())
    }
    fn task_control(&mut self, task: Handle, op: TaskOp, _: u64, _: u64) -> Result<(u64, u64, u64)> {
        let t = self.task(task)?;
        Ok(match op {
            TaskOp::Info => (t.ptes.len() as u64, t.tables.len() as u64, t.pool.len() as u64),
            _ => (0, 0, 0),
        })
    }
    fn collect(&mut self, task: Handle, most: u64, give: &mut dyn FnMut(Frame)) -> Result<()> {
        let t = self.task(task)?;
        // A table goes when nothing is mapped below it and no thread's buffer is there.
        let used = |level: u32, number: u64| {
            let below = |address: u64| address >> (12 + 9 * level) == number;
            t.ptes.keys().any(|a| below(*a)) || t.buffers.iter().any(|a| below(*a))
        };
        let empty: Vec<_> = t.tables.keys().copied().filter(|(level, n)| !used(*level, *n)).collect();
        for key in empty {
            t.pool.extend(t.tables.remove(&key).into_iter().flatten());
        }
        for _ in 0..most {
            let Some(frame) = self.task(task)?.pool.pop() else { break };
            self.release(frame);
            give(Frame(frame));
        }
        Ok(())
    }
    fn stop(&mut self) {
        self.stopped = true;
    }
    fn thread_create(&mut self, task: Handle, frame: Frame, buffer: Frame, start: Start) -> Result<Handle> {
        if !(USER_MIN..USER_END).contains(&start.entry) || start.stack >> 47 != 0 {
            return Err(Error::BadAddress);
        }
        if !self.task(task)?.buffers.insert(start.buffer) {
            return Err(Error::Exists);
        }
        let made = self.make_tables(task.0, start.buffer);
        if made.is_err() {
            self.task(task)?.buffers.remove(&start.buffer);
            return made.map(|()| Handle::NONE);
        }
        self.claim(frame, Use::Thread)?;
        self.claim(buffer, Use::MessageBuffer)?;
        let frames = [frame.0, buffer.0];
        self.task(task)?.fixed.extend(frames);
        self.frames[buffer.0 as usize].fill(0);
        let registers = Registers { rip: start.entry, rsp: start.stack, ..Registers::default() };
        Ok(self.new_handle(Object::Thread(Thread {
            task: task.0,
            frames,
            buffer: start.buffer,
            state: State::Stopped,
            registers,
            runs: 0,
            bound: Handle::NONE,
        })))
    }
    fn thread_control(&mut self, thread: Handle, op: ThreadOp, argument: u64) -> Result<()> {
        self.controlled.push((thread, op, argument));
        let t = self.thread(thread)?;
        match op {
            ThreadOp::Start if t.state != State::Stopped => return Err(Error::BadArgument),
            ThreadOp::Start => t.state = State::Ready,
            ThreadOp::Stop => t.state = State::Stopped,
            ThreadOp::Bind => {
                t.bound = Handle(argument as u32);
                self.notifications.entry(argument as u32).or_default().kick = None;
            }
            _ => {}
        }
        Ok(())
    }
    fn thread_registers(&mut self, thread: Handle) -> Result<Registers> {
        // Servers' threads in tests are none of this kernel's.
        Ok(self.thread(thread).map_or(Registers::default(), |t| t.registers))
    }
    fn thread_set_registers(&mut self, thread: Handle, registers: &Registers) -> Result<()> {
        let t = self.thread(thread)?;
        if t.state != State::Stopped {
            return Err(Error::BadArgument);
        }
        t.registers = *registers;
        Ok(())
    }
    fn thread_look(&mut self, thread: Handle) -> Result<(State, u32)> {
        self.thread(thread).map(|t| (t.state, t.runs))
    }
    fn thread_park(&mut self, thread: Handle, kick: Handle, bits: u64) -> Result<()> {
        let t = self.thread(thread)?;
        if t.state != State::Waiting || t.bound == Handle::NONE {
            return Err(Error::WouldBlock);
        }
        t.state = State::Stopped;
        let bound = core::mem::replace(&mut t.bound, Handle::NONE);
        self.notifications.entry(bound.0).or_default().kick = Some((kick, bits));
        Ok(())
    }
    fn pending(&mut self, notification: Handle) -> Result<u64> {
        Ok(self.notifications.get(&notification.0).map_or(0, |n| n.bits))
    }
    fn destroy_step(&mut self, handle: Handle, give: &mut dyn FnMut(Frame)) -> Result<bool> {
        match self.objects.get(&handle.0).ok_or(Error::BadHandle)? {
            Object::Thread(t) => {
                let (task, frames, buffer) = (t.task, t.frames, t.buffer);
                self.objects.remove(&handle.0);
                let t = self.tasks.get_mut(&task).ok_or(Error::Dead)?;
                t.buffers.remove(&buffer);
                t.fixed.retain(|frame| !frames.contains(frame));
                for frame in frames {
                    self.release(frame);
                    give(Frame(frame));
                }
                Ok(false)
            }
            Object::Other(frame) => {
                let frame = *frame;
                self.objects.remove(&handle.0);
                self.release(frame);
                give(Frame(frame));
                Ok(false)
            }
            Object::Task => {
                let mut t = self.tasks.remove(&handle.0).ok_or(Error::Dead)?;
                let ptes: Vec<u64> = t.ptes.keys().copied().collect();
                // Mappings go with the first step, then frames a few at a time.
                for address in ptes {
                    let pte = t.ptes.remove(&address).ok_or(Error::NotMapped)?;
                    let state = &mut self.frames[pte.frame as usize];
                    state.maps.remove(&(handle.0, address));
                    state.sticky |= (pte.accessed as u64 * REFERENCED) | (pte.dirty as u64 * MODIFIED);
                }
                let tables = core::mem::take(&mut t.tables);
                t.pool.extend(tables.into_values().flatten());
                t.pool.append(&mut t.handle_frames);
                t.pool.append(&mut t.fixed);
                for _ in 0..FRAMES_A_STEP {
                    if let Some(frame) = t.pool.pop() {
                        self.release(frame);
                        give(Frame(frame));
                    }
                }
                let more = !t.pool.is_empty();
                if more {
                    self.tasks.insert(handle.0, t);
                } else {
                    self.objects.remove(&handle.0);
                }
                Ok(more)
            }
        }
    }
    fn handle_copy(&mut self, task: Handle, _: Handle, _: Rights, _: u32) -> Result<Handle> {
        let t = self.task(task)?;
        if t.handles >= t.handle_frames.len() * HANDLES_A_FRAME {
            return Err(Error::NoSlot);
        }
        t.handles += 1;
        Ok(Handle(t.handles as u32))
    }
    fn handle_close(&mut self, handle: Handle) {
        self.closed.push(handle);
    }

    fn own_words(&self, address: u64, pages: u64) -> Option<&'static [AtomicU64]> {
        self.own.words(address, pages)
    }
}
