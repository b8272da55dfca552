// SPDX-License-Identifier: BSD-2-Clause
//! A disk in memory that takes as long as a disk of some kind would.
//!
//! Data moves when a request is submitted, completions are seen when the model says so. Nobody can tell the difference: the frames of a request belong to
//! the disk until it completes, and requests that touch the same sectors take effect in the order in which they came.

use crate::device::{Device, Info, Request};
use crate::model::{Kind, Model, QUEUE, Work};
use crate::ram::{Copier, RamDisk};
use ebb_proto::block::SECTOR;

/// Tells the time.
pub trait Clock {
    /// Nanoseconds, from any moment on; never going back.
    fn now_ns(&self) -> u64;
}

/// The disk.
pub struct Modeled<C, T> {
    disk: RamDisk<C>,
    clock: T,
    model: Model,
    info: Info,
    /// What is under way: the requests' tags, and how they went.
    under_way: [Option<(u32, bool)>; QUEUE],
}

impl<C: Copier, T: Clock> Modeled<C, T> {
    /// A disk as one of that kind.
    pub fn new(disk: RamDisk<C>, kind: Kind, clock: T) -> Modeled<C, T> {
        let info = Info { driver: kind.name(), ..disk.info().clone() };
        Modeled { disk, clock, model: Model::new(kind), info, under_way: [None; QUEUE] }
    }
}

impl<C: Copier, T: Clock> Device for Modeled<C, T> {
    fn info(&self) -> &Info {
        &self.info
    }

    fn start(&mut self, request: &Request<'_>) -> bool {
        let Some(place) = self.under_way.iter().position(Option::is_none) else { return false };
        let work = Work {
            id: place as u32,
            transfer: request.transfer,
            byte: request.sector * SECTOR,
            bytes: request.sectors as u64 * SECTOR,
        };
        let taken = self.model.submit(self.clock.now_ns(), work);
        if taken {
            self.under_way[place] = Some((request.tag, self.disk.transfer(request)));
        }
        taken
    }

    fn kick(&mut self) {}

    fn finished(&mut self) -> Option<(u32, bool)> {
        let place = self.model.finished(self.clock.now_ns())?;
        self.under_way.get_mut(place as usize)?.take()
    }

    fn due_ns(&self) -> Option<u64> {
        // One that took no time at all may be finished already.
        self.model.due().map(|due| due.saturating_sub(self.clock.now_ns()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::rc::Rc;
    use core::cell::Cell;
    use ebb_abi::frame::Piece;
    use ebb_proto::block::Transfer;

    struct Hand(Rc<Cell<u64>>);

    impl Clock for Hand {
        fn now_ns(&self) -> u64 {
            self.0.get()
        }
    }

    /// Counts the pieces; one from or to frame 13 cannot be copied.
    struct Counting(Rc<Cell<u64>>);

    impl Copier for Counting {
        fn copy(&mut self, pieces: &[Piece]) -> bool {
            self.0.set(self.0.get() + pieces.len() as u64);
            pieces.iter().all(|p| p.from.0 != 13 && p.to.0 != 13)
        }
    }

    #[test]
    fn data_moves_at_the_start_and_completions_come_when_they_are_due() {
        let (now, copied) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let ram = RamDisk::new("swap0", 100, 512, Counting(copied.clone()));
        let mut disk = Modeled::new(ram, Kind::Ssd, Hand(now.clone()));
        assert_eq!((disk.info().driver, disk.info().sectors, disk.due_ns()), ("ssd", 512, None));
        let request = |tag, frame| Request {
            tag,
            transfer: Transfer::Read,
            sector: 8 * tag as u64,
            sectors: 8,
            frames: core::slice::from_ref(frame),
        };
        assert!(disk.start(&request(3, &5)) && disk.start(&request(4, &13)));
        assert_eq!(copied.get(), 2);
        let due = disk.due_ns().unwrap();
        assert!((50_000..150_000).contains(&due) && !disk.has_finished());
        now.set(due - 1);
        assert_eq!((disk.finished(), disk.due_ns()), (None, Some(1)));
        now.set(2 * due);
        assert_eq!(disk.due_ns(), Some(0));
        assert_eq!((disk.finished(), disk.finished()), (Some((3, true)), Some((4, false))));
        assert_eq!((disk.finished(), disk.due_ns()), (None, None));
        // A full queue asks for patience, and has room again when something was taken out.
        assert!((0..QUEUE as u32).all(|tag| disk.start(&request(tag % 8, &5))));
        assert!(!disk.start(&request(0, &5)));
        assert_eq!(copied.get(), 2 + QUEUE as u64);
        now.set(now.get() + disk.due_ns().unwrap());
        assert!(disk.finished().is_some() && disk.start(&request(0, &5)));
    }
}
