// SPDX-License-Identifier: BSD-2-Clause
//! The system's manifest: which servers there are, at what level and priority, and whom each may call.
//!
//! A server may call only servers of a lower level: that keeps the machine free of deadlock when memory is short. `init` gives a server
//! handles to exactly the endpoints named here, so the order is enforced, not only written down.

/// How a server is started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Server {
    /// The role: what `services` shows and clients ask for.
    pub role: &'static str,
    /// The images that can play the role; the first is the default. A boot module of an image's name is the program; if there is none,
    /// it is `program` with the image's name as its argument.
    pub images: &'static [&'static str],
    /// The program that plays images which are no module of their own.
    pub program: &'static str,
    /// Its level.
    pub level: u8,
    /// Its priority, 0..=7: what serves others' paging runs before them.
    pub priority: u8,
    /// Bytes of heap, wired, all it ever gets at start.
    pub heap: u64,
    /// Bytes of stack, wired.
    pub stack: u64,
    /// Roles that it may call.
    pub calls: &'static [&'static str],
    /// Whether `init` starts another one when it dies. Where not, its death ends the machine.
    pub restart: bool,
}

/// What a server's stack usually has.
const STACK: u64 = 32 << 10;

/// The servers, in the order of their start.
pub const SERVERS: &[Server] = &[
    Server {
        role: "vm",
        images: &["vm"],
        program: "vm",
        level: 4,
        priority: 5,
        heap: 0,
        stack: STACK,
        calls: &[],
        restart: false,
    },
    Server {
        role: "console",
        images: &["console"],
        program: "console",
        level: 1,
        priority: 6,
        heap: 128 << 10,
        stack: STACK,
        calls: &[],
        restart: false,
    },
    Server {
        role: "block",
        images: &["block"],
        program: "block",
        level: 1,
        priority: 7,
        heap: 192 << 10,
        stack: STACK,
        calls: &[],
        restart: false,
    },
    Server {
        role: "swap-pager",
        images: &["swap-pager"],
        program: "swap-pager",
        level: 3,
        priority: 6,
        heap: 256 << 10,
        stack: STACK,
        calls: &["block"],
        restart: true,
    },
    Server {
        role: "vnode-pager",
        images: &["vnode-pager"],
        program: "vnode-pager",
        level: 2,
        priority: 6,
        // What `ebb-vnode`'s test of its memory finds, and room for large disks and many open files.
        heap: 4608 << 10,
        // The file system goes deep, with records of the disk on its way.
        stack: 128 << 10,
        calls: &["block"],
        restart: true,
    },
    Server {
        role: "pageout",
        images: &[
            "freebsd",
            "fifo",
            "second-chance",
            "clock",
            "nru",
            "aging",
            "2q",
            "car",
            "clock-pro",
            "sieve",
            "s3-fifo",
            "mglru",
            "lfu",
            "hit-density",
            "random",
        ],
        program: "pageout",
        level: 5,
        priority: 4,
        heap: 96 << 10,
        stack: STACK,
        calls: &["vm"],
        restart: true,
    },
    Server {
        role: "vm-daemon",
        images: &["vm-daemon"],
        program: "vm-daemon",
        level: 6,
        // Before every program: one that has crossed its limit does not go on until it was trimmed.
        priority: 3,
        // A record for each of a thousand programs, and room to sort them.
        heap: 128 << 10,
        stack: STACK,
        calls: &["vm"],
        restart: true,
    },
    Server {
        role: "pipe",
        images: &["pipe"],
        program: "pipe",
        level: 4,
        priority: 5,
        // What `ebb_pipe::limits` allows, and a few messages.
        heap: 256 << 10,
        stack: STACK,
        calls: &[],
        restart: false,
    },
    // The last: it gives programs handles to all before it.
    Server {
        role: "proc",
        images: &["proc"],
        program: "proc",
        level: 5,
        priority: 4,
        // Announced arguments of programs (`arguments`), one start information with its pieces, waiting calls.
        heap: 640 << 10,
        stack: STACK,
        calls: &["vm", "pipe"],
        restart: true,
    },
    Server {
        role: "init",
        images: &["init"],
        program: "init",
        level: 7,
        // Before those that it ends when they never rest.
        priority: 5,
        heap: 0,
        stack: STACK,
        calls: &["vm", "block", "console", "swap-pager", "pageout"],
        restart: false,
    },
];

/// Level of ordinary programs: they may call every server.
pub const PROGRAM_LEVEL: u8 = 8;
/// Priority of the shell: above other programs, so that a person gets an answer under load.
pub const SHELL_PRIORITY: u8 = 3;
/// Priority of ordinary programs.
pub const PROGRAM_PRIORITY: u8 = 2;

/// The server with this role.
pub fn server(role: &str) -> Option<&'static Server> {
    SERVERS.iter().find(|s| s.role == role)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What can be chosen on the machine is what there is.
    #[test]
    fn images_of_the_policy_are_all_policies() {
        assert_eq!(server("pageout").expect("a server").images, ebb_policy::NAMES);
    }

    #[test]
    fn calls_go_down_only() {
        for s in SERVERS {
            assert!(s.level < PROGRAM_LEVEL);
            for callee in s.calls {
                let callee = server(callee).expect("calls name servers");
                assert!(
                    callee.level < s.level,
                    "{} (level {}) calls {} (level {})",
                    s.role,
                    s.level,
                    callee.role,
                    callee.level
                );
            }
        }
    }

    /// Who brings processes in never goes before who makes room, nor before who reads and writes pages.
    #[test]
    fn prs_007_who_swaps_processes_runs_after_paging() {
        let of = |role| server(role).expect("a server").priority;
        assert!(of("proc") <= of("pageout"));
        for role in ["vm", "swap-pager", "vnode-pager", "block"] {
            assert!(of("proc") < of(role), "{role}");
        }
    }

    #[test]
    fn who_ends_a_policy_that_never_rests_runs_before_it() {
        let of = |role| server(role).expect("a server").priority;
        assert!(of("pageout") < of("init") && of("pageout") < of("vm"));
    }

    #[test]
    fn who_serves_paging_runs_before_who_needs_it() {
        for s in SERVERS {
            for callee in s.calls {
                assert!(
                    server(callee).unwrap().priority > s.priority || s.priority > 4,
                    "{} calls {callee}",
                    s.role
                );
            }
            assert!(s.stack >= STACK);
            assert!(s.priority > PROGRAM_PRIORITY && s.priority <= ebb_abi::thread::MAX_PRIORITY as u8);
        }
    }
}
