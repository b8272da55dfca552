// SPDX-License-Identifier: BSD-2-Clause
//! What people write: the order in which pages go.
//!
//! A [`Policy`](crate::Policy) is a whole worker: shortages, budgets, writes, verdicts, wired pages. [`Engine`](crate::engine::Engine) is all of
//! that once, around an [`Order`], which knows pages that came in and answers one question: which go next? The
//! simulator drives an order without the engine too.

use core::slice;

use crate::engine::Discount;
use crate::machine::MAX_BATCH;
use crate::policy::Inconsistency;
use crate::state::{BadRecord, Record};
use crate::tunables::TunableError;

/// A page's identity across evictions, hashed to this many bits. What is kept of pages that are gone is kept under it: of
/// 100,000 such, one newcomer in 170 is taken for one of them by mistake.
pub const TAG_BITS: u32 = 24;

/// The hashed identity of a page, below `1 << TAG_BITS`.
pub type Tag = u32;

/// The tag of the page with this identity (its object and its index there).
#[must_use]
pub const fn tag_of(identity: u64) -> Tag {
    // Multiplicative hashing, by 2^64 / φ, of both halves folded.
    let folded = identity ^ identity >> 32;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - TAG_BITS)) as Tag
}

/// How a page came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// A fault brought it: it is being used.
    Fault,
    /// Read-ahead, or a page that a finished transfer left: nobody has used it.
    Readahead,
    /// It had been chosen, and is still there: used while it waited for its write, or not to be had just now. Not a new page, and no
    /// refault: if it is remembered as gone, that was a mistake.
    Returned,
    /// A newcomer learns what is there, in the order in which the one before would have let it go.
    Restored,
}

/// The references to pages, as an order sees them while it chooses.
pub trait References {
    /// For each frame, whether the page was used since the last look; the look clears it. `used` is as long as `frames`, which are
    /// pages that the order holds, at most [`crate::MAX_BATCH`]. Costs a system call: ask for many at once.
    fn sample(&mut self, frames: &[u32], used: &mut [bool]);

    /// The tag of a page that the order holds.
    fn tag(&self, frame: u32) -> Tag;
}

/// Where an order names its victims; there is room for as many as it was asked for.
#[derive(Debug)]
pub struct Victims<'a> {
    frames: &'a mut [u32],
    len: usize,
}

impl<'a> Victims<'a> {
    /// None yet, with room for as many as `frames` is long.
    pub fn new(frames: &'a mut [u32]) -> Self {
        Self { frames, len: 0 }
    }

    /// How many there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.frames.len() - self.len
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Names one, which the order holds no more. Beyond the room nothing is taken, and the page would be lost to the order: ask [`Victims::room`].
    pub fn push(&mut self, frame: u32) {
        if let Some(slot) = self.frames.get_mut(self.len) {
            *slot = frame;
            self.len += 1;
        }
    }

    /// Those named.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        self.frames.get(..self.len).unwrap_or_default()
    }
}

/// Room for looks, one after the other.
#[derive(Debug)]
pub struct Look {
    frames: [u32; MAX_BATCH],
    used: [bool; MAX_BATCH],
}

/// Pages that were looked at, with whether each was used.
pub type Seen<'a> =
    core::iter::Zip<core::iter::Copied<slice::Iter<'a, u32>>, core::iter::Copied<slice::Iter<'a, bool>>>;

impl Look {
    /// Nothing looked at yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is no value of its own")]
    pub fn new() -> Self {
        Self { frames: [0; MAX_BATCH], used: [false; MAX_BATCH] }
    }

    /// Looks at pages, at most `most` and [`MAX_BATCH`] of them, with one call.
    pub fn at(
        &mut self,
        pages: &mut dyn References,
        frames: impl Iterator<Item = u32>,
        most: usize,
    ) -> Seen<'_> {
        let Self { frames: slots, used } = self;
        let len = slots.iter_mut().zip(frames.take(most)).map(|(slot, frame)| *slot = frame).count();
        let (slots, used) = (&slots[..len], &mut used[..len]);
        if len > 0 {
            pages.sample(slots, used);
        }
        slots.iter().copied().zip(used.iter().copied())
    }
}

/// An option of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knob {
    /// Its name.
    pub name: &'static str,
    /// Its value now.
    pub value: u32,
    /// Least value.
    pub min: u32,
    /// Greatest value.
    pub max: u32,
    /// What it is, and in which unit.
    pub text: &'static str,
}

impl Knob {
    /// An option with its usual value.
    #[must_use]
    pub const fn new(name: &'static str, value: u32, min: u32, max: u32, text: &'static str) -> Self {
        Self { name, value, min, max, text }
    }

    /// The value as a share, in hundredths, of so many pages.
    #[must_use]
    pub fn percent_of(&self, pages: u32) -> u32 {
        (u64::from(pages) * u64::from(self.value) / 100) as u32
    }
}

/// An order over pages. It allocates when it is made and at no other time; frames are below the number it was made with. The
/// engine calls it only as the methods allow, whatever `vm` says.
pub trait Order {
    /// Its name, one of [`crate::NAMES`].
    fn name(&self) -> &'static str;

    /// A page that the order does not hold is there now.
    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival);

    /// A page that the order holds is gone, without having been chosen, or must not be chosen for now.
    fn remove(&mut self, frame: u32);

    /// Somebody says that a page which the order holds will be wanted (`madvise`).
    fn promote(&mut self, frame: u32) {
        let _ = frame;
    }

    /// Somebody says that a page which the order holds will not be wanted.
    fn demote(&mut self, frame: u32) {
        let _ = frame;
    }

    /// Names pages to go, best first, as many as there is room for or fewer. Those named are no longer held: if the
    /// machine cannot let one go it comes back by `insert`, as [`Arrival::Returned`]. Looks at no more than a bounded number of pages
    /// for each that it is asked for.
    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>);

    /// What is to be done about the reference of the faulting instruction, unless somebody says otherwise: what measured best.
    fn discount(&self) -> Discount {
        Discount::None
    }

    /// Whether a page that was used while it waited for its write shall come back, and not go.
    fn heeds_use(&self) -> bool {
        true
    }

    /// Pages held.
    fn len(&self) -> u32;

    /// Whether it holds none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells all pages held, those that would go first before the others as far as is known without a look.
    fn snapshot(&self, tell: &mut dyn FnMut(u32));

    /// Its options.
    fn knobs(&self) -> &[Knob] {
        &[]
    }

    /// The same, to be changed by [`Order::set_knob`] and nobody else.
    fn knobs_mut(&mut self) -> &mut [Knob] {
        &mut []
    }

    /// Sets an option; it holds from the next choice on.
    ///
    /// # Errors
    /// There is none of that name, or the value is out of its range. Nothing is changed.
    fn set_knob(&mut self, name: &str, value: u32) -> Result<(), TunableError> {
        let knob = self.knobs_mut().iter_mut().find(|k| k.name == name).ok_or(TunableError::Unknown)?;
        if !(knob.min..=knob.max).contains(&value) {
            return Err(TunableError::OutOfRange { min: knob.min.into(), max: knob.max.into() });
        }
        knob.value = value;
        Ok(())
    }

    /// Tells all that it knows, but for its options, as records for [`Order::restore`] of another that was made with as many frames.
    fn save(&self, tell: &mut dyn FnMut(Record));

    /// Takes up a record of another, in the order in which they were told, while it holds no page but those restored.
    ///
    /// # Errors
    /// The record cannot be one of such an order. Whoever gave it should begin anew with another order.
    fn restore(&mut self, record: Record) -> Result<(), BadRecord>;

    /// Counters and lengths of its own, for people.
    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        let _ = tell;
    }

    /// Bytes of memory it has.
    fn bytes(&self) -> usize;

    /// Audits itself.
    ///
    /// # Errors
    /// The first inconsistency: a defect in the order.
    fn check(&self) -> Result<(), Inconsistency>;
}

impl Order for alloc::boxed::Box<dyn Order> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn insert(&mut self, frame: u32, tag: Tag, arrival: Arrival) {
        (**self).insert(frame, tag, arrival);
    }

    fn remove(&mut self, frame: u32) {
        (**self).remove(frame);
    }

    fn promote(&mut self, frame: u32) {
        (**self).promote(frame);
    }

    fn demote(&mut self, frame: u32) {
        (**self).demote(frame);
    }

    fn choose(&mut self, pages: &mut dyn References, victims: &mut Victims<'_>) {
        (**self).choose(pages, victims);
    }

    fn discount(&self) -> Discount {
        (**self).discount()
    }

    fn heeds_use(&self) -> bool {
        (**self).heeds_use()
    }

    fn len(&self) -> u32 {
        (**self).len()
    }

    fn snapshot(&self, tell: &mut dyn FnMut(u32)) {
        (**self).snapshot(tell);
    }

    fn knobs(&self) -> &[Knob] {
        (**self).knobs()
    }

    fn knobs_mut(&mut self) -> &mut [Knob] {
        (**self).knobs_mut()
    }

    fn set_knob(&mut self, name: &str, value: u32) -> Result<(), TunableError> {
        (**self).set_knob(name, value)
    }

    fn save(&self, tell: &mut dyn FnMut(Record)) {
        (**self).save(tell);
    }

    fn restore(&mut self, record: Record) -> Result<(), BadRecord> {
        (**self).restore(record)
    }

    fn counters(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        (**self).counters(tell);
    }

    fn bytes(&self) -> usize {
        (**self).bytes()
    }

    fn check(&self) -> Result<(), Inconsistency> {
        (**self).check()
    }
}
