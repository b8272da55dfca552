// SPDX-License-Identifier: BSD-2-Clause
//! The right to answer, and the answers.

use ebb_proto::Error;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What somebody was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A fault: go on.
    Resumed,
    /// A fault: it becomes an exception.
    Refused,
    /// A call: the encoded result.
    Bytes(Vec<u8>),
    /// A call: an error.
    Error(Error),
    /// The right was dropped unused.
    Dead,
}

/// All answers by number.
#[derive(Clone, Default)]
pub struct Answers(Rc<RefCell<(u64, BTreeMap<u64, Answer>)>>);

impl Answers {
    /// A new right to answer, and its number.
    pub fn ask(&self) -> (u64, Reply) {
        let mut inner = self.0.borrow_mut();
        inner.0 += 1;
        (inner.0, Reply { id: inner.0, to: Some(self.clone()) })
    }

    /// Takes the answer with this number, if there is one yet.
    pub fn take(&self, id: u64) -> Option<Answer> {
        self.0.borrow_mut().1.remove(&id)
    }
}

/// The right to answer once.
pub struct Reply {
    id: u64,
    to: Option<Answers>,
}

impl Reply {
    /// Answers.
    pub fn give(mut self, answer: Answer) {
        self.put(answer);
    }

    fn put(&mut self, answer: Answer) {
        if let Some(to) = self.to.take() {
            to.0.borrow_mut().1.insert(self.id, answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.put(Answer::Dead);
    }
}
