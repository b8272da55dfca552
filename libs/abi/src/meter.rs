// SPDX-License-Identifier: BSD-2-Clause
//! The counters of `vm` (`struct vmmeter`): a page at [`crate::layout::METER`] that every task may read.
//!
//! `vm` is the only writer. Each counter is one `u64`, written whole; a reader may see two counters of
//! different moments, never a torn one.

macro_rules! meter {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters, in the order of the page. Names are FreeBSD's where it has the counter.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(non_camel_case_types)]
        #[repr(usize)]
        pub enum Counter { $($(#[doc = $doc])+ $name,)+ }

        /// Name of each counter, by its index.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];
        /// Every counter, by its index.
        pub const ALL: &[Counter] = &[$(Counter::$name),+];
    };
}

meter! {
    /// Pages of the machine.
    v_page_count,
    /// Pages free.
    v_free_count,
    /// Pages wired.
    v_wire_count,
    /// Pages that the policy holds active (as `vm` mirrors it).
    v_active_count,
    /// Pages that the policy holds inactive.
    v_inactive_count,
    /// Pages being written out.
    v_laundry_count,
    /// Threshold: keep so many free (`v_free_reserved`).
    v_free_reserved,
    /// Threshold: severe shortage below.
    v_free_severe,
    /// Threshold: minimum.
    v_free_min,
    /// Threshold: target.
    v_free_target,
    /// Threshold: inactive target.
    v_inactive_target,
    /// Threshold: pages for interrupts.
    v_interrupt_free_min,
    /// Threshold: pages the page daemon may use.
    v_pageout_free_min,
    /// Level below which an allocation wakes the page daemon.
    pageout_wakeup_thresh,
    /// 1 while pages are needed (`vm_pages_needed`).
    vm_pages_needed,
    /// Failed allocations' wants, not yet read by the daemon (`vm_pageout_deficit`).
    vm_pageout_deficit,
    /// Page faults served.
    v_vm_faults,
    /// Faults that needed I/O.
    v_io_faults,
    /// Faults on a page in transit (`v_intrans`).
    v_intrans,
    /// Pages zero-filled on demand.
    v_zfod,
    /// Copy-on-write faults.
    v_cow_faults,
    /// Swap pager reads.
    v_swapin,
    /// Swap pager writes.
    v_swapout,
    /// Pages swapped in.
    v_swappgsin,
    /// Pages swapped out.
    v_swappgsout,
    /// Vnode pager reads.
    v_vnodein,
    /// Vnode pager writes.
    v_vnodeout,
    /// Pages of files read.
    v_vnodepgsin,
    /// Pages of files written.
    v_vnodepgsout,
    /// Times the syncer has looked for modified pages of files.
    v_syncs,
    /// Files in the cache, in use or not.
    v_files,
    /// Times the page daemon found need (`v_pdwakeups`).
    v_pdwakeups,
    /// Pages examined by the page daemon.
    v_pdpages,
    /// Pages freed by the page daemon.
    v_dfree,
    /// Pages freed by ending programs.
    v_pfree,
    /// Pages freed, all.
    v_tfree,
    /// Pages activated again by the page daemon.
    v_reactivated,
    /// Decisions of the policy that were refused: stale or impossible.
    v_refused,
    /// Decisions of the policy, all.
    v_decisions,
    /// Messages that brought decisions.
    v_decision_calls,
    /// Pages reclaimed by `vm` itself because no policy answered.
    v_clumsy,
    /// Policies ejected because they missed their deadline.
    v_ejected,
    /// Requests sent again after a pager came back.
    v_resubmitted,
    /// Writes that failed.
    v_pageout_errors,
    /// Programs ended because memory was exhausted.
    v_oom_kills,
    /// Bytes of anonymous memory mapped.
    v_anon_bytes,
    /// Number of the policy instance that is attached; changes with each.
    policy_generation,
    /// Number of the swap pager instance that is attached.
    pager_generation,
    /// Number of the vnode pager instance that is attached.
    vnode_generation,
    /// 1 while a policy is attached.
    policy_attached,
    /// Slots of swap, all devices.
    swap_total,
    /// Slots in use: pages that have a copy in swap.
    swap_used,
    /// Faults waiting for a free page.
    v_waiters,
    /// Time-stamp counter when the oldest of them began to wait; 0: none waits.
    oldest_wait_since,
    /// Changes whenever a tunable is set.
    tunables_generation,
    /// Programs swapped out whole (`uvmexp.swapouts`).
    swapouts,
    /// Programs that came in again (`uvmexp.swapins`).
    swapins,
    /// Kernel frames that came back when programs were swapped out.
    swapout_frames,
}
