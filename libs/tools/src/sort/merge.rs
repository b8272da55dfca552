// SPDX-License-Identifier: BSD-2-Clause
//! Sorted sources become one: a tournament tree, one comparison a level and line.

use super::order::Order;
use super::run::Run;
use crate::context::End;
use crate::head::copied;
use crate::lines::{Lines, body};
use crate::system::Result;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Where sorted lines come from.
pub enum Source {
    /// A run in memory.
    Run(Run),
    /// A file with this name. Its line is copied: the reader has one at a time.
    File(String, Lines, Vec<u8>),
}

impl Source {
    fn advance(&mut self, delimiter: u8) -> Result<bool> {
        match self {
            Source::Run(run) => Ok(run.advance(delimiter)),
            Source::File(_, lines, current) => match lines.read()? {
                Some(line) => {
                    *current = copied(line)?;
                    if current.last() != Some(&delimiter) {
                        current.push(delimiter);
                    }
                    Ok(true)
                }
                None => Ok(false),
            },
        }
    }

    fn line(&self) -> &[u8] {
        match self {
            Source::Run(run) => run.line(),
            Source::File(_, _, line) => line,
        }
    }

    fn name(&self) -> &str {
        match self {
            Source::Run(_) => "memory",
            Source::File(name, _, _) => name,
        }
    }
}

/// A source in the tournament.
struct Player {
    source: Source,
    /// See [`super::key::Key::prefix`].
    prefix: u64,
    ended: bool,
}

/// Merges the sources; of equal lines that of the earlier source comes first.
pub fn merge(
    sources: Vec<Source>,
    order: &Order,
    delimiter: u8,
    unique: bool,
    mut write: impl FnMut(&[u8]) -> core::result::Result<(), End>,
) -> core::result::Result<(), End> {
    let common = common(&sources, order, delimiter);
    let mut players: Vec<Player> =
        sources.into_iter().map(|source| Player { source, prefix: 0, ended: false }).collect();
    for player in &mut players {
        player.step(order, delimiter, common)?;
    }
    let mut tree = Tree::new(&players, order, delimiter);
    let mut last: Option<Vec<u8>> = None;
    while let Some(winner) = tree.winner(&players) {
        let player = &mut players[winner];
        let line = player.source.line();
        if !unique {
            write(line)?;
        } else if last.as_deref().is_none_or(|last| {
            order.compare_keys(body(last, delimiter), body(line, delimiter)) != Ordering::Equal
        }) {
            write(line)?;
            last = Some(copied(line).map_err(|error| End::of("lines", error))?);
        }
        player.step(order, delimiter, common)?;
        tree.replay(winner, &players, order, delimiter);
    }
    Ok(())
}

/// Bytes that all first keys have in common. Files are not known before they are read.
fn common(sources: &[Source], order: &Order, delimiter: u8) -> usize {
    let mut first = None;
    let mut common = usize::MAX;
    for source in sources {
        let Source::Run(run) = source else { return 0 };
        let Some((low, high)) = run.bounds(delimiter) else { continue };
        let first = *first.get_or_insert(low);
        common = common.min(order.common(first, low)).min(order.common(first, high));
    }
    common
}

impl Player {
    fn step(&mut self, order: &Order, delimiter: u8, common: usize) -> core::result::Result<(), End> {
        match self.source.advance(delimiter) {
            Ok(true) => self.prefix = order.prefix(body(self.source.line(), delimiter), common),
            Ok(false) => self.ended = true,
            Err(error) => return Err(End::of(self.source.name(), error)),
        }
        Ok(())
    }
}

/// A tree of losers: `nodes[0]` is the winner, `nodes[i]` who lost at `i`; player `p` starts at `(p + count) / 2`.
struct Tree {
    nodes: Vec<usize>,
}

impl Tree {
    fn new(players: &[Player], order: &Order, delimiter: u8) -> Tree {
        let count = players.len();
        // Winners of the subtrees first, from the leaves up; then each node keeps the loser.
        let mut winners = vec![0; count * 2];
        let mut nodes = vec![0; count.max(1)];
        for (player, slot) in winners.iter_mut().skip(count).enumerate() {
            *slot = player;
        }
        for node in (1..count).rev() {
            let (a, b) = (winners[node * 2], winners[node * 2 + 1]);
            let (winner, loser) = if before(players, a, b, order, delimiter) { (a, b) } else { (b, a) };
            winners[node] = winner;
            nodes[node] = loser;
        }
        nodes[0] = winners.get(1).copied().unwrap_or(0);
        Tree { nodes }
    }

    fn winner(&self, players: &[Player]) -> Option<usize> {
        let winner = self.nodes[0];
        players.get(winner).filter(|p| !p.ended).map(|_| winner)
    }

    /// The winner has a new line.
    fn replay(&mut self, player: usize, players: &[Player], order: &Order, delimiter: u8) {
        let mut winner = player;
        let mut node = (player + players.len()) / 2;
        while node > 0 {
            if before(players, self.nodes[node], winner, order, delimiter) {
                core::mem::swap(&mut self.nodes[node], &mut winner);
            }
            node /= 2;
        }
        self.nodes[0] = winner;
    }
}

fn before(players: &[Player], a: usize, b: usize, order: &Order, delimiter: u8) -> bool {
    let (x, y) = (&players[a], &players[b]);
    if x.ended || y.ended {
        return !x.ended || y.ended && a < b;
    }
    let by_line = || order.compare(body(x.source.line(), delimiter), body(y.source.line(), delimiter));
    x.prefix.cmp(&y.prefix).then_with(by_line).then_with(|| a.cmp(&b)) == Ordering::Less
}
