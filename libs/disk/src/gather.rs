// SPDX-License-Identifier: BSD-2-Clause
//! A request, put together from the entries of a client's ring.

use ebb_proto::block::{MAX_RUN, MORE, SECTORS_PER_PAGE, Submission, Transfer};

/// A request whose entries are coming in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gathered {
    /// Cookie of the first entry.
    pub cookie: u32,
    /// What to do; `None`: something is wrong with an entry, the request is only gathered to its end.
    pub transfer: Option<Transfer>,
    /// The disk.
    pub disk: u8,
    /// First sector.
    pub sector: u64,
    /// Its frames.
    pub frames: [u32; MAX_RUN],
    /// How many.
    pub len: usize,
}

/// Takes an entry in; returns the request if this was its last one.
pub fn push(begun: &mut Option<Gathered>, entry: &[u64; 4]) -> Option<Gathered> {
    let unpacked = Submission::unpack(entry);
    let request = begun.get_or_insert_with(|| Gathered {
        cookie: (entry[0] >> 32) as u32,
        transfer: unpacked.map(|s| s.transfer),
        disk: unpacked.map_or(0, |s| s.disk),
        sector: unpacked.map_or(0, |s| s.sector),
        frames: [0; MAX_RUN],
        len: 0,
    });
    match unpacked {
        Some(s) if fits(request, &s, entry) => {
            request.frames[request.len] = s.frame;
            request.len += 1;
        }
        _ => request.transfer = None,
    }
    if entry[0] & MORE != 0 { None } else { begun.take() }
}

fn fits(request: &Gathered, s: &Submission, entry: &[u64; 4]) -> bool {
    let next = request.sector.saturating_add(request.len as u64 * SECTORS_PER_PAGE);
    request.len < MAX_RUN
        && request.transfer == Some(s.transfer)
        && request.disk == s.disk
        && if s.transfer == Transfer::Flush {
            request.len == 0
        } else {
            next == s.sector && entry[2] <= u32::MAX as u64
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(more: bool, sector: u64) -> [u64; 4] {
        Submission { transfer: Transfer::Read, more, cookie: sector as u32, disk: 1, sector, frame: 5 }.pack()
    }

    #[test]
    fn a_run_comes_together() {
        let mut g = None;
        assert_eq!(push(&mut g, &entry(true, 8)), None);
        assert_eq!(push(&mut g, &entry(true, 16)), None);
        let request = push(&mut g, &entry(false, 24)).unwrap();
        assert_eq!(
            (request.cookie, request.sector, request.len, request.transfer),
            (8, 8, 3, Some(Transfer::Read))
        );
        assert_eq!(g, None);
    }

    #[test]
    fn a_run_that_is_none_is_swallowed_to_its_end() {
        for bad in [
            entry(true, 24),
            Submission { transfer: Transfer::Write, ..Submission::unpack(&entry(true, 16)).unwrap() }.pack(),
            Submission { disk: 2, ..Submission::unpack(&entry(true, 16)).unwrap() }.pack(),
            [MORE | 99, 0, 0, 0],
            [entry(true, 16)[0], entry(true, 16)[1], 1 << 32, 0],
        ] {
            let mut g = None;
            assert_eq!(push(&mut g, &entry(true, 8)), None);
            assert_eq!(push(&mut g, &bad), None);
            let request = push(&mut g, &entry(false, 24)).unwrap();
            assert_eq!((request.cookie, request.transfer), (8, None), "{bad:x?}");
        }
        let mut g = None;
        for n in 0..40 {
            assert_eq!(push(&mut g, &entry(true, 8 * n)), None);
        }
        assert_eq!(push(&mut g, &entry(false, 320)).unwrap().transfer, None, "too long");
    }
}
