// SPDX-License-Identifier: BSD-2-Clause
//! What runs on the machines. Every workload is seeded, and checks what it reads.

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a line.
    pub what: &'static str,
    /// The command, `{seed}` standing for the seed.
    command: &'static str,
    /// Whether policies are replaced while it runs. Then its figures are not one policy's, and stay out of means.
    pub replaces: bool,
}

impl Workload {
    /// The command for a seed.
    #[must_use]
    pub fn command(&self, seed: u64) -> String {
        self.command.replace("{seed}", &seed.to_string())
    }

    /// The workload with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|w| w.name == name)
    }
}

const fn plain(name: &'static str, what: &'static str, command: &'static str) -> Workload {
    Workload { name, what, command, replaces: false }
}

/// All of them.
pub const ALL: &[Workload] = &[
    plain(
        "thrash-seq",
        "ascending passes over twice the memory",
        "thrash --mem 2x --pattern seq --rounds 3 --seed {seed} --verify --json",
    ),
    plain(
        "thrash-random",
        "touches of twice the memory, every page as likely",
        "thrash --mem 2x --pattern random --rounds 3 --seed {seed} --verify --json",
    ),
    plain(
        "thrash-zipf",
        "touches of twice the memory, few pages often (Zipf, 0.99)",
        "thrash --mem 2x --pattern zipf --rounds 6 --seed {seed} --verify --json",
    ),
    plain(
        "thrash-loop",
        "windows of half the memory, four passes each",
        "thrash --mem 2x --pattern loop --rounds 6 --seed {seed} --verify --json",
    ),
    plain(
        "thrash-scan",
        "a hot set, and passes over twice the memory between",
        "thrash --mem 2x --pattern scan --rounds 4 --seed {seed} --verify --json",
    ),
    plain(
        "sort",
        "sorts records: runs first, which are merged then",
        "workload sort --mem 2x --seed {seed} --json",
    ),
    plain(
        "hash-join",
        "a hash table of one relation, in which the tuples of another are looked up",
        "workload hash-join --mem 2x --seed {seed} --json",
    ),
    plain(
        "matrix",
        "the product of matrices, block by block",
        "workload matrix --mem 2x --seed {seed} --json",
    ),
    plain(
        "btree",
        "look-ups and changes in a B-tree of pages, some keys often",
        "workload btree --mem 2x --seed {seed} --json",
    ),
    plain(
        "scan-hot",
        "a file read again and again beside a hot set in memory",
        "workload scan-hot --mem 2x --seed {seed} --json",
    ),
    plain(
        "many",
        "eight processes at a time, each with memory of its own",
        "workload many --mem 2x --seed {seed} --json",
    ),
    Workload {
        name: "replace",
        what: "as thrash-zipf, while the policy is replaced by the ones that follow it",
        command: "thrash --mem 2x --pattern zipf --rounds 10 --seed {seed} --verify --json",
        replaces: true,
    },
];
