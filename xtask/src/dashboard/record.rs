// SPDX-License-Identifier: BSD-2-Clause
//! The machine's records: taken out of its log, read, and compared with the one before.
//!
//! In the log each is as in a JSON text sequence (RFC 7464): the byte 0x1e, an object on one line, a line feed. The log is not only
//! `init`'s: what looks like a record and is none stays in it.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

/// What begins a record.
const BEGIN: u8 = 0x1e;
/// Bytes of a record at most: the kernel writes no more in one go.
const LONGEST: usize = 4096;
/// Seconds, or rather records, of which rates are remembered.
const REMEMBERED: usize = 240;

/// Takes records out of a stream of bytes.
#[derive(Default)]
pub struct Splitter {
    /// A record that has begun.
    begun: Option<Vec<u8>>,
}

impl Splitter {
    /// Takes bytes in. Gives back what is no record, and hands each record to `each`, which says whether it was one.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let mut rest = Vec::with_capacity(bytes.len());
        for byte in bytes {
            match (&mut self.begun, *byte) {
                (begun, BEGIN) => {
                    rest.extend(begun.replace(Vec::new()).unwrap_or_default());
                }
                (Some(text), b'\n') => {
                    if !each(text) {
                        rest.append(text);
                        rest.push(b'\n');
                    }
                    self.begun = None;
                }
                (Some(text), byte) => {
                    text.push(byte);
                    if text.len() > LONGEST {
                        rest.append(text);
                        self.begun = None;
                    }
                }
                (None, byte) => rest.push(byte),
            }
        }
        rest
    }
}

/// A program, or a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its space.
    pub space: u64,
    /// Its name.
    pub name: String,
    /// Resident pages.
    pub resident: u64,
    /// Pages with a copy in swap.
    pub swapped: u64,
    /// Faults since the last record, and those that needed I/O.
    pub faults: (u64, u64),
    /// What it waits for; empty: nothing.
    pub waiting: String,
    /// Whether it is a server.
    pub server: bool,
}

/// Who plays a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its image.
    pub image: String,
    /// `running`, `stopped`, `failed`.
    pub state: String,
    /// How often it has died.
    pub deaths: u64,
}

/// A moment of the machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Microseconds of the machine's clock.
    pub us: u64,
    /// Per cent of the time in which nothing ran.
    pub idle: u64,
    /// Programs and servers, shown or not.
    pub spaces: u64,
    counters: HashMap<String, u64>,
    services: HashMap<String, Service>,
    /// The busiest programs.
    pub programs: Vec<Program>,
}

impl Record {
    /// Reads one. `None`: it is none, or lacks something that every record has.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(text).ok()?;
        let counters: HashMap<_, _> = json["counters"]
            .as_object()?
            .iter()
            .filter_map(|(n, v)| Some((n.clone(), v.as_u64()?)))
            .collect();
        if !counters.contains_key("v_page_count") {
            return None;
        }
        let text = |v: &Value| clean(v.as_str().unwrap_or_default());
        let services = json["services"].as_object()?.iter().map(|(role, s)| {
            let deaths = s["deaths"].as_u64().unwrap_or_default();
            (role.clone(), Service { image: text(&s["image"]), state: text(&s["state"]), deaths })
        });
        let programs = json["programs"].as_array()?.iter().map(|p| {
            let number = |name: &str| p[name].as_u64().unwrap_or_default();
            Program {
                space: number("space"),
                name: text(&p["name"]),
                resident: number("resident"),
                swapped: number("swapped"),
                faults: (number("faults"), number("io")),
                waiting: text(&p["waiting"]),
                server: p["server"].as_bool().unwrap_or_default(),
            }
        });
        Some(Self {
            us: json["us"].as_u64()?,
            idle: json["idle"].as_u64()?.min(100),
            spaces: json["spaces"].as_u64()?,
            services: services.collect(),
            programs: programs.collect(),
            counters,
        })
    }

    /// A counter by its name; 0 if the machine has none of that name.
    pub fn get(&self, counter: &str) -> u64 {
        self.counters.get(counter).copied().unwrap_or_default()
    }

    /// Who plays a role.
    pub fn service(&self, role: &str) -> Option<&Service> {
        self.services.get(role)
    }
}

/// Names are the machine's own, whatever they are: nothing of them acts on the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(40).collect()
}

/// A rate that is shown: what it is called, and the counters that it is the sum of.
pub const RATES: [(&str, &[&str]); 5] = [
    ("faults", &["v_vm_faults"]),
    ("i/o", &["v_io_faults"]),
    ("in", &["v_swappgsin", "v_vnodepgsin"]),
    ("out", &["v_swappgsout", "v_vnodepgsout"]),
    ("freed", &["v_tfree"]),
];

/// The last record, and how the rates were.
#[derive(Default)]
pub struct History {
    /// The last record.
    pub last: Option<Record>,
    /// Events a second, oldest first, in the order of [`RATES`].
    pub rates: [VecDeque<u64>; RATES.len()],
    /// Seconds between the last two records.
    pub interval_s: f64,
}

impl History {
    /// Takes a record in.
    pub fn add(&mut self, record: Record) {
        if let Some(before) = &self.last {
            let us = record.us.saturating_sub(before.us);
            if us == 0 {
                return; // a second one of the same moment, or an old one
            }
            self.interval_s = us as f64 / 1e6;
            for (rates, (_, counters)) in self.rates.iter_mut().zip(RATES) {
                let sum = |r: &Record| counters.iter().map(|c| r.get(c)).fold(0, u64::saturating_add);
                let events = sum(&record).saturating_sub(sum(before));
                rates.push_back((u128::from(events) * 1_000_000 / u128::from(us)) as u64);
                if rates.len() > REMEMBERED {
                    rates.pop_front();
                }
            }
        }
        self.last = Some(record);
    }

    /// The last value of a rate, in the order of [`RATES`].
    pub fn rate(&self, number: usize) -> u64 {
        self.rates.get(number).and_then(|r| r.back()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A record as the machine writes it.
    pub fn text(us: u64, faults: u64, free: u64) -> String {
        format!(
            r#"{{"us":{us},"idle":40,"spaces":12,"counters":{{"v_page_count":16384,"v_free_count":{free},"v_active_count":8000,
            "v_inactive_count":3000,"v_wire_count":2100,"v_laundry_count":16,"v_free_severe":361,"v_free_min":401,
            "v_free_target":641,"v_inactive_target":961,"v_vm_faults":{faults},"v_swappgsin":10,"swap_total":65534,
            "swap_used":20000,"v_ejected":0,"vm_pages_needed":1}},"services":{{"pageout":{{"image":"sieve","state":"running","deaths":2}},
            "swap-pager":{{"image":"swap-pager","state":"running","deaths":0}}}},"programs":[
            {{"space":14,"name":"thrash","resident":11000,"swapped":20000,"faults":950,"io":700,"waiting":"page","server":false}},
            {{"space":5,"name":"vnode-pager","resident":1438,"swapped":0,"faults":0,"io":0,"waiting":"","server":true}}]}}"#
        )
        .replace('\n', "")
    }

    #[test]
    fn records_are_taken_out_of_the_log_however_it_is_cut() {
        let record = text(1, 2, 3);
        let stream = format!("vm: a line\n\x1e{record}\nblock: another\n\x1e{record}\n");
        for cut in 0..stream.len() {
            let (mut splitter, mut found) = (Splitter::default(), 0);
            let mut rest = Vec::new();
            for part in [&stream.as_bytes()[..cut], &stream.as_bytes()[cut..]] {
                rest.extend(splitter.take(part, |r| {
                    found += 1;
                    Record::parse(r).is_some()
                }));
            }
            assert_eq!((found, rest.as_slice()), (2, &b"vm: a line\nblock: another\n"[..]), "cut at {cut}");
        }
    }

    #[test]
    fn what_only_looks_like_a_record_stays_in_the_log() {
        let mut splitter = Splitter::default();
        let each = |r: &[u8]| Record::parse(r).is_some();
        assert_eq!(splitter.take(b"\x1ehello\nthere\n", each), b"hello\nthere\n");
        assert_eq!(splitter.take(b"\x1e{\"us\":1}\n", each), b"{\"us\":1}\n");
        assert_eq!(splitter.take(b"\x1ebroken off\x1ebroken off again", each), b"broken off");
        let long = vec![b'x'; LONGEST + 2];
        assert_eq!(splitter.take(&long, each).len(), LONGEST + 2 + "broken off again".len());
        assert_eq!(splitter.take(b"\x1e\xff\xfe\n", each), b"\xff\xfe\n");
    }

    #[test]
    fn bad_records_are_none() {
        for bad in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"us":1,"idle":0,"spaces":1,"counters":{},"services":{},"programs":[]}"#,
            r#"{"us":-1,"idle":0,"spaces":1,"counters":{"v_page_count":1},"services":{},"programs":[]}"#,
            r#"{"us":1,"idle":0,"spaces":1,"counters":{"v_page_count":1},"services":[],"programs":[]}"#,
        ] {
            assert_eq!(Record::parse(bad.as_bytes()), None, "{bad}");
        }
        // What is odd inside is read as nothing, and no control character comes through.
        let odd = r#"{"us":1,"idle":900,"spaces":1,"counters":{"v_page_count":1,"x":-3},"services":{"pageout":7},
            "programs":[3,{"name":"a\u001b[2Jb"}]}"#;
        let record = Record::parse(odd.as_bytes()).unwrap();
        assert_eq!((record.idle, record.get("x"), record.programs.len()), (100, 0, 2));
        assert_eq!(record.programs[1].name, "a?[2Jb");
    }

    #[test]
    fn rates_are_by_the_machines_clock() {
        let mut history = History::default();
        let record = |us, faults| Record::parse(text(us, faults, 500).as_bytes()).unwrap();
        history.add(record(1_000_000, 100));
        assert_eq!(history.rate(0), 0);
        history.add(record(3_000_000, 1100));
        assert_eq!((history.rate(0), history.interval_s), (500, 2.0));
        // The same moment again, and one before it: neither a division by zero nor a rate from below.
        history.add(record(3_000_000, 9000));
        history.add(record(2_000_000, 9000));
        assert_eq!(history.rates[0].len(), 1);
        for n in 0..1000 {
            history.add(record(4_000_000 + n, 1100));
        }
        assert_eq!(history.rates[0].len(), REMEMBERED);
    }
}
