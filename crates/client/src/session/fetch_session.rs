//! A fetch session with one broker (KIP-227): it remembers what is fetched, and a request names only what has changed.
//!
//! A session begins with a full request (epoch 0), whose answer names it; requests that follow count its epoch up. After
//! anything that leaves in doubt what the broker remembers, a full request ends the session and begins another. At most one
//! request is under way: [`FetchSession::next`] is called again after [`FetchSession::answered`] or [`FetchSession::failed`].

use super::batches::Place;
use ottla_wire::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};

/// What is wanted of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub offset: i64,
    /// Of the partition's leader, as far as it is known.
    pub leader_epoch: i32,
    pub bytes_max: i32,
}

/// What a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub session_id: i32,
    pub session_epoch: i32,
    pub partitions: Vec<(Place, Wanted)>,
    pub forgotten: Vec<Place>,
}

/// What is to be done with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds what was asked for.
    Take,
    /// It does not, and is asked for once more.
    Again,
}

/// The broker has no session for this client, or none yet.
const NONE: i32 = 0;
/// Of a full request.
const FULL: i32 = 0;
/// Of one that ends a session and begins none.
const LAST: i32 = -1;

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub struct FetchSession {
    id: i32,
    /// Of the next request.
    epoch: i32,
    /// What the broker remembers once it has the request that is under way.
    known: BTreeMap<Place, Wanted>,
}

impl FetchSession {
    /// The request for all that is wanted now.
    pub fn next(&mut self, wanted: BTreeMap<Place, Wanted>) -> Asked {
        let (session_id, session_epoch) = (self.id, self.epoch);
        let is_new = |place: &Place, one: &Wanted| session_epoch == FULL || self.known.get(place) != Some(one);
        let partitions =
            wanted.iter().filter(|(place, one)| is_new(place, one)).map(|(place, one)| (place.clone(), *one)).collect();
        let gone = self.known.keys().filter(|place| session_epoch != FULL && !wanted.contains_key(*place));
        let forgotten = gone.cloned().collect();
        self.known = wanted;
        Asked { session_id, session_epoch, partitions, forgotten }
    }

    /// Takes an answer: its error, the session that it names, and the partitions in it.
    pub fn answered(&mut self, error: ErrorCode, session_id: i32, partitions: &BTreeSet<(&str, i32)>) -> Verdict {
        if error != ErrorCode::None {
            match error {
                ErrorCode::FetchSessionIdNotFound => self.begin_anew(),
                _ => self.failed(),
            }
            return Verdict::Again;
        }
        let known: BTreeSet<(&str, i32)> = self.known.keys().map(|(topic, index)| (&**topic, *index)).collect();
        let is_strange = !partitions.is_subset(&known);
        if self.epoch == FULL {
            // A broker that holds a client back says nothing of its partitions.
            if is_strange || partitions.len() < known.len() {
                self.begin_anew();
                return Verdict::Again;
            }
            (self.id, self.epoch) = if session_id == NONE { (NONE, FULL) } else { (session_id, 1) };
            return Verdict::Take;
        }
        if is_strange {
            self.failed();
            return Verdict::Again;
        }
        if session_id == NONE {
            // The broker has let go of it.
            self.begin_anew();
        } else {
            self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
        }
        Verdict::Take
    }

    /// There is no answer, and there will be none: the next request ends what there may be and begins anew.
    pub const fn failed(&mut self) {
        self.epoch = FULL;
    }

    /// The request that ends the session; None if there is none.
    #[must_use]
    pub fn last(&self) -> Option<Asked> {
        let (partitions, forgotten) = (Vec::new(), Vec::new());
        (self.id != NONE).then_some(Asked { session_id: self.id, session_epoch: LAST, partitions, forgotten })
    }

    const fn begin_anew(&mut self) {
        (self.id, self.epoch) = (NONE, FULL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(list: &[(i32, i64)]) -> BTreeMap<Place, Wanted> {
        let one = |(index, offset): &(i32, i64)| {
            (("t".into(), *index), Wanted { offset: *offset, leader_epoch: 0, bytes_max: 9 })
        };
        list.iter().map(one).collect()
    }

    /// Session, epoch, what is named with its offset, what is forgotten.
    fn ask(session: &mut FetchSession, list: &[(i32, i64)]) -> (i32, i32, Vec<(i32, i64)>, Vec<i32>) {
        let asked = session.next(wanted(list));
        let named = asked.partitions.iter().map(|(place, one)| (place.1, one.offset)).collect();
        (asked.session_id, asked.session_epoch, named, asked.forgotten.iter().map(|place| place.1).collect())
    }

    fn answer(session: &mut FetchSession, id: i32, partitions: &[i32]) -> Verdict {
        let partitions = partitions.iter().map(|index| ("t", *index)).collect();
        session.answered(ErrorCode::None, id, &partitions)
    }

    fn begun() -> FetchSession {
        let mut session = FetchSession::default();
        assert_eq!(ask(&mut session, &[(0, 5), (1, 7)]), (0, 0, vec![(0, 5), (1, 7)], vec![]));
        assert_eq!(answer(&mut session, 33, &[0, 1]), Verdict::Take);
        session
    }

    #[test]
    fn only_what_changes_is_named() {
        let mut session = begun();
        assert_eq!(ask(&mut session, &[(0, 6), (1, 7)]), (33, 1, vec![(0, 6)], vec![]));
        assert_eq!(answer(&mut session, 33, &[]), Verdict::Take);
        assert_eq!(ask(&mut session, &[(0, 6), (1, 7)]), (33, 2, vec![], vec![]));
        assert_eq!(answer(&mut session, 33, &[1]), Verdict::Take);
        assert_eq!(ask(&mut session, &[(1, 8), (2, 0)]), (33, 3, vec![(1, 8), (2, 0)], vec![0]));
    }

    #[test]
    fn a_session_that_the_broker_does_not_know_begins_anew() {
        let mut session = begun();
        ask(&mut session, &[(0, 6)]);
        let none = BTreeSet::new();
        assert_eq!(session.answered(ErrorCode::FetchSessionIdNotFound, 0, &none), Verdict::Again);
        assert_eq!(ask(&mut session, &[(0, 6)]), (0, 0, vec![(0, 6)], vec![]));
        answer(&mut session, 34, &[0]);
        ask(&mut session, &[(0, 6)]);
        assert_eq!(session.answered(ErrorCode::InvalidFetchSessionEpoch, 0, &none), Verdict::Again);
        // The old one is ended by name.
        assert_eq!(ask(&mut session, &[(0, 6)]), (34, 0, vec![(0, 6)], vec![]));
    }

    #[test]
    fn after_a_lost_answer_all_is_named_again() {
        let mut session = begun();
        ask(&mut session, &[(0, 6), (1, 7)]);
        session.failed();
        assert_eq!(ask(&mut session, &[(0, 6), (1, 7)]), (33, 0, vec![(0, 6), (1, 7)], vec![]));
    }

    #[test]
    fn a_broker_may_have_no_session_or_give_it_up() {
        let mut session = FetchSession::default();
        for _ in 0..2 {
            assert_eq!(ask(&mut session, &[(0, 5)]), (0, 0, vec![(0, 5)], vec![]));
            assert_eq!(answer(&mut session, 0, &[0]), Verdict::Take);
        }
        assert_eq!(session.last(), None);
        let mut session = begun();
        ask(&mut session, &[(0, 5), (1, 7)]);
        assert_eq!(answer(&mut session, 0, &[0]), Verdict::Take);
        assert_eq!(ask(&mut session, &[(0, 6), (1, 7)]), (0, 0, vec![(0, 6), (1, 7)], vec![]));
    }

    #[test]
    fn an_answer_to_something_else_is_not_taken() {
        let mut session = begun();
        ask(&mut session, &[(0, 5)]);
        assert_eq!(answer(&mut session, 33, &[4]), Verdict::Again);
        let mut session = FetchSession::default();
        ask(&mut session, &[(0, 5)]);
        assert_eq!(session.answered(ErrorCode::None, 0, &BTreeSet::new()), Verdict::Again);
    }

    #[test]
    fn a_session_is_ended_by_name() {
        let last = begun().last();
        assert_eq!(last.map(|last| (last.session_id, last.session_epoch)), Some((33, -1)));
    }
}
