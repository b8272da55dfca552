// SPDX-License-Identifier: BSD-2-Clause
//! Random system calls of a task that has little and asks for everything.

use super::model::Random;
use super::notifications::{bound, wait_bits};
use crate::assistant::{Rig, must};
use crate::{check, check_eq, memory, raw};
use ebb_abi::boot::handles::{IRQ, PHYS_MEM};
use ebb_abi::layout::MESSAGE_BUFFER;
use ebb_abi::syscall::Number;
use ebb_abi::thread::ThreadOp;
use ebb_abi::{Error, Frame, Rights};
use ebb_sys::memory::audit;
use ebb_sys::object::thread_control;
use ebb_sys::{ipc, time};

const CALLS: u64 = 100_000;

fn argument(random: &mut Random) -> u64 {
    match random.below(10) {
        0..=4 => random.below(12),
        5 => random.below(600),
        6 => MESSAGE_BUFFER + (random.below(64) << 6),
        7 => 1 << random.below(64),
        8 => u64::MAX - random.below(5000),
        _ => random.below(u64::MAX),
    }
}

/// Calls and calls. Word 0 of the shared page counts, word 1 is what the random numbers begin with.
extern "C" fn attacker(seed: u64) -> ! {
    let mut random = Random(seed);
    loop {
        let mut r: [u64; 11] = core::array::from_fn(|_| argument(&mut random));
        r[0] = match random.below(8) {
            0 => random.below(u64::MAX),
            _ => random.below(56),
        };
        if r[0] == Number::Log as u64 {
            // The log is for people: it may refuse, not scribble.
            r[1] |= 1 << 20;
        }
        if random.below(4) == 0 {
            for cell in ebb_sys::buffer::vector().iter().take(16) {
                cell.set(argument(&mut random));
            }
        }
        memory::add(0);
        // SAFETY: it has no right to change its own mappings or anybody's memory; the message buffer it may spoil.
        unsafe { raw::syscall(r) };
    }
}

pub fn random(rig: &mut Rig) {
    let n = bound(rig);
    let (e, f, other) = (rig.endpoint(), rig.endpoint(), rig.notification());
    for (round, memory_rights) in [Rights::HARVEST, Rights::HARVEST | Rights::DEVICE].into_iter().enumerate()
    {
        memory::set(0, 0);
        let all = Rights::SEND | Rights::RECEIVE | Rights::GRANT;
        let given = [
            (e, all, 0),
            (other, all, 0),
            (PHYS_MEM, memory_rights, 0),
            (f, Rights::SEND | Rights::GRANT, 9),
        ];
        let a = rig.prepare(attacker, 0x1234_5678_9abc_def1 + round as u64, &given);
        must(thread_control(a.thread, ThreadOp::Bind, other.0 as u64));
        must(thread_control(a.thread, ThreadOp::Priority, 1));
        let mut kicks = 0u64;
        let mut before = u64::MAX;
        while memory::get(0) < CALLS && kicks < 400_000 {
            // Where it waits for something that never comes, or closed its handles: on with it.
            if memory::get(0) == before {
                must(thread_control(a.thread, ThreadOp::Stop, 0));
            }
            before = memory::get(0);
            match thread_control(a.thread, ThreadOp::Start, 0) {
                Ok(()) | Err(Error::BadArgument) => {}
                Err(error) => panic!("{error:?}"),
            }
            kicks += 1;
            must(ipc::timer(n, 1, time::tsc() + rig.info.tsc_hz / 5000));
            check_quietly(wait_bits() == 1);
        }
        check!(memory::get(0) >= CALLS);
        rig.end(a);
        check_eq!(audit(PHYS_MEM, Frame(0), rig.info.nr_frames), Ok(0));
    }
    // Unharmed: the interrupt right was never there.
    check!(ebb_sys::device::irq_ack(IRQ, &must(ebb_sys::device::irq_bind(IRQ, 3, n, 0))).is_ok());
    rig.destroy(other);
    rig.destroy(e);
    rig.destroy(f);
    rig.destroy(n);
}

fn check_quietly(holds: bool) {
    if !holds {
        check!(holds);
    }
}
