// SPDX-License-Identifier: BSD-2-Clause
//! Writing modified pages of files: `fsync`, `msync`, `sync`, and the syncer.
//!
//! Each goes over its pages twice, always forwards, so it ends whatever others do meanwhile: first every modified page is sent to the pager with its neighbours, then
//! every page that is being written is waited for. Then the pager is asked to make it all durable.

use crate::file::File;
use crate::machine::Machine;
use crate::map::{Backing, Range};
use crate::object::Object;
use crate::page::Flags;
use crate::vm::Vm;
use crate::waiting::{Reason, Work};
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_abi::frame::{FAILED, FrameOp, MODIFIED};
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::fs::OpenFlags;
use ebb_proto::pager::{ALL, Op};
use ebb_proto::vm::{self as proto, Happening, Space, Verdict};

/// Pages whose state is asked for at a time.
const BATCH: usize = 64;

/// Pages of a file.
#[derive(Clone, Copy, Debug)]
struct Span {
    object: u32,
    inode: u32,
    first: u32,
    end: u32,
    /// [`File::given_back`] when its pages were sent.
    given_back: u32,
    /// [`File::told`] when this began: whatever failed after that concerns it, whoever else is told.
    told: u32,
}

/// Who is told.
enum Whom<R> {
    File(Space, R),
    All(Space, R),
    Range(Space, R),
    Init,
    Nobody,
}

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Launder,
    Wait,
    Commit,
}

/// Writing of modified pages, under way.
pub struct Sync<R> {
    spans: Vec<Span>,
    at: usize,
    next: u32,
    phase: Phase,
    /// Whether what was written is waited for and made durable.
    durable: bool,
    error: Option<Error>,
    whom: Whom<R>,
}

impl<R> Sync<R> {
    fn new(spans: Vec<Span>, durable: bool, whom: Whom<R>) -> Sync<R> {
        let next = spans.first().map_or(0, |s| s.first);
        Sync { spans, at: 0, next, phase: Phase::Launder, durable, error: None, whom }
    }

    /// Whose call it is.
    pub fn space(&self) -> Option<Space> {
        match self.whom {
            Whom::File(space, _) | Whom::All(space, _) | Whom::Range(space, _) => Some(space),
            Whom::Init | Whom::Nobody => None,
        }
    }

    fn span(&self) -> Option<Span> {
        self.spans.get(self.at).copied()
    }

    /// On to the next span, or to the next phase.
    fn go_on(&mut self) {
        self.at += 1;
        if self.at >= self.spans.len() {
            self.at = 0;
            self.phase = match self.phase {
                Phase::Launder if self.durable => Phase::Wait,
                _ => Phase::Commit,
            };
        }
        self.next = self.spans.get(self.at).map_or(0, |s| s.first);
    }
}

impl<M: Machine> Vm<M> {
    /// `fsync`.
    pub fn sync_file(&mut self, space: Space, file: u32, reply: M::Reply) {
        match self.object_of(space, file, OpenFlags::empty()) {
            Ok(object) => {
                let spans = self.span_of(object, 0, u32::MAX).into_iter().collect();
                self.sync(Sync::new(spans, true, Whom::File(space, reply)));
            }
            Err(error) => self.m.answer::<proto::Sync>(reply, Err(error), &[]),
        }
    }

    /// `sync`.
    pub fn sync_all(&mut self, space: Space, reply: M::Reply) {
        let spans = self.spans_touched();
        self.sync(Sync::new(spans, true, Whom::All(space, reply)));
    }

    /// `msync`.
    pub fn sync_range(&mut self, space: Space, range: Range, wait: bool, reply: M::Reply) {
        let map = match self.spaces.get(space).map(|s| &s.map) {
            Some(map) if map.covers(range) => map,
            _ => return self.m.answer::<proto::SyncRange>(reply, Err(Error::Fault), &[]),
        };
        let mut spans = Vec::new();
        for region in map.touching(range) {
            let (start, end) = (range.start.max(region.start), range.end.min(region.end()));
            if let Backing::Object { object, offset } = region.backing.advanced(region.page_at(start)) {
                let pages = ((end - start) / PAGE_SIZE as u64) as u32;
                spans.extend(self.span_of(object, offset, offset.saturating_add(pages)));
            }
        }
        self.sync(Sync::new(spans, wait, Whom::Range(space, reply)));
    }

    /// Everything to the disks, before the machine ends.
    pub fn sync_start(&mut self) {
        let spans = self.spans_touched();
        self.sync(Sync::new(spans, true, Whom::Init));
    }

    fn span_of(&self, object: u32, first: u32, end: u32) -> Option<Span> {
        let file = self.objects.get(object)?.file()?;
        let File { inode, given_back, told, .. } = *file;
        Some(Span { object, inode, first, end, given_back, told })
    }

    /// Files with something to be waited for, if not to be sent.
    fn spans_touched(&self) -> Vec<Span> {
        self.spans_of(|o| is_modified(o) || o.busy > 0)
    }

    fn spans_of(&self, which: impl Fn(&Object) -> bool) -> Vec<Span> {
        let ids = self.objects.iter().filter(|(_, o)| which(o)).map(|(id, _)| id);
        ids.filter_map(|id| self.span_of(id, 0, u32::MAX)).collect()
    }

    /// The syncer looks, if it is time. Returns when the next time is; 0: there is nothing for it to look at.
    pub(crate) fn run_syncer(&mut self, now: u64) -> u64 {
        if self.vnode.by_inode.is_empty() {
            return 0;
        }
        if now >= self.sync_due {
            self.sync_due = now + self.sync_period_ms * self.cycles_per_ms;
            self.frames.meter.add(Counter::v_syncs, 1);
            // It waits for nothing: pages under way, of files that are only read perhaps, are not looked for.
            let spans = self.spans_of(is_modified);
            // While the last round has not ended a second one would bring nothing.
            if !spans.is_empty() && !core::mem::replace(&mut self.vnode.syncing, true) {
                self.sync(Sync::new(spans, false, Whom::Nobody));
            }
        }
        self.sync_due
    }

    /// Files were skipped by the policy: the syncer looks soon.
    pub(crate) fn hurry_syncer(&mut self) {
        self.sync_due = 0;
    }

    /// Goes on with it.
    pub(crate) fn sync(&mut self, mut s: Sync<M::Reply>) {
        loop {
            let (span, phase) = (s.span(), s.phase);
            let reason = match (phase, span) {
                (Phase::Commit, _) if s.durable && self.was_given_back(&mut s) => {
                    (s.at, s.phase) = (0, Phase::Launder);
                    s.next = s.span().map_or(0, |s| s.first);
                    continue;
                }
                (Phase::Commit, _) => return self.sync_commit(s),
                (_, None) => None,
                (Phase::Launder, Some(span)) => self.launder_span(&mut s, span),
                (Phase::Wait, Some(span)) => self.written_span(&mut s, span),
            };
            match reason {
                Some(reason) => return self.wait_for(reason, Work::Sync(s)),
                None => s.go_on(),
            }
        }
    }

    /// Sends the modified pages of a span to the pager.
    fn launder_span(&mut self, s: &mut Sync<M::Reply>, span: Span) -> Option<Reason> {
        let whole = (span.first, span.end, s.next) == (0, u32::MAX, 0);
        let file = self.synced(&span)?;
        let touched = file.touched;
        if whole {
            // Who modifies a page from now on says so again.
            file.touched = false;
        }
        let reason = self.launder_rest(s, span);
        if reason.is_some()
            && let Some(file) = self.synced(&span)
        {
            // Not all of it has been sent: others who look for modified pages must find it.
            file.touched |= touched;
        }
        reason
    }

    /// The file of a span, if it is still there.
    fn synced(&mut self, span: &Span) -> Option<&mut File> {
        let file = self.objects.get_mut(span.object).and_then(Object::file_mut);
        file.filter(|f| f.inode == span.inode)
    }

    /// Whether the pager gave back a page unwritten, to be sent again.
    fn was_given_back(&mut self, s: &mut Sync<M::Reply>) -> bool {
        let mut any = false;
        for span in &mut s.spans {
            if let Some(file) = self.synced(span) {
                any |= file.given_back != span.given_back;
                span.given_back = file.given_back;
            }
        }
        any
    }

    fn launder_rest(&mut self, s: &mut Sync<M::Reply>, span: Span) -> Option<Reason> {
        let mut frames = [FAILED; BATCH];
        loop {
            let count = self.batch(span, s.next, &mut frames);
            if count == 0 {
                return None;
            }
            self.collect_modified(&frames[..count]);
            for frame in &frames[..count] {
                let page = *self.frames.page(*frame as u32);
                s.next = page.index + 1;
                if !page.flags.contains(Flags::DIRTY) || page.flags.intersects(Flags::BUSY) {
                    continue;
                }
                if *frame as u32 == self.entering {
                    s.next = page.index;
                    return Some(Reason::Entered);
                }
                match self.launder(*frame as u32, true) {
                    Verdict::Again => {
                        s.next = page.index;
                        return Some(Reason::Pager);
                    }
                    Verdict::Failed => {
                        s.error = Some(Error::Io);
                        self.modified_here(span.object, *frame as u32);
                    }
                    _ => {}
                }
            }
        }
    }

    /// The resident pages of a span from an index on, as far as they fit.
    fn batch(&self, span: Span, from: u32, frames: &mut [u64; BATCH]) -> usize {
        let Some(o) = self.objects.get(span.object) else { return 0 };
        let (mut count, mut at) = (0, from);
        while count < BATCH
            && let Some(index) = o.next_used(at, span.end)
        {
            at = index + 1;
            if let Some(frame) = o.entry(index).frame() {
                frames[count] = frame as u64;
                count += 1;
            }
        }
        count
    }

    /// Notes in the pages what the hardware says of their modification. The hardware's bits stay.
    fn collect_modified(&mut self, frames: &[u64]) {
        let mut bits = [FAILED; BATCH];
        bits[..frames.len()].copy_from_slice(frames);
        if let Err(error) = self.m.frame_op(FrameOp::TestModified, &mut bits[..frames.len()]) {
            self.m.log(format_args!("asking for {} frames: {error:?}", frames.len()));
        }
        for (frame, bits) in frames.iter().zip(&bits) {
            if *bits & MODIFIED != 0
                && let Some(page) = self.frames.page_mut(*frame as u32)
                && !page.flags.intersects(Flags::BUSY)
            {
                page.flags |= Flags::DIRTY;
            }
        }
    }

    /// Waits for the pages of a span that are being written.
    fn written_span(&mut self, s: &mut Sync<M::Reply>, span: Span) -> Option<Reason> {
        self.synced(&span)?;
        let o = self.objects.get(span.object)?;
        while let Some(index) = o.next_used(s.next, span.end) {
            s.next = index + 1;
            if let Some(frame) = o.entry(index).frame()
                && self.frames.page(frame).flags.contains(Flags::WRITING)
            {
                return Some(Reason::Page(frame));
            }
        }
        None
    }

    fn sync_commit(&mut self, mut s: Sync<M::Reply>) {
        let ask = s.durable && self.vnode.ch.generation() > 0;
        if !ask {
            return self.sync_ended(s);
        }
        // Once only: when the answer is there it is over.
        s.durable = false;
        let what = match (s.spans.as_slice(), &s.whom) {
            ([span], Whom::File(..) | Whom::Range(..)) => span.inode as u64,
            ([], Whom::Range(..)) => return self.sync_ended(s),
            _ => ALL,
        };
        let cookie = self.submit_file_op(Op::Fsync, [what, 0, 0]);
        self.wait_for(Reason::Op(cookie), Work::Sync(s));
    }

    /// The pager could not do it.
    pub(crate) fn sync_failed(&mut self, mut s: Sync<M::Reply>, error: Error) {
        s.error = Some(error);
        s.phase = Phase::Commit;
        s.durable = false;
        self.sync_ended(s);
    }

    fn sync_ended(&mut self, s: Sync<M::Reply>) {
        let mut failed = 0;
        let mut error = s.error;
        if !matches!(s.whom, Whom::Nobody) {
            for span in &s.spans {
                if let Some(file) = self.synced(span).filter(|f| f.failures.0 != span.told) {
                    file.told = file.failures.0;
                    failed += 1;
                    error = error.or(Some(file.failures.1));
                }
            }
        }
        let result = error.map_or(Ok(()), Err);
        match s.whom {
            Whom::File(_, reply) => self.m.answer::<proto::Sync>(reply, result, &[]),
            Whom::All(_, reply) => self.m.answer::<proto::SyncAll>(reply, result, &[]),
            Whom::Range(_, reply) => self.m.answer::<proto::SyncRange>(reply, result, &[]),
            Whom::Init => {
                let failed = failed.max(result.is_err() as u32);
                self.happened(Happening::Synced { errors: failed });
            }
            Whom::Nobody => self.vnode.syncing = false,
        }
    }
}

/// Whether a file may have modified pages, or ones that could not be written.
fn is_modified(o: &Object) -> bool {
    o.file().is_some_and(|f| f.touched || f.failures.0 != f.told || f.writable > 0)
}
