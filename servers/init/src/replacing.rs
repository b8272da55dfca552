// SPDX-License-Identifier: BSD-2-Clause
//! One image in the place of another, under load.
//!
//! A policy's successor learns beside it and takes over in one call of `vm`; a pager of another kind brings out first what only it has (`retire`); any
//! other server ends, and the next one begins where its endpoint is.

use crate::fate::{POLICY, READY_US};
use crate::pagers::{SWAP, kind_of, looks_into_pages};
use crate::serve::Init;
use crate::service::{Running, State};
use alloc::string::String;
use ebb_abi::meter::Counter;
use ebb_proto::vm;
use ebb_proto::{Error, init as proto};
use ebb_rt::client::call;
use ebb_rt::clock;
use ebb_rt::server::Call;
use ebb_rt::shared::meter;

/// A replacement under way.
pub struct Replacement {
    /// The service.
    pub service: usize,
    old: Option<Running>,
    /// What the old one plays.
    image: String,
    generation: u64,
    until_us: u64,
    reply: Call,
    restart: bool,
}

impl Init {
    /// The same for one that is not being replaced either by a pager of another kind.
    pub fn replaceable(&self, role: &str) -> Result<usize, Error> {
        let at = self.restartable(role)?;
        match &self.retiring {
            Some(r) if r.service == at => Err(Error::Busy),
            _ => Ok(at),
        }
    }

    /// Replaces what plays a role. `image`: `None` for the same again.
    pub fn replace_service(&mut self, role: &str, image: Option<String>, reply: Call) {
        match self.replace_inner(role, image, reply) {
            Ok(()) => {}
            Err((error, reply, restart)) => answer(reply, restart, Err(error)),
        }
    }

    fn replace_inner(
        &mut self,
        role: &str,
        image: Option<String>,
        reply: Call,
    ) -> Result<(), (Error, Call, bool)> {
        let restart = image.is_none();
        let at = match self.replaceable(role) {
            Ok(at) => at,
            Err(error) => return Err((error, reply, restart)),
        };
        let Some(service) = self.services.get(at) else { return Err((Error::NotFound, reply, restart)) };
        let (server, before, running) = (service.server, service.image.clone(), service.running.is_some());
        let image = image.unwrap_or_else(|| before.clone());
        if let Err(error) = self.module_for(server, &image) {
            return Err((error, reply, restart));
        }
        if role == POLICY {
            // The old one goes on until the new one has attached itself.
            let generation = meter(Counter::policy_generation);
            let old = self.services.get_mut(at).and_then(|s| s.running.take());
            if let Err(error) = self.start_service(at, &image) {
                if let Some(service) = self.services.get_mut(at) {
                    service.running = old;
                }
                return Err((error, reply, restart));
            }
            let until_us = clock::now_us() + READY_US;
            self.replacement =
                Some(Replacement { service: at, old, image: before, generation, until_us, reply, restart });
            return Ok(());
        }
        if role == SWAP && running {
            self.begin_retiring(at, image, reply, restart);
            return Ok(());
        }
        // What one that does not run has kept in memory nobody else can bring out.
        if role == SWAP && before != image && looks_into_pages(&before) {
            return Err((Error::Dead, reply, restart));
        }
        let begun = clock::now_us();
        if let Err(error) = self.exchange(at, &image) {
            return Err((error, reply, restart));
        }
        let kind = kind_of(role).unwrap_or(vm::PagerKind::Swap);
        let held = call(self.vm, &vm::PagerHeld { kind }).unwrap_or(0);
        let held_us = clock::us_of(held).max(if held == 0 { clock::now_us() - begun } else { 0 });
        let pages = meter(Counter::swap_used);
        answer(
            reply,
            restart,
            Ok(proto::Replaced { held_us, held_cycles: held, pages, took_us: held_us, moved: 0 }),
        );
        Ok(())
    }

    /// Ends what plays a role, and starts an image in its place; if that cannot be started, the one before again.
    pub fn exchange(&mut self, at: usize, image: &str) -> Result<(), Error> {
        let Some(service) = self.services.get(at) else { return Err(Error::NotFound) };
        let (role, before) = (service.server.role, service.image.clone());
        self.end_service(at);
        self.start_service(at, image).inspect_err(|error| {
            ebb_rt::log!("{role}: cannot start {image}: {error}");
            self.start_again(at, &before);
        })
    }

    /// Looks after a replacement under way. Returns whether there is one.
    pub fn tend_replacement(&mut self) -> bool {
        let Some(r) = &self.replacement else { return false };
        let attached = meter(Counter::policy_attached) != 0;
        let ready = attached && meter(Counter::policy_generation) > r.generation;
        let late = clock::now_us() >= r.until_us;
        let gone = self.services.get(r.service).is_none_or(|s| s.running.is_none());
        if !ready && !late && !gone {
            return true;
        }
        let Some(r) = self.replacement.take() else { return false };
        if !ready {
            if !gone {
                self.failed(r.service, "did not become ready");
            }
            self.go_back(
                r.service,
                r.old,
                &r.image,
                attached && meter(Counter::policy_generation) == r.generation,
            );
            answer(r.reply, r.restart, Err(Error::Dead));
            return false;
        }
        if let Some(old) = &r.old {
            self.end_running(old);
        }
        let result = call(self.vm, &vm::PolicyHeld {}).map(|(held, pages, took)| proto::Replaced {
            held_us: clock::us_of(held),
            held_cycles: held,
            pages,
            took_us: clock::us_of(took),
            moved: 0,
        });
        answer(r.reply, r.restart, result);
        false
    }

    /// A replacement has failed: the one before goes on if it still decides, or else another instance of it.
    fn go_back(&mut self, at: usize, old: Option<Running>, image: &str, decides: bool) {
        self.end_service(at);
        let Some(service) = self.services.get_mut(at) else { return };
        match old {
            Some(old) if decides => {
                service.running = Some(old);
                service.image = String::from(image);
                service.state = State::Running;
                return;
            }
            Some(old) => self.end_running(&old),
            None => {}
        }
        self.start_again(at, image);
    }
}

/// Answers whoever asked for a replacement, or for a restart.
pub fn answer(reply: Call, restart: bool, result: Result<proto::Replaced, Error>) {
    if restart {
        reply.answer::<proto::Restart>(result);
    } else {
        reply.answer::<proto::Replace>(result);
    }
}
