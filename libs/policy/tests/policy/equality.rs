// SPDX-License-Identifier: BSD-2-Clause
//! The batched two-queue policy does what the rules say page by page: it is run beside a model that knows no batches, on
//! two copies of one machine, under random scripts.

use std::collections::{HashMap, HashSet, VecDeque};

use ebb_policy::freebsd::{Freebsd, Options};
use ebb_policy::queues::List;
use ebb_policy::sim::{Sim, SimObject};
use ebb_policy::{Decision, Event, Machine, Page, Policy, Queue, Request, Verdict, Want};
use proptest::prelude::*;

/// The rules of sections 7 to 9, one page at a time.
#[derive(Default)]
struct Model {
    inactive: VecDeque<u32>,
    active: VecDeque<u32>,
    parked: VecDeque<u32>,
    act: HashMap<u32, u32>,
    marked: HashSet<u32>,
    fresh: HashSet<u32>,
    wired: HashSet<u32>,
    pass: u32,
    pdpages: u64,
    stuck: u64,
    lock_miss: u64,
    deactivated: u64,
    last_active_us: Option<u64>,
    discount: bool,
}

impl Model {
    fn off(&mut self, f: u32) {
        for queue in [&mut self.inactive, &mut self.active, &mut self.parked] {
            queue.retain(|x| *x != f);
        }
    }

    fn activate(&mut self, f: u32) {
        let act = self.act.entry(f).or_default();
        *act = (*act).max(5);
        if !self.active.contains(&f) {
            self.off(f);
            self.active.push_back(f);
        }
    }

    fn deactivate(&mut self, f: u32) {
        if !self.inactive.contains(&f) {
            self.off(f);
            self.marked.remove(&f);
            self.inactive.push_back(f);
        }
    }

    fn settle(&mut self, f: u32, queue: Queue) {
        match queue {
            Queue::Active => self.activate(f),
            Queue::Inactive => self.deactivate(f),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::PageIn { page, queue, .. } => {
                self.off(page.frame);
                self.act.insert(page.frame, 0);
                self.marked.remove(&page.frame);
                self.wired.remove(&page.frame);
                self.fresh.insert(page.frame);
                self.settle(page.frame, queue);
            }
            Event::Activate(p) if !self.wired.contains(&p.frame) => self.activate(p.frame),
            Event::Deactivate(p) if !self.wired.contains(&p.frame) => self.deactivate(p.frame),
            Event::Free(p) => self.off(p.frame),
            Event::Wire(p) => {
                self.off(p.frame);
                self.wired.insert(p.frame);
            }
            Event::Unwire { page, queue } if self.wired.remove(&page.frame) => self.settle(page.frame, queue),
            Event::Laundered { page, ok: false } if !self.wired.contains(&page.frame) => {
                self.activate(page.frame)
            }
            _ => {}
        }
    }

    fn refs(&mut self, sim: &mut Sim, f: u32) -> u32 {
        let first = self.fresh.remove(&f) && self.discount;
        u32::from(sim.look(f)).saturating_sub(first.into())
    }

    fn run(&mut self, sim: &mut Sim) {
        while let Some(event) = sim.next_event() {
            self.event(event);
        }
        self.last_active_us.get_or_insert(sim.now_us);
        if !sim.tunables.disable_swapspace_pageouts {
            self.inactive.append(&mut self.parked);
        }
        self.pass = if sim.meter.pages_needed { self.pass + 1 } else { 0 };
        let target =
            |sim: &Sim| i64::from(sim.meter.thresholds.free_target) - i64::from(sim.meter.free_count);
        let deficit = if self.pass > 0 { i64::from(sim.take_deficit()) } else { 0 };
        let mut shortage = if self.pass > 0 { target(sim) + deficit } else { 0 };
        let p = sim.meter.thresholds.cluster;
        let (mut ops, mut pages) = match self.pass {
            0 | 1 => (sim.tunables.max_launder.max(1), sim.tunables.max_launder.max(1) as i64 * i64::from(p)),
            _ => (10_000, 10_000),
        };
        let (mut stuck, mut skipped) = (0, 0);
        for f in self.inactive.clone() {
            if shortage <= 0 {
                break;
            }
            self.pdpages += 1;
            let page = &sim.pages[f as usize];
            if page.busy || page.held {
                stuck += 1;
                continue;
            }
            let (object, _) = page.place.unwrap();
            let object = sim.objects.get(&object).copied();
            let fresh = self.fresh.contains(&f);
            let refs = self.refs(sim, f);
            if refs > 0 {
                if object.is_none_or(|o| o.referenced) {
                    sim.pages[f as usize].queue = Some(Queue::Active);
                    self.activate(f);
                    let act = self.act.get_mut(&f).unwrap();
                    *act = (*act + 3 + refs).min(64);
                } else {
                    self.off(f);
                    self.inactive.push_back(f);
                }
                continue;
            }
            let one = |sim: &mut Sim, want| sim.carry_out(Decision { page: sim.page(f), want });
            match one(sim, Want::Reclaim) {
                Verdict::Done => {
                    self.off(f);
                    shortage -= 1;
                    continue;
                }
                Verdict::DirtyDead => {
                    stuck += 1;
                    continue;
                }
                Verdict::Dirty => {}
                other => panic!("{other:?}"),
            }
            let room = sim.tunables.max_laundering > sim.meter.laundering;
            if self.pass < 2 && self.marked.insert(f) {
                self.off(f);
                self.inactive.push_back(f);
            } else if ops > 0 && pages > 0 && room {
                if sim.tunables.disable_swapspace_pageouts {
                    self.off(f);
                    self.parked.push_back(f);
                } else if sim.tunables.defer_swapspace_pageouts
                    && sim.meter.free_count >= sim.meter.thresholds.free_min
                {
                    self.off(f);
                    self.inactive.push_back(f);
                } else {
                    match one(sim, Want::Launder) {
                        Verdict::Started { pages: n } => {
                            shortage -= 1;
                            ops -= 1;
                            pages -= i64::from(n);
                        }
                        Verdict::NoSpace | Verdict::Failed => self.activate(f),
                        Verdict::Locked => {
                            self.lock_miss += 1;
                            skipped += 1;
                        }
                        Verdict::Busy | Verdict::Held => {
                            stuck += 1;
                            // As good as not looked at.
                            if fresh {
                                self.fresh.insert(f);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        self.stuck += stuck as u64;
        if sim.tunables.swap_enabled && shortage > 0 {
            sim.request(Request::SwapOut(1));
        }
        let t = sim.meter.thresholds;
        if skipped > 0 && shortage > i64::from(t.free_target) - i64::from(t.free_min) {
            sim.request(Request::SpeedupSyncer);
        }
        self.age(sim, i64::from(t.inactive_target) + target(sim) + deficit + stuck);
    }

    /// `wanted`: the active shortage but for the inactive pages there are.
    fn age(&mut self, sim: &mut Sim, wanted: i64) {
        let mut shortage = wanted - self.inactive.len() as i64;
        let len = self.active.len() as u64;
        let elapsed = sim.now_us - self.last_active_us.unwrap();
        let due = match u64::from(sim.tunables.update_period_s) {
            0 => 0,
            period => (len * elapsed / (period * 1_000_000)).min(len),
        };
        if due > 0 || (shortage > 0 && len > 0) {
            self.last_active_us = Some(sim.now_us);
        }
        for (scanned, f) in self.active.clone().into_iter().enumerate() {
            if scanned as u64 >= due && shortage <= 0 {
                break;
            }
            self.pdpages += 1;
            let refs = self.refs(sim, f);
            let act = self.act.get_mut(&f).unwrap();
            *act = if refs > 0 { (*act + 3 + refs).min(64) } else { act.saturating_sub(1) };
            if *act == 0 {
                sim.pages[f as usize].queue = Some(Queue::Inactive);
                self.deactivate(f);
                self.deactivated += 1;
                shortage -= 1;
            } else {
                self.off(f);
                self.active.push_back(f);
            }
        }
    }
}

/// One thing that happens between scans. Numbers are reduced to what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    PageIn { frame: u16, object: u8, active: bool, dirty: bool },
    PageOut(u16),
    Touch { frame: u16, refs: u8 },
    Write(u16),
    Busy(u16),
    Held(u16),
    Wire(u16),
    Advise { frame: u16, active: bool },
    Launder { frame: u16, verdict: u8 },
    Complete { count: u8, ok: bool },
    Tunable { which: u8, value: u8 },
    Time(u32),
    Deficit(u8),
    Scan { needed: bool, shortage: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    prop_oneof![
        8 => (any::<u16>(), 0u8..6, any::<bool>(), any::<bool>())
            .prop_map(|(frame, object, active, dirty)| PageIn { frame, object, active, dirty }),
        1 => any::<u16>().prop_map(PageOut),
        6 => (any::<u16>(), 1u8..5).prop_map(|(frame, refs)| Touch { frame, refs }),
        3 => any::<u16>().prop_map(Write),
        1 => any::<u16>().prop_map(Busy),
        2 => any::<u16>().prop_map(Held),
        1 => any::<u16>().prop_map(Wire),
        1 => (any::<u16>(), any::<bool>()).prop_map(|(frame, active)| Advise { frame, active }),
        2 => (any::<u16>(), any::<u8>()).prop_map(|(frame, verdict)| Launder { frame, verdict }),
        4 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(count, ok)| Complete { count, ok }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(which, value)| Tunable { which, value }),
        2 => (0u32..300_000_000).prop_map(Time),
        1 => any::<u8>().prop_map(Deficit),
        6 => (prop::bool::weighted(0.8), 0u16..400).prop_map(|(needed, shortage)| Scan { needed, shortage }),
    ]
}

const FRAMES: u16 = 300;

/// Object 4 has no references, 5 is dead.
fn machine() -> Sim {
    let mut sim = Sim::new(FRAMES.into(), 4096);
    sim.objects.insert(4, SimObject { size: 1000, referenced: false, dead: false });
    sim.objects.insert(5, SimObject { size: 1000, referenced: false, dead: true });
    sim.tunables.pageout_oom_seq = 1_000_000;
    sim.tunables.oom_wait_s = 0;
    sim.tunables.lowmem_period_s = 86_400;
    sim.meter.thresholds.inactive_target = 100;
    sim
}

/// Does it to one machine; true if it was a scan, which the caller runs.
fn apply(sim: &mut Sim, step: Step) -> bool {
    let at = |f: u16| usize::from(f % FRAMES);
    let there = |sim: &Sim, f: u16| {
        let page = &sim.pages[at(f)];
        page.place.is_some() && !page.busy && !page.wired
    };
    match step {
        Step::PageIn { frame, object, active, dirty } if sim.pages[at(frame)].place.is_none() => {
            let queue = if active { Queue::Active } else { Queue::Inactive };
            sim.page_in(at(frame) as u32, (u32::from(object), at(frame) as u64), queue);
            sim.pages[at(frame)].dirty = dirty;
        }
        Step::PageOut(f) if there(sim, f) => sim.page_out(at(f) as u32),
        Step::Touch { frame, refs } if there(sim, frame) => {
            let page = &mut sim.pages[at(frame)];
            page.refs = page.refs.max(refs);
        }
        Step::Write(f) if there(sim, f) => sim.pages[at(f)].dirty_in_mapping = true,
        Step::Busy(f) if there(sim, f) => sim.pages[at(f)].busy = true,
        Step::Busy(f) if !sim.writing.contains(&(at(f) as u32)) => sim.pages[at(f)].busy = false,
        Step::Held(f) if there(sim, f) => sim.pages[at(f)].held ^= true,
        Step::Wire(f) => {
            let page = sim.page(at(f) as u32);
            if there(sim, f) {
                sim.pages[at(f)].wired = true;
                sim.pages[at(f)].queue = None;
                sim.events.push_back(Event::Wire(page));
            } else if sim.pages[at(f)].wired {
                sim.pages[at(f)].wired = false;
                sim.pages[at(f)].queue = Some(Queue::Inactive);
                sim.events.push_back(Event::Unwire { page, queue: Queue::Inactive });
            }
        }
        Step::Advise { frame, active } if there(sim, frame) => {
            let page = sim.page(at(frame) as u32);
            let queue = if active { Queue::Active } else { Queue::Inactive };
            sim.pages[at(frame)].queue = Some(queue);
            sim.events.push_back(if active { Event::Activate(page) } else { Event::Deactivate(page) });
        }
        Step::Launder { frame, verdict } => {
            let verdicts = [
                Verdict::Again,
                Verdict::NoSpace,
                Verdict::Failed,
                Verdict::Locked,
                Verdict::Changed,
                Verdict::Busy,
            ];
            let frame = at(frame) as u32;
            match verdicts.get(usize::from(verdict) % 8) {
                Some(verdict) => sim.launder_script.insert(frame, *verdict),
                None => sim.launder_script.remove(&frame),
            };
        }
        Step::Complete { count, ok } => (0..count).for_each(|_| _ = sim.complete(ok)),
        Step::Tunable { which, value } => match which % 5 {
            0 => sim.tunables.max_launder = i32::from(value) / 8 - 2,
            1 => sim.tunables.defer_swapspace_pageouts ^= true,
            2 => sim.tunables.disable_swapspace_pageouts = value < 40,
            3 => sim.tunables.max_laundering = u32::from(value) + 1,
            _ => sim.tunables.update_period_s = u32::from(value),
        },
        Step::Time(us) => sim.now_us += u64::from(us),
        Step::Deficit(n) => sim.deficit += u32::from(n),
        Step::Scan { needed, shortage } => {
            sim.meter.pages_needed = needed;
            // Also more free than the target, and around the minimum (74 of 131).
            sim.meter.free_count = 150u32.saturating_sub(shortage.into());
            sim.meter.thresholds.free_target = 131 + u32::from(shortage) / 2;
            return true;
        }
        _ => {}
    }
    false
}

/// Place, queue, busy, dirty.
type SeenPage = (Option<(u32, u64)>, Option<Queue>, bool, bool);

/// What both sides must agree upon. References left in the machine are not compared: the policy keeps those of stuck pages
/// itself, which shows in what it does later.
#[derive(Debug, PartialEq)]
struct Seen {
    inactive: Vec<(u32, u32, bool)>,
    active: Vec<(u32, u32)>,
    parked: Vec<u32>,
    pages: Vec<SeenPage>,
    freed: Vec<Page>,
    writes: Vec<(u32, std::ops::Range<u64>)>,
    requests: Vec<Request>,
    counts: [u64; 5],
    free_count: u32,
}

fn machine_side(sim: &Sim) -> (Vec<SeenPage>, u32) {
    (sim.pages.iter().map(|p| (p.place, p.queue, p.busy, p.dirty)).collect(), sim.meter.free_count)
}

fn seen_policy(policy: &Freebsd, sim: &Sim) -> Seen {
    let list = |l| policy.order(l).map(|(p, act, marked)| (p.frame, u32::from(act), marked));
    let stats = policy.stats();
    let (pages, free_count) = machine_side(sim);
    Seen {
        inactive: list(List::Inactive).collect(),
        active: list(List::Active).map(|(f, a, _)| (f, a)).collect(),
        parked: list(List::Parked).map(|(f, ..)| f).collect(),
        pages,
        freed: sim.freed.clone(),
        writes: sim.writes.clone(),
        requests: sim.requests(),
        counts: [stats.v_pdpages, stats.v_dfree, stats.stuck, stats.lock_miss, stats.deactivated],
        free_count,
    }
}

fn seen_model(model: &Model, sim: &Sim) -> Seen {
    let (pages, free_count) = machine_side(sim);
    Seen {
        inactive: model.inactive.iter().map(|f| (*f, model.act[f], model.marked.contains(f))).collect(),
        active: model.active.iter().map(|f| (*f, model.act[f])).collect(),
        parked: model.parked.iter().copied().collect(),
        pages,
        freed: sim.freed.clone(),
        writes: sim.writes.clone(),
        requests: sim.requests(),
        counts: [model.pdpages, sim.freed.len() as u64, model.stuck, model.lock_miss, model.deactivated],
        free_count,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn batches_equal_pages_one_by_one(
        steps in prop::collection::vec(step(), 0..900),
        discount: bool,
        limits: bool,
        filled in 0..FRAMES,
    ) {
        let (mut ours, mut theirs) = (machine(), machine());
        ours.limits = limits;
        let mut policy = Freebsd::new(FRAMES.into(), Options { discount_first_reference: discount });
        let mut model = Model { discount, ..Model::default() };
        let fill = (0..filled).map(|frame| {
            Step::PageIn { frame, object: (frame / 40 % 6) as u8, active: frame % 3 == 0, dirty: frame % 2 == 0 }
        });
        for step in fill.chain(steps) {
            let scan = apply(&mut ours, step);
            apply(&mut theirs, step);
            if scan {
                policy.run(&mut ours);
                model.run(&mut theirs);
                prop_assert_eq!(policy.check(), Ok(()));
                prop_assert_eq!(seen_policy(&policy, &ours), seen_model(&model, &theirs));
            }
        }
    }
}
