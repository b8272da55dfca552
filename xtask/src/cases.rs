// SPDX-License-Identifier: BSD-2-Clause
//! The machine suite as data: each case boots a machine of its own, runs a script in its shell, and is judged by
//! status, output and log. Every script is followed by `audit`.

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name; a filter matches any part of it.
    pub name: &'static str,
    /// The program that is booted as `init`, with nothing else beside it; `None`: the whole system.
    pub init: Option<&'static str>,
    /// More words on the kernel's command line.
    pub cmdline: &'static str,
    /// Modules left out of the image.
    pub without: &'static [&'static str],
    /// Modules that are in the image besides.
    pub with: &'static [&'static str],
    /// `--mem`.
    pub mem: &'static str,
    /// `--swap`, one for each disk.
    pub swap: &'static [&'static str],
    /// `--input`: what is in each file.
    pub input: &'static [Input],
    /// `--policy`.
    pub policy: Option<&'static str>,
    /// `--swap-pager`.
    pub swap_pager: Option<&'static str>,
    /// `--icount`.
    pub icount: bool,
    /// `--busy-host`.
    pub busy_host: Option<u64>,
    /// Whether there is a root disk.
    pub root: bool,
    /// What the machine boots from.
    pub boot: Medium,
    /// The script.
    pub exec: &'static str,
    /// Seconds until the machine counts as hung. Generous: the host may be slow, a hang is for ever.
    pub timeout_s: u64,
    /// Our exit status that is right.
    pub status: u8,
    /// Whether the log may say "panic"; otherwise it never does.
    pub may_panic: bool,
    /// What must hold besides.
    pub checks: &'static [Check],
}

/// What a case boots from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// The disk that `run` makes.
    Run,
    /// The image of `iso`, as a CD-ROM.
    IsoAsCd,
    /// The same bytes, as a SATA disk.
    IsoAsDisk,
}

/// An input file that is made for the case.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// A recording for `replay`: references to pages as little-endian words of 32 bits, `passes` rounds over `pages` pages, each round followed by
    /// as many skewed ones.
    References {
        /// Different pages.
        pages: u32,
        /// Rounds.
        passes: u32,
    },
}

/// Something that must hold.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// Standard output has this text.
    Says(&'static str),
    /// Standard output does not have this text.
    NeverSays(&'static str),
    /// Among the JSON objects on standard output, the last one that has this field has a number of at least so much
    /// there. A dot goes into an object, or with a number into a list: `checked.frames`, `3.deaths`.
    AtLeast(&'static str, f64),
    /// The same, at most.
    AtMost(&'static str, f64),
    /// Whenever an object has this field, which it does at least so often, its number is at most the last one.
    Always(&'static str, usize, f64),
    /// At least two objects have this field, and its number in the last one is at most that in the first: what was taken is back.
    Back(&'static str),
    /// `time` of the shell said at least so often how long something took: the median, and the longest, is at most so many seconds.
    Takes(usize, f64, f64),
    /// Standard output has exactly this line so often.
    Times(&'static str, usize),
    /// The log has this text.
    Logs(&'static str),
    /// The log has at least so many records for a dashboard in which this program has faulted, and nothing that only looks like a record.
    Records(usize, &'static str),
    /// The same field is exactly this, as JSON writes it.
    Is(&'static str, &'static str),
}

use Check::{Always, AtLeast, AtMost, Back, Is, Logs, NeverSays, Records, Says, Takes, Times};

/// What a shell's status above 63 comes out as: 127 for a command that is not there, 137 for a killed program.
const ABOVE_63: u8 = 63;

/// What most cases are: a machine that pages.
const CASE: Case = Case {
    name: "",
    init: None,
    cmdline: "",
    without: &[],
    with: &[],
    mem: "64M",
    swap: &["256M"],
    input: &[],
    policy: None,
    swap_pager: None,
    icount: false,
    busy_host: None,
    root: false,
    boot: Medium::Run,
    exec: "",
    timeout_s: 300,
    status: 0,
    may_panic: false,
    checks: &[],
};

/// Our status when a server failed and the machine with it, and when the kernel could not go on.
const SERVER_FAILURE: u8 = 71;
const KERNEL_FAILURE: u8 = 70;

/// Our status when all went well, but for servers.
const SERVER_DIED: u8 = 62;

/// A kernel that fails on purpose.
const EPITAPH: Case = Case { swap: &[], exec: "help", status: KERNEL_FAILURE, may_panic: true, ..CASE };

/// Paging in and out, and nothing wrong.
const PAGES: &[Check] = &[AtLeast("v_swappgsout", 1.0), AtLeast("v_swappgsin", 1.0)];

/// A workload that checks what it wrote, under a policy that misbehaves in a way.
macro_rules! sabotage {
    ($way:literal) => {
        concat!(
            "sysctl vm.policy_deadline=500; thrash --mem 2x --pattern zipf --rounds 12 --verify & service replace pageout saboteur:",
            $way,
            " || echo refused; wait; services; services --json; vmstat --json"
        )
    };
}

/// The default has taken the place of a policy that failed again and again, or never left it.
const IN_THE_END: Check = Is("5.image", "\"freebsd\"");

/// A machine on which a policy misbehaves: the workload is right, and in the end the default policy rules.
const SABOTAGE: Case = Case { with: &["saboteur"], status: SERVER_DIED, timeout_s: 120, ..CASE };

/// What is tried on a machine without any disk.
const ON_ISO: &str = "uptime; seq 300 | sort -rn > /data/down; sync; echo first $(head -n 1 /data/down); \
    sha256sum /bin/* > /tmp/sums; mv /data/down /data/moved; echo $(wc -l < /data/moved) lines; mount; df";
/// Pages of the limit in the cases about limits: 8 MiB.
const LIMIT_PAGES: f64 = 2048.0;

/// The suite.
pub const CASES: &[Case] = &[
    // The kernel alone: every system call and error path, from a program that is booted in place of `init`.
    Case { name: "kernel", init: Some("kernel-test"), swap: &[], checks: &[Logs(" 0 failed")], ..CASE },
    // What the kernel does when it finds itself wrong: each of these makes it so on purpose.
    Case {
        name: "kernel-assertion",
        cmdline: "fail=assertion",
        checks: &[Logs("epitaph: failed on purpose")],
        ..EPITAPH
    },
    Case { name: "kernel-fault", cmdline: "fail=fault", checks: &[Logs("epitaph: page fault")], ..EPITAPH },
    Case { name: "kernel-text", cmdline: "fail=text", checks: &[Logs("epitaph: page fault")], ..EPITAPH },
    Case { name: "kernel-stack", cmdline: "fail=stack", checks: &[Logs("epitaph: double fault")], ..EPITAPH },
    Case {
        name: "module-missing",
        without: &["block"],
        swap: &[],
        exec: "help",
        status: SERVER_FAILURE,
        checks: &[Logs("no module \"block\"")],
        ..CASE
    },
    Case {
        name: "init-missing",
        without: &["init"],
        swap: &[],
        exec: "help",
        status: KERNEL_FAILURE,
        checks: &[Logs("init")],
        ..CASE
    },
    Case { name: "boot", swap: &[], exec: "help", checks: &[Says("vmstat")], ..CASE },
    Case {
        name: "boot-iso-cd",
        swap: &[],
        boot: Medium::IsoAsCd,
        // Files, on a disk in memory.
        exec: ON_ISO,
        checks: &[Says("first 300"), Says("300 lines"), Says("root on / type ext4 (rw)")],
        ..CASE
    },
    Case {
        name: "boot-iso-disk",
        swap: &[],
        boot: Medium::IsoAsDisk,
        // Files, on a disk in memory.
        exec: ON_ISO,
        checks: &[Says("first 300"), Says("300 lines"), Says("root on / type ext4 (rw)")],
        ..CASE
    },
    Case { name: "boot-small", mem: "32M", exec: "thrash --mem 1.5x --rounds 1 --verify", ..CASE },
    // Its servers have more memory wired than programs may have, and it has files and a large swap disk all the same.
    Case {
        name: "boot-small-policy",
        mem: "32M",
        swap: &["256M"],
        policy: Some("clock"),
        exec: "thrash --mem 1.5x --rounds 1 --verify; swapinfo; audit --json",
        checks: &[Says("65534"), NeverSays("wrong byte"), Is("clean", "true")],
        ..CASE
    },
    Case { name: "shell-wrong-command", swap: &[], exec: "no-such-thing", status: ABOVE_63, ..CASE },
    Case {
        name: "workloads",
        mem: "32M",
        exec: "workload sort --mem 1.5x --json; workload hash-join --mem 1.5x --json; workload matrix --mem 1.5x --json; workload btree --mem 1.5x --json; \
               workload many --mem 1.5x --json; vmstat --json",
        checks: &[
            Says("\"workload\":\"sort\""),
            Says("\"workload\":\"hash-join\""),
            Says("\"workload\":\"matrix\""),
            Says("\"workload\":\"btree\""),
            Is("workload", "\"many\""),
            Is("verified", "true"),
            // 48 MiB: each page is written, touched as often by Zipf's law, and verified.
            AtLeast("touches", 36_000.0),
            AtLeast("v_swappgsin", 10_000.0),
        ],
        ..CASE
    },
    Case {
        name: "workload-scan",
        root: true,
        exec: "workload scan-hot --mem 1.5x --rounds 2 --json; ls /tmp; workload tape",
        status: 2,
        checks: &[
            Is("workload", "\"scan-hot\""),
            Is("verified", "true"),
            NeverSays("workload-scan"),
            Says("none of them"),
        ],
        ..CASE
    },
    Case {
        name: "thrash-random",
        exec: "thrash --mem 2x --pattern random --rounds 4 --verify; vmstat --json; swapinfo --json",
        checks: &[AtLeast("v_swappgsout", 16_001.0), AtLeast("v_swappgsin", 16_001.0)],
        ..CASE
    },
    Case {
        name: "thrash-seq",
        exec: "thrash --mem 2x --pattern seq --rounds 2 --verify; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    Case {
        name: "thrash-zipf",
        exec: "thrash --mem 2x --pattern zipf --rounds 2 --verify; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    Case {
        name: "thrash-loop",
        exec: "thrash --mem 2x --pattern loop --rounds 2 --verify; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    Case {
        name: "thrash-scan",
        exec: "thrash --mem 2x --pattern scan --rounds 2 --verify; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    Case {
        name: "thrash-fifo",
        policy: Some("fifo"),
        exec: "thrash --mem 2x --pattern random --rounds 2 --verify; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    Case {
        name: "replace-policy",
        exec: "thrash --mem 2x --pattern zipf --rounds 20 --verify & service replace pageout fifo; \
               service replace pageout freebsd; wait",
        ..CASE
    },
    Case {
        name: "dashboard",
        cmdline: "dashboard=5000",
        icount: true,
        exec: "thrash --mem 1.5x --pattern random --rounds 4 --verify; service replace pageout sieve; sleep 11",
        checks: &[Records(5, "thrash"), Logs("\"pageout\":{\"image\":\"sieve\"")],
        ..CASE
    },
    Case {
        name: "dashboard-wrong-interval",
        cmdline: "dashboard=soon",
        swap: &[],
        exec: "uptime",
        checks: &[Logs("dashboard=soon: milliseconds, 50 to 60000")],
        ..CASE
    },
    // Policies that misbehave, each in its way (user/saboteur): found, told of, replaced by what `vm` does itself, started again, and substituted in the end; nothing is lost.
    Case {
        name: "sabotage-wrong-pages",
        exec: sabotage!("wrong-pages"),
        checks: &[
            IN_THE_END,
            Says("ejected: names wrong pages"),
            Says("pageout: last failure: saboteur:wrong-pages: "),
        ],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-late",
        exec: sabotage!("late"),
        checks: &[IN_THE_END, Says("ejected: missed its deadline")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-loops",
        exec: sabotage!("loops"),
        checks: &[IN_THE_END, Says("ejected: missed its deadline")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-spins",
        exec: sabotage!("spins"),
        checks: &[IN_THE_END, Says("ejected: ")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-floods",
        exec: sabotage!("floods"),
        checks: &[IN_THE_END, Says("ejected: calls without end")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-cries-wolf",
        exec: sabotage!("cries-wolf"),
        checks: &[Says("ejected: decides nothing that helps"), NeverSays("out of memory")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-logs",
        exec: sabotage!("logs"),
        checks: &[IN_THE_END, Says("ejected: ")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-dies",
        exec: sabotage!("dies"),
        checks: &[IN_THE_END, Says("saboteur:dies: page fault")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-panics",
        exec: sabotage!("panics"),
        may_panic: true,
        checks: &[IN_THE_END, Says("saboteur:panics: ")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-exits",
        exec: sabotage!("exits"),
        checks: &[IN_THE_END, Says("saboteur:exits: ")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-breaks-ring",
        exec: sabotage!("breaks-ring"),
        checks: &[IN_THE_END, Says("ejected: broke its ring")],
        ..SABOTAGE
    },
    // Those that do not become ready: the one before goes on, or another of its kind.
    Case {
        name: "sabotage-never-ready",
        exec: sabotage!("never-ready"),
        checks: &[IN_THE_END, Says("ejected: never became ready")],
        ..SABOTAGE
    },
    Case {
        name: "sabotage-never-attaches",
        exec: sabotage!("never-attaches"),
        checks: &[IN_THE_END, Says("saboteur:never-attaches: did not become ready")],
        // Nobody died: the one that did not come was ended.
        status: 0,
        ..SABOTAGE
    },
    // Options of policies: shown, set, refused; gone with the policy.
    Case {
        name: "policy-knobs",
        exec: "policy --knobs --json; service replace pageout 2q; policy --knobs; policy kin=10; policy kin=1000 || echo far; \
               policy nothing=1 || echo unknown; policy kin || echo no value; policy --knobs --json; thrash --mem 2x --rounds 2 --verify",
        checks: &[
            Times("[]", 1),
            Says("kin: 25 -> 10"),
            Times("far", 1),
            Times("unknown", 1),
            Times("no value", 1),
            Says("\"name\":\"kin\",\"value\":10"),
        ],
        ..CASE
    },
    // What is no policy at all: the one before goes on.
    Case {
        name: "replace-by-no-policy",
        with: &["saboteur"],
        exec: "service replace pageout sieve; service replace pageout saboteur:nonsense || echo first; \
               service replace pageout shell || echo second; service replace pageout nothing || echo third; services --json; \
               thrash --mem 2x --rounds 2 --verify; vmstat --json",
        checks: &[
            Times("first", 1),
            Times("second", 1),
            Times("third", 1),
            Is("5.image", "\"sieve\""),
            Is("v_ejected", "0"),
            Is("policy_generation", "2"),
        ],
        // The first two ended, which nobody had asked them to.
        status: SERVER_DIED,
        ..CASE
    },
    // Every policy has its turn while memory is short.
    Case {
        name: "replace-all-policies",
        exec: "thrash --mem 3x --pattern zipf --rounds 40 --verify & service replace pageout second-chance; sleep 0.5; \
               service replace pageout clock; sleep 0.5; \
               service replace pageout nru; sleep 0.5; \
               service replace pageout aging; sleep 0.5; \
               service replace pageout 2q; sleep 0.5; \
               service replace pageout car; sleep 0.5; \
               service replace pageout clock-pro; sleep 0.5; \
               service replace pageout sieve; sleep 0.5; \
               service replace pageout s3-fifo; sleep 0.5; \
               service replace pageout mglru; sleep 0.5; \
               service replace pageout lfu; sleep 0.5; \
               service replace pageout random; sleep 0.5; \
               service replace pageout fifo; sleep 0.5; \
               service replace pageout freebsd; sleep 0.5; wait; services --json; vmstat --json; audit --json",
        checks: &[
            AtLeast("v_swappgsout", 1.0),
            AtLeast("policy_generation", 15.0),
            Is("clean", "true"),
            Is("v_ejected", "0"),
        ],
        ..CASE
    },
    Case {
        name: "replace-pager",
        exec: "thrash --mem 2x --pattern random --rounds 2 --verify & sleep 1; \
               repeat 5 { service restart swap-pager; sleep 0.3 }; wait; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    // The second swap pager, from the start and after it has taken over.
    Case {
        name: "zswap",
        swap_pager: Some("zswap-pager"),
        exec: "thrash --mem 1.5x --pattern random --rounds 2 --verify & sleep 1; swapinfo --json; wait; \
               service replace swap-pager swap-pager; service replace swap-pager zswap-pager; \
               thrash --mem 1.5x --pattern zipf --rounds 2 --verify; swapinfo --json; vmstat --json; audit --json",
        checks: &[
            AtLeast("pool.stored", 1000.0),
            AtLeast("pool.loaded", 100.0),
            AtLeast("pool.bytes", 1_000_000.0),
            Is("clean", "true"),
        ],
        ..CASE
    },
    // From one pager to the other and back, again and again, with accidents in between, also while everything is being brought to the disks.
    Case {
        name: "zswap-back-and-forth",
        swap: &["256M", "64M"],
        exec: "thrash --mem 3x --pattern random --rounds 2 --verify & sleep 2; \
               repeat 3 { service replace swap-pager zswap-pager; sleep 0.5; service kill swap-pager; sleep 0.5; \
               service restart swap-pager; sleep 0.3; service replace swap-pager swap-pager; sleep 0.2; \
               service kill swap-pager; service replace swap-pager zswap-pager; \
               service replace swap-pager swap-pager & sleep 0.02; service kill swap-pager; sleep 0.4; \
               service replace swap-pager swap-pager }; audit --json; wait; services --json; vmstat --json; audit --json",
        checks: &[
            AtLeast("v_swappgsout", 1.0),
            AtLeast("pager_generation", 20.0),
            Is("clean", "true"),
            Says("moved before"),
        ],
        ..CASE
    },
    // More than the pool can hold: the oldest go to the disk, and what does not fit is written through.
    Case {
        name: "zswap-pool-full",
        mem: "32M",
        swap: &["256M"],
        swap_pager: Some("zswap-pager"),
        exec: "thrash --mem 4x --pattern random --rounds 1 --verify & sleep 3; swapinfo; service kill swap-pager; audit --json; \
               wait; thrash --mem 5x --pattern seq --rounds 2 --verify; swapinfo --json; audit --json",
        checks: &[
            // How many found no room before the oldest were out depends on the disk's speed; that they go through is the pager suite's matter.
            AtLeast("pool.written_out", 1000.0),
            Is("clean", "true"),
        ],
        ..CASE
    },
    // Nobody pages for at most 10 ms of the machine's time, with 1 GiB of pages on the disk, which sixteen seconds are enough to write.
    Case {
        name: "replace-pager-held",
        mem: "256M",
        swap: &["1536M"],
        icount: true,
        exec: "thrash --mem 1250M --pattern seq --rounds 1 & sleep 16; \
               service replace swap-pager zswap-pager --json; sleep 1; service replace swap-pager swap-pager --json; \
               service restart swap-pager --json; kill $!; wait $!; audit --json",
        status: ABOVE_63,
        timeout_s: 900,
        checks: &[AtLeast("pages", 262_144.0), Always("held_us", 3, 10_000.0), Is("clean", "true")],
        ..CASE
    },
    // Whoever types something while a program eats memory has its answer: within 2 s of the machine's time at the median, 10 s at worst.
    Case {
        name: "shell-under-pressure",
        swap: &["768M"],
        exec: "thrash --mem 8x --pattern random --rounds 500 & repeat 40 { sleep 0.8; time ps }; kill $!; wait $!; \
               echo thrash $?; vmstat --json",
        status: ABOVE_63,
        checks: &[
            Takes(40, 2.0, 10.0),
            AtLeast("v_swappgsout", 65_536.0),
            AtLeast("v_swappgsin", 1.0),
            Says("thrash 143"),
        ],
        ..CASE
    },
    Case {
        name: "kill-servers",
        exec: "thrash --mem 2x --pattern random --rounds 6 --verify & sleep 1; \
               repeat 10 { service kill pageout; sleep 0.37; service kill swap-pager; sleep 0.71 }; \
               services; wait; vmstat --json",
        checks: &[
            AtLeast("v_swappgsout", 1.0),
            AtLeast("policy_generation", 11.0),
            AtLeast("pager_generation", 11.0),
        ],
        ..CASE
    },
    Case {
        name: "swapoff-under-use",
        swap: &["128M", "128M"],
        exec: "thrash --mem 1.5x --pattern random --rounds 3 --verify & sleep 2; swapoff swap1; swapon swap1; \
               swapoff swap0; wait; swapinfo --json",
        checks: &[Says("pages brought in")],
        ..CASE
    },
    Case {
        name: "shell-bad-arguments",
        swap: &[],
        exec: "thrash --mem 0; thrash --pattern nope; sleep soon; kill 1; kill 12345; swapon nope; sysctl no.such=1; \
               sysctl vm.pageout_oom_seq=0; service replace pageout nope; service stop vm; replay input7",
        status: 2,
        checks: &[Says("thrash: --mem"), Says("kill: 1: it is a server"), Says("nope: no such disk")],
        ..CASE
    },
    Case {
        name: "replay",
        mem: "32M",
        input: &[Input::References { pages: 12_000, passes: 3 }],
        exec: "replay input0 --verify; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    Case {
        name: "replay-fifo",
        mem: "32M",
        policy: Some("fifo"),
        input: &[Input::References { pages: 12_000, passes: 3 }],
        exec: "replay input0 --verify; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    // As many frames as were asked for, however much memory there is, so that misses can be laid beside a simulator's.
    Case {
        name: "replay-frames",
        input: &[Input::References { pages: 12_000, passes: 3 }],
        exec: "replay input0 --frames 2000 --pages 12000 --verify --json; replay input0 --frames 2000 && echo wrong; \
               replay input0 --frames 90000 --pages 12000 && echo wrong; vmstat --json",
        status: 2,
        checks: &[
            AtLeast("resident_mean", 1900.0),
            AtMost("resident_mean", 2050.0),
            AtLeast("misses", 12_000.0),
            NeverSays("wrong"),
            Says("the machine has only"),
        ],
        ..CASE
    },
    Case {
        name: "out-of-memory",
        swap: &[],
        exec: "thrash --mem 2x --pattern random --rounds 4 --verify; services --json; audit --json",
        status: ABOVE_63,
        checks: &[Is("clean", "true"), NeverSays("wrong byte")],
        ..CASE
    },
    // A program that wants four times its limit stays within a tenth of it and finishes. Its neighbour has the memory that it needs, and after each page's first touch
    // next to no fault more.
    Case {
        name: "limit",
        exec: "thrash --mem 32M --pattern random --rounds 40 --verify & limited=$!; limit $limited rss=8M; sleep 1; \
               thrash --mem 16M --rounds 8 --verify --json & repeat 20 { sleep 0.1; limit $limited --json }; \
               limit $limited; limit --status --json; wait; services --json",
        checks: &[
            Always("0.used", 20, LIMIT_PAGES * 4096.0 * 1.1),
            AtMost("faults", 4096.0 * 1.1),
            AtLeast("unmapped", LIMIT_PAGES),
            NeverSays("wrong byte"),
        ],
        ..CASE
    },
    Case {
        name: "limit-survives",
        exec: "thrash --mem 32M --pattern random --rounds 60 --verify & limited=$!; limit $limited rss=8M; \
               repeat 10 { service kill vm-daemon; sleep 0.17 }; sleep 1; \
               repeat 10 { sleep 0.1; limit $limited --json }; wait; services --json",
        checks: &[Always("0.used", 10, LIMIT_PAGES * 4096.0 * 1.1), NeverSays("wrong byte")],
        ..CASE
    },
    Case {
        name: "limit-group",
        exec: "thrash --mem 16M --rounds 60 --verify & first=$!; thrash --mem 16M --rounds 60 --verify & second=$!; \
               limit group=1 rss=8M; limit $first group=1; limit $second group=1; sleep 1; \
               repeat 10 { sleep 0.1; limit group=1 --json }; wait",
        checks: &[Always("2.rss_pages", 10, LIMIT_PAGES * 1.1), NeverSays("wrong byte")],
        ..CASE
    },
    Case {
        name: "panic-on-oom",
        swap: &[],
        exec: "sysctl vm.panic_on_oom=1; thrash --mem 2x --rounds 1",
        status: SERVER_FAILURE,
        may_panic: true,
        checks: &[Logs("vm.panic_on_oom is set"), Logs("a server")],
        ..CASE
    },
    Case {
        name: "spared",
        swap: &[],
        exec: "thrash --mem 20M --rounds 40 --verify & limit $! spare=on; sleep 0.5; \
               thrash --mem 2x --rounds 1 || echo ended; wait && echo spared; vmstat --json; audit --json",
        checks: &[Times("ended", 1), Times("spared", 1), Is("clean", "true"), AtMost("v_oom_kills", 1.0)],
        ..CASE
    },
    // Three at once need more than memory and swap: the one that needs most ends, and the others finish, round after round.
    Case {
        name: "out-of-memory-rounds",
        mem: "32M",
        swap: &["32M"],
        exec: "sysctl vm.oom_wait=2; repeat 100 { \
               (thrash --mem 6M --rounds 2 --verify && echo small) & \
               (thrash --mem 10M --rounds 2 --verify && echo middle) & \
               (thrash --mem 4x --rounds 1 || echo big); wait }; vmstat --json; audit --json",
        timeout_s: 2400,
        checks: &[
            Times("small", 100),
            Times("middle", 100),
            Times("big", 100),
            AtLeast("v_oom_kills", 100.0),
            AtMost("v_oom_kills", 100.0),
            Is("clean", "true"),
        ],
        ..CASE
    },
    Case {
        name: "launch",
        mem: "128M",
        swap: &[],
        exec: "launch-test",
        checks: &[Says(" passed, 0 failed")],
        ..CASE
    },
    // The same while the machine stands still now and then: timers of parent and child are due at once.
    Case {
        name: "launch-on-a-busy-host",
        mem: "128M",
        swap: &[],
        busy_host: Some(1),
        exec: "launch-test",
        checks: &[Says(" passed, 0 failed")],
        ..CASE
    },
    // Beyond each limit a program is told so and ends with a line; one after it, without the limit, has what it wants.
    Case {
        name: "limits-enforced",
        exec: "for r in as data swap; do limit $r=24M; thrash --mem 40M --rounds 1 || echo $r refused $?; \
               thrash --mem 1M --rounds 1 --verify || echo too little; limit $r=unlimited || limit $r=8T; \
               thrash --mem 40M --rounds 1 --verify || echo still limited; done; \
               thrash --mem 16M --rounds 1000 --verify & sleep 0.3; limit $! as=1M data=1M swap=1M; wait $! || echo wrong; limit $$",
        checks: &[
            Says("as refused"),
            Says("data refused"),
            Says("swap refused"),
            NeverSays("too little"),
            NeverSays("still limited"),
            NeverSays("wrong"),
        ],
        ..CASE
    },
    Case {
        name: "launch-proc-fails",
        cmdline: "proc-fails=60",
        mem: "128M",
        swap: &[],
        exec: "launch-test",
        // A server died that nobody had asked to.
        status: SERVER_DIED,
        checks: &[Says(" passed, 0 failed"), Says(" that were never there")],
        ..CASE
    },
    // Who manages processes and who holds them to their limits are killed at moments drawn once (seed 2026), while programs are made, copied and limited.
    Case {
        name: "servers-killed",
        exec: "audit --json; thrash --mem 32M --pattern random --rounds 80 --verify & limited=$!; \
               limit $limited rss=8M; \
               repeat 12 { launch-test in-a-row 40; thrash --mem 1M --rounds 2 --verify && echo spawned } & \
               service kill proc; sleep 0.42; service kill proc; sleep 0.30; service kill vm-daemon; sleep 0.72; \
               service kill vm-daemon; sleep 0.58; service kill proc; sleep 0.02; service kill proc; sleep 0.16; \
               service kill vm-daemon; sleep 0.14; service kill vm-daemon; sleep 0.03; service kill vm-daemon; sleep 0.42; \
               service kill proc; sleep 0.52; service kill vm-daemon; sleep 0.46; service kill vm-daemon; sleep 0.50; \
               service kill proc; sleep 0.45; service kill proc; sleep 0.73; service kill vm-daemon; sleep 0.38; \
               service kill vm-daemon; sleep 0.20; service kill vm-daemon; sleep 0.05; service kill vm-daemon; sleep 0.48; \
               service kill vm-daemon; sleep 0.56; service kill proc; sleep 0.53; \
               sleep 1; repeat 10 { sleep 0.1; limit $limited --json }; \
               wait; services --json; vmstat --json; audit --json",
        checks: &[
            Times("40 copies in a row: 0 wrong", 12),
            Times("spawned", 12),
            Always("0.used", 10, LIMIT_PAGES * 4096.0 * 1.1),
            // The manager of limits and that of processes, by their places among the services.
            AtLeast("6.starts", 13.0),
            AtLeast("8.starts", 9.0),
            Back("checked.spaces"),
            Back("checked.swapped"),
            AtMost("swap_used", 0.0),
            Is("clean", "true"),
            NeverSays("wrong byte"),
        ],
        ..CASE
    },
    Case {
        name: "fork-at-once",
        swap: &["512M"],
        exec: "launch-test at-once 200 1024; vmstat --json",
        timeout_s: 900,
        checks: &[Says("at once: 0 wrong"), AtLeast("v_swappgsout", 1.0)],
        ..CASE
    },
    Case {
        name: "fork-in-a-row",
        exec: "audit --json; launch-test in-a-row 10000; audit --json; vmstat --json; swapinfo --json",
        timeout_s: 900,
        checks: &[
            Says("in a row: 0 wrong"),
            AtMost("swap_used", 0.0),
            Always("checked.longest chain", 2, 2.0),
            Back("checked.swapped"),
            Back("checked.spaces"),
        ],
        ..CASE
    },
    // Fifty programs that sleep, with up to three threads each: those that are not held go out and come back a thousand times.
    Case {
        name: "swapped-whole",
        mem: "48M",
        icount: true,
        exec: "launch-test out-and-in 50 1000; vmstat --json",
        timeout_s: 1800,
        checks: &[
            AtLeast("least_swaps", 1000.0),
            AtLeast("frames_gained_each", 10.0),
            AtLeast("v_swappgsin", 1.0),
            AtMost("v_oom_kills", 0.0),
        ],
        ..CASE
    },
    Case {
        name: "jobs",
        mem: "48M",
        swap: &[],
        exec: "thrash --mem 1M --rounds 100000000 & a=$!; kill -STOP $a; sleep 0.2; jobs --json; kill -CONT %1; \
               jobs; kill -INT %1; wait $a || echo interrupted $?; \
               thrash --mem 1M --rounds 100000000 & kill -TSTP %%; sleep 0.2; wait && echo waited; kill -9 %thrash; \
               wait %thrash || echo killed $?; kill %9 || echo none; kill -0 $$ && echo alive; \
               limit processes=2:20; thrash --mem 1M --rounds 1 | thrash --mem 1M --rounds 1 || echo refused; limit",
        checks: &[
            Says("stopped"),
            Says("interrupted 130"),
            Says("waited"),
            Says("killed 137"),
            Says("none"),
            Says("alive"),
            Says("refused"),
        ],
        ..CASE
    },
    Case {
        name: "programs",
        mem: "48M",
        root: true,
        exec: "rt-test",
        may_panic: true,
        checks: &[Says(" passed, 0 failed")],
        ..CASE
    },
    Case {
        name: "two-swap-disks",
        swap: &["96M", "96M"],
        exec: "thrash --mem 2x --pattern seq --rounds 2 --verify; vmstat --json",
        checks: PAGES,
        ..CASE
    },
    Case {
        name: "deterministic-boot",
        icount: true,
        swap: &[],
        exec: "uptime --json",
        checks: &[AtMost("up_us", 10_000_000.0)],
        ..CASE
    },
];
