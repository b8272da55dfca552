// SPDX-License-Identifier: BSD-2-Clause
//! The swap pager is replaced in order. First, if the next one is of another kind, everything that this one has goes to where that finds it, while it serves; then it ends what is
//! under way, and only that, the start of the next one and its looking around is a time in which nobody pages.
//!
//! Nothing waits for a pager here: a server that went astray reports to `init`. Each step is looked at again after a while; one that takes too long is done without where it can be.

use crate::pagers::more_for;
use crate::replacing::answer;
use crate::serve::Init;
use alloc::string::String;
use ebb_abi::PAGE_SIZE;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::init::Replaced;
use ebb_proto::vm::{self, PagerKind, Retiring as Said};
use ebb_rt::client::call;
use ebb_rt::clock;
use ebb_rt::server::Call;
use ebb_rt::shared::meter;

/// How long nothing may become less until it is given up: far more than a disk takes for a page.
const PATIENCE_US: u64 = 10_000_000;
/// How long it may take to end what is under way; then it is ended as by an accident.
const SEAL_US: u64 = 1_000_000;
/// Pages that a program of another kind may take besides: its image, its page tables.
const SLACK: u64 = 64;
/// Microseconds between looks while everything is moved, and while nobody pages.
const LOOK_US: u64 = 500;
const QUICK_US: u64 = 50;

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Everything goes to the devices.
    Moving,
    /// It ends what is under way.
    Sealing,
    /// The next one looks around.
    Starting,
}

/// The replacement under way.
pub struct Retiring {
    /// Which service.
    pub service: usize,
    image: String,
    reply: Call,
    restart: bool,
    step: Step,
    /// Pages that were to be moved, as far as it has said.
    moved: u64,
    left: u64,
    begun_us: u64,
    until_us: u64,
    /// Pages that the new one takes beyond what the old one gives back.
    more: u64,
}

impl Init {
    /// Begins.
    pub fn begin_retiring(&mut self, service: usize, image: String, reply: Call, restart: bool) {
        let before = self.services.get(service).map(|s| s.image.clone()).unwrap_or_default();
        let pages = |image: &str| {
            let (heap, pages) = more_for(image, self.nr_frames);
            heap.div_ceil(PAGE_SIZE as u64) + pages + SLACK
        };
        let (step, more, patience) = match before == image {
            true => (Step::Sealing, 0, SEAL_US),
            false => (Step::Moving, pages(&image).saturating_sub(pages(&before)), PATIENCE_US),
        };
        let begun_us = clock::now_us();
        let until_us = begun_us + patience;
        self.retiring = Some(Retiring {
            service,
            image,
            reply,
            restart,
            step,
            moved: 0,
            left: 0,
            begun_us,
            until_us,
            more,
        });
        if more > 0 {
            self.keep_aside(more);
        }
    }

    /// Looks after it. Returns after how many microseconds it wants to look again, if there is one.
    pub fn tend_retiring(&mut self) -> Option<u64> {
        loop {
            let before = self.retiring.as_ref()?.step;
            match before {
                Step::Moving => self.tend_moving(),
                Step::Sealing => self.tend_sealing(),
                Step::Starting => self.tend_starting(),
            }
            let now = self.retiring.as_ref()?.step;
            if now == before {
                return Some(if now == Step::Moving { LOOK_US } else { QUICK_US });
            }
        }
    }

    fn tend_moving(&mut self) {
        let now = clock::now_us();
        let said = call(self.vm, &vm::PagerRetire {});
        // Whoever waits for memory gets none of what is set aside, so that this comes true.
        let aside = self.aside as u64;
        let Some(r) = &mut self.retiring else { return };
        let error = match said {
            Ok(Said::Done) if meter(Counter::v_free_count) >= aside + r.more => {
                (r.step, r.until_us) = (Step::Sealing, now + SEAL_US);
                return;
            }
            Ok(Said::Done) => Error::NoMemory,
            Ok(Said::UnderWay(left)) => {
                let left = left.unwrap_or(r.left);
                if left != r.left {
                    r.moved = r.moved.max(left);
                    (r.left, r.until_us) = (left, now + PATIENCE_US);
                }
                Error::Busy
            }
            Ok(Said::Failed(_)) => {
                r.until_us = now;
                Error::Io
            }
            // It is dead, and somebody is about to notice.
            Err(error) => error,
        };
        if now < r.until_us {
            return;
        }
        if let Err(error) = call(self.vm, &vm::PagerResume {}) {
            ebb_rt::log!("the pager is not told that it stays: {error}");
        }
        self.end_retiring(Err(error));
    }

    fn tend_sealing(&mut self) {
        let sealed = call(self.vm, &vm::PagerSeal {});
        let Some(r) = &mut self.retiring else { return };
        if sealed == Ok(false) && clock::now_us() < r.until_us {
            return;
        }
        (r.step, r.until_us) = (Step::Starting, clock::now_us() + PATIENCE_US);
        let (service, image) = (r.service, r.image.clone());
        // What goes on here is no accident to it.
        let this = self.retiring.take();
        let started = self.exchange(service, &image);
        self.retiring = this;
        if let Err(error) = started {
            self.end_retiring(Err(error));
        }
    }

    fn tend_starting(&mut self) {
        let held = call(self.vm, &vm::PagerHeld { kind: PagerKind::Swap });
        let Some(r) = &self.retiring else { return };
        match held {
            Ok(held) => {
                let (moved, took_us) = (r.moved, clock::now_us() - r.begun_us);
                let (held_us, pages) = (clock::us_of(held), meter(Counter::swap_used));
                self.end_retiring(Ok(Replaced { held_us, held_cycles: held, pages, took_us, moved }));
            }
            Err(_) if clock::now_us() < r.until_us => {}
            Err(error) => self.end_retiring(Err(error)),
        }
    }

    /// What was to be replaced is ended otherwise.
    pub fn give_up_retiring(&mut self, service: usize) {
        if self.retiring.as_ref().is_some_and(|r| r.service == service) {
            self.end_retiring(Err(Error::Dead));
        }
    }

    fn end_retiring(&mut self, result: Result<Replaced, Error>) {
        if let Some(r) = self.retiring.take() {
            if r.more > 0 {
                self.keep_aside(0);
            }
            answer(r.reply, r.restart, result);
        }
    }

    /// Has `vm` set so many pages more aside.
    fn keep_aside(&self, more: u64) {
        let pages = self.aside + more as u32;
        if let Err(error) = call(self.vm, &vm::SetAside { pages }) {
            ebb_rt::log!("setting {pages} pages aside: {error}");
        }
    }
}
