// SPDX-License-Identifier: BSD-2-Clause
//! A pager that is to be replaced by another kind of it: first everything that it has goes to where the next one finds it. It serves meanwhile, and nothing waits for it here: a server that
//! went astray reports to `init`.

use crate::pagers::more_for;
use crate::serve::Init;
use crate::service::answer;
use alloc::string::String;
use ebb_abi::PAGE_SIZE;
use ebb_abi::meter::Counter;
use ebb_proto::Error;
use ebb_proto::vm::{self, Retiring as Said};
use ebb_rt::client::call;
use ebb_rt::clock;
use ebb_rt::server::Call;
use ebb_rt::shared::meter;

/// How long nothing may become less until it is given up: far more than a disk takes for a page.
const PATIENCE_US: u64 = 10_000_000;
/// Pages that a program of another kind may take besides: its image, its page tables.
const SLACK: u64 = 64;

/// The replacement under way.
pub struct Retiring {
    /// Which service.
    pub service: usize,
    image: String,
    reply: Call,
    /// Pages that were to be moved, as far as it has said.
    moved: u64,
    left: u64,
    until_us: u64,
    /// Pages that the new one takes beyond what the old one gives back.
    more: u64,
}

impl Init {
    /// Begins.
    pub fn begin_retiring(&mut self, service: usize, image: String, reply: Call) {
        let before = self.services.get(service).map(|s| s.image.clone()).unwrap_or_default();
        let pages = |image: &str| {
            let (heap, pages) = more_for(image, self.nr_frames);
            heap.div_ceil(PAGE_SIZE as u64) + pages + SLACK
        };
        let more = pages(&image).saturating_sub(pages(&before));
        let until_us = clock::now_us() + PATIENCE_US;
        self.retiring = Some(Retiring { service, image, reply, moved: 0, left: 0, until_us, more });
        self.keep_aside(more);
    }

    /// Looks after it. Returns whether there is one.
    pub fn tend_retiring(&mut self) -> bool {
        let Some(r) = &mut self.retiring else { return false };
        let now = clock::now_us();
        let error = match call(self.vm, &vm::PagerRetire {}) {
            // Whoever waits for memory gets none of what is set aside, so that this comes true.
            Ok(Said::Done) if meter(Counter::v_free_count) >= self.aside as u64 + r.more => {
                return self.retired();
            }
            Ok(Said::Done) if now < r.until_us => return true,
            Ok(Said::Done) => Error::NoMemory,
            Ok(Said::UnderWay(left)) => {
                let left = left.unwrap_or(r.left);
                if left != r.left {
                    r.moved = r.moved.max(left);
                    (r.left, r.until_us) = (left, now + PATIENCE_US);
                }
                if now < r.until_us {
                    return true;
                }
                Error::Busy
            }
            Ok(Said::Failed(_)) => Error::Io,
            // It is dead, and somebody is about to notice.
            Err(_) if now < r.until_us => return true,
            Err(error) => error,
        };
        if let Err(error) = call(self.vm, &vm::PagerResume {}) {
            ebb_rt::log!("the pager is not told that it stays: {error}");
        }
        self.end_retiring(Err(error));
        false
    }

    fn retired(&mut self) -> bool {
        let Some(r) = self.retiring.take() else { return false };
        let result = self.exchange(r.service, &r.image);
        self.keep_aside(0);
        answer(r.reply, false, result.map(|done| ebb_proto::init::Replaced { moved: r.moved, ..done }));
        false
    }

    /// What was to be replaced is ended otherwise.
    pub fn give_up_retiring(&mut self, service: usize) {
        if self.retiring.as_ref().is_some_and(|r| r.service == service) {
            self.end_retiring(Err(Error::Dead));
        }
    }

    fn end_retiring(&mut self, result: Result<ebb_proto::init::Replaced, Error>) {
        if let Some(r) = self.retiring.take() {
            self.keep_aside(0);
            answer(r.reply, false, result);
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
