// SPDX-License-Identifier: BSD-2-Clause
//! The audit's look at chains of objects: who refers to whom, how long they are, and that nobody's writes can be seen by others.

use crate::machine::Machine;
use crate::map::Backing;
use crate::object::Crowd;
use crate::vm::Vm;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_proto::vm::Space;

/// A region of an anonymous object.
struct View {
    object: u32,
    first: u32,
    end: u32,
    space: Space,
    /// What is written there is written to the object.
    writes: bool,
    /// Others are meant to see it.
    shared: bool,
}

impl<M: Machine> Vm<M> {
    /// What is wrong with the chains, and the objects in the longest.
    pub(crate) fn audit_chains(&self) -> (Vec<String>, u64) {
        let mut wrong = Vec::new();
        let mut crowds: BTreeMap<u32, (Crowd, Crowd)> = BTreeMap::new();
        let mut longest = 0;
        let count = self.objects.iter().count() as u64;
        for (id, o) in self.objects.iter() {
            let mut length = o.file().is_none() as u64;
            let mut next = o.behind();
            if let Some((below, first)) = next {
                crowds.entry(below).or_default().1.add(id);
                match self.objects.get(below) {
                    Some(b) if b.file().is_some() || first + o.pages <= b.pages => {}
                    Some(_) => wrong.push(format!("object {id} shows pages that object {below} has not")),
                    None => wrong.push(format!("object {below}, behind {id}, is gone")),
                }
            }
            while let Some(o) =
                next.and_then(|(below, _)| self.objects.get(below)).filter(|_| length <= count)
            {
                length += o.file().is_none() as u64;
                next = o.behind();
            }
            if length > count {
                wrong.push(format!("the chain of object {id} has no end"));
            }
            longest = longest.max(length);
            let (mut at, mut own) = (0, 0);
            while let Some(index) = o.next_used(at, u32::MAX) {
                (at, own) = (index + 1, own + 1);
            }
            if own != o.own {
                wrong.push(format!("pages known of object {id}: is {}, should be {own}", o.own));
            }
        }
        let mut views = self.views();
        for view in &views {
            let holders = &mut crowds.entry(view.object).or_default().0;
            // Those of a space stand together.
            if !views.iter().any(|v| (v.object, v.space) == (view.object, view.space) && v.first < view.first)
            {
                holders.add(view.space);
            }
        }
        for (id, o) in self.objects.iter().filter(|(_, o)| o.file().is_none()) {
            let (holders, shadows) = crowds.get(&id).copied().unwrap_or_default();
            if (o.holders, o.shadows) != (holders, shadows) {
                let is = (o.holders, o.shadows);
                wrong.push(format!(
                    "holders and shadows of object {id}: are {is:?}, should be {:?}",
                    (holders, shadows)
                ));
            }
            if !o.dead && holders.is_empty() && shadows.is_empty() {
                wrong.push(format!("nobody sees object {id}"));
            }
            if o.is_lone() && !o.collapsing && o.busy == 0 {
                wrong.push(format!("object {id} should become part of its shadow"));
            }
        }
        views.sort_unstable_by_key(|v| (v.object, v.first));
        self.audit_views(&views, &mut wrong);
        (wrong, longest)
    }

    fn views(&self) -> Vec<View> {
        let mut views = Vec::new();
        for space in self.spaces.iter() {
            for region in space.map.iter().filter(|r| self.is_anonymous(r.backing)) {
                let Backing::Object { object, offset } = region.backing else { continue };
                views.push(View {
                    object,
                    first: offset,
                    end: offset + region.pages as u32,
                    space: space.id,
                    writes: !region.needs_copy,
                    shared: region.shared,
                });
            }
        }
        views
    }

    /// `views` are sorted by object and first page.
    fn audit_views(&self, views: &[View], wrong: &mut Vec<String>) {
        for (n, view) in views.iter().enumerate() {
            let others = views[n + 1..].iter().take_while(|v| v.object == view.object && v.first < view.end);
            for other in others {
                if !(view.shared && other.shared) && (view.writes || other.writes) {
                    let (a, b) = (view.space, other.space);
                    wrong.push(format!(
                        "spaces {a} and {b} see each other's writes to object {}",
                        view.object
                    ));
                }
            }
        }
        for (id, o) in self.objects.iter().filter(|(_, o)| o.file().is_none()) {
            let from = views.partition_point(|v| v.object < id);
            let mine = || views[from..].iter().take_while(|v| v.object == id);
            if let Some((below, first)) = o.behind() {
                let from = views.partition_point(|v| v.object < below);
                let seen = |v: &View| v.writes && v.first < first + o.pages && first < v.end;
                if let Some(view) = views[from..].iter().take_while(|v| v.object == below).find(|v| seen(v)) {
                    wrong.push(format!("object {id} shows what space {} writes to {below}", view.space));
                }
            }
            if !o.is_exclusive() {
                continue;
            }
            // Its pages are all to be seen, but for those that go when their I/O ends.
            let (mut next, mut unseen) = (0, 0);
            for (first, end) in mine().map(|v| (v.first, v.end)).chain([(o.pages, o.pages)]) {
                let mut at = next;
                while let Some(index) = o.next_used(at, first) {
                    at = index + 1;
                    let busy = o
                        .entry(index)
                        .frame()
                        .is_some_and(|f| self.frames.page(f).flags.contains(crate::page::Flags::DOOMED));
                    unseen += !busy as u32;
                }
                next = end;
            }
            if unseen > 0 {
                wrong.push(format!("{unseen} pages of object {id} can be seen by nobody"));
            }
        }
    }
}
