//! Incremental fetch (KIP-227): a client names its partitions once, and afterwards only what changes; the answer leaves
//! out partitions that have nothing new. The sessions live in a bounded cache; who finds no room fetches in full.

use ottla_machine::Instant;
use ottla_wire::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic in a fetch: by name up to version 12, by id from 13.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchTopic {
    Name(Arc<str>),
    Id(Uuid),
}

/// What a client asks of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    pub current_leader_epoch: i32,
    pub fetch_offset: i64,
    pub last_fetched_epoch: i32,
    pub log_start_offset: i64,
    pub max_bytes: i32,
}

/// What the answer says of one partition, as far as it decides whether it is worth saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionAnswer {
    pub error: ErrorCode,
    pub records_bytes: usize,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    /// A preferred replica or a diverging epoch is told.
    pub redirects: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedPartition {
    pub topic: FetchTopic,
    pub index: i32,
    pub request: FetchPartition,
    /// As last told; -1 before that.
    high_watermark: i64,
    log_start_offset: i64,
}

#[derive(Debug)]
struct Session {
    /// What the next incremental fetch must say.
    epoch: i32,
    privileged: bool,
    uses_ids: bool,
    created: Instant,
    last_used: Instant,
    /// In the order in which they are served.
    partitions: Vec<CachedPartition>,
    places: BTreeMap<(FetchTopic, i32), usize>,
}

/// How a request wants to be served, as its session id and epoch say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchKind {
    /// Epoch 0: all partitions are named, and a session is wanted. An id in it is a session to be closed.
    Full {
        close: i32,
    },
    /// Epoch -1: all partitions are named, and no session is wanted.
    Sessionless {
        close: i32,
    },
    Incremental {
        id: i32,
        epoch: i32,
    },
}

impl FetchKind {
    #[must_use]
    pub fn new(id: i32, epoch: i32) -> Self {
        match epoch {
            0 => Self::Full { close: id },
            -1 => Self::Sessionless { close: id },
            epoch => Self::Incremental { id, epoch },
        }
    }
}

/// Why a session cannot be gone on with; the answer carries no partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("no such fetch session")]
    NotFound,
    #[error("the fetch session is at another epoch")]
    Epoch,
    #[error("a fetch session keeps to names or to ids")]
    TopicIds,
}

impl SessionError {
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::FetchSessionIdNotFound,
            Self::Epoch => ErrorCode::InvalidFetchSessionEpoch,
            Self::TopicIds => ErrorCode::FetchSessionTopicIdError,
        }
    }
}

/// What is to be fetched, and under which session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchContext {
    pub partitions: Vec<CachedPartition>,
    kind: ContextKind,
    privileged: bool,
    uses_ids: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContextKind {
    Sessionless,
    /// A session is to be made once it is known what was answered.
    Full,
    Incremental {
        id: i32,
        epoch: i32,
    },
}

/// `max.incremental.fetch.session.cache.slots` and `min.incremental.fetch.session.eviction.ms`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    pub slots: usize,
    pub eviction_ms: u64,
}

/// What an answer says beside its partitions, and of each partition beside its records, with its share of a topic's id.
const FRAME_BYTES: usize = 24;
const PARTITION_BYTES: usize = 60;

/// All sessions of a node.
#[derive(Debug)]
pub struct FetchSessions {
    limits: SessionLimits,
    sessions: BTreeMap<i32, Session>,
}

impl FetchSessions {
    #[must_use]
    pub fn new(limits: SessionLimits) -> Self {
        Self { limits, sessions: BTreeMap::new() }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Takes in what a request names and forgets, and says what is to be fetched. `privileged`: a follower's.
    pub fn begin(
        &mut self,
        now: Instant,
        kind: FetchKind,
        uses_ids: bool,
        privileged: bool,
        named: Vec<(FetchTopic, i32, FetchPartition)>,
        forgotten: &[(FetchTopic, i32)],
    ) -> Result<FetchContext, SessionError> {
        let fresh = |(topic, index, request)| CachedPartition {
            topic,
            index,
            request,
            high_watermark: -1,
            log_start_offset: -1,
        };
        let (id, epoch) = match kind {
            FetchKind::Full { close } | FetchKind::Sessionless { close } => {
                self.sessions.remove(&close);
                let full = matches!(kind, FetchKind::Full { .. });
                let kind = if full { ContextKind::Full } else { ContextKind::Sessionless };
                let partitions = named.into_iter().map(fresh).collect();
                return Ok(FetchContext { partitions, kind, privileged, uses_ids });
            }
            FetchKind::Incremental { id, epoch } => (id, epoch),
        };
        let session = self.sessions.get_mut(&id).ok_or(SessionError::NotFound)?;
        if session.epoch != epoch {
            return Err(SessionError::Epoch);
        }
        if session.uses_ids != uses_ids && !(named.is_empty() && forgotten.is_empty()) {
            return Err(SessionError::TopicIds);
        }
        for (topic, index, request) in named {
            match session.places.get(&(topic.clone(), index)) {
                Some(place) => session.partitions[*place].request = request,
                None => {
                    session.places.insert((topic.clone(), index), session.partitions.len());
                    session.partitions.push(fresh((topic, index, request)));
                }
            }
        }
        for key in forgotten {
            session.forget(key);
        }
        if session.partitions.is_empty() {
            self.sessions.remove(&id);
            return Ok(FetchContext { partitions: Vec::new(), kind: ContextKind::Sessionless, privileged, uses_ids });
        }
        session.last_used = now;
        session.epoch = next_epoch(epoch);
        let partitions = session.partitions.clone();
        Ok(FetchContext { partitions, kind: ContextKind::Incremental { id, epoch }, privileged, uses_ids })
    }

    /// Notes what is answered. Gives the session id to tell, and for each partition whether it is told: all of them,
    /// unless the fetch is incremental. `new_id` draws numbers until one is free.
    pub fn finish(
        &mut self,
        now: Instant,
        context: &FetchContext,
        answers: &[PartitionAnswer],
        mut new_id: impl FnMut() -> i32,
    ) -> Result<(i32, Vec<bool>), SessionError> {
        debug_assert_eq!(context.partitions.len(), answers.len());
        match context.kind {
            ContextKind::Sessionless => Ok((0, vec![true; answers.len()])),
            ContextKind::Full => {
                let told = vec![true; answers.len()];
                if context.partitions.is_empty() || !self.make_room(now, context.privileged, answers.len()) {
                    return Ok((0, told));
                }
                let id = loop {
                    let id = new_id();
                    if id > 0 && !self.sessions.contains_key(&id) {
                        break id;
                    }
                };
                let mut partitions = context.partitions.clone();
                partitions.iter_mut().zip(answers).for_each(|(partition, answer)| {
                    partition.note(answer);
                });
                let mut session = Session {
                    epoch: 1,
                    privileged: context.privileged,
                    uses_ids: context.uses_ids,
                    created: now,
                    last_used: now,
                    partitions,
                    places: BTreeMap::new(),
                };
                session.number();
                self.sessions.insert(id, session);
                Ok((id, told))
            }
            ContextKind::Incremental { id, epoch } => {
                let session = self.sessions.get_mut(&id).ok_or(SessionError::NotFound)?;
                // Another fetch of this session overtook this one.
                if session.epoch != next_epoch(epoch) {
                    return Err(SessionError::Epoch);
                }
                let mut told = Vec::with_capacity(answers.len());
                let mut served = Vec::new();
                for (partition, answer) in context.partitions.iter().zip(answers) {
                    let key = (partition.topic.clone(), partition.index);
                    let Some(place) = session.places.get(&key).copied() else {
                        told.push(false);
                        continue;
                    };
                    told.push(session.partitions[place].note(answer));
                    if answer.records_bytes > 0 {
                        served.push(place);
                    }
                }
                session.move_to_end(&served);
                Ok((id, told))
            }
        }
    }

    /// Whether the session is still the one that the fetch began with.
    pub fn check(&self, context: &FetchContext) -> Result<(), SessionError> {
        let ContextKind::Incremental { id, epoch } = context.kind else { return Ok(()) };
        match self.sessions.get(&id) {
            None => Err(SessionError::NotFound),
            Some(session) if session.epoch != next_epoch(epoch) => Err(SessionError::Epoch),
            Some(_) => Ok(()),
        }
    }

    /// About how long the answer would be that [`Self::finish`] leads to: its records, and what is said beside them.
    #[must_use]
    pub fn told_bytes(&self, context: &FetchContext, answers: &[PartitionAnswer]) -> usize {
        let is_full = !matches!(context.kind, ContextKind::Incremental { .. });
        let told = |(partition, answer): &(&CachedPartition, &PartitionAnswer)| {
            is_full || CachedPartition::clone(partition).note(answer)
        };
        let told = context.partitions.iter().zip(answers).filter(told);
        told.map(|(_, answer)| PARTITION_BYTES + answer.records_bytes).sum::<usize>() + FRAME_BYTES
    }

    /// Whether a session of this size gets a slot: a free one, that of a session long unused, or for a follower that
    /// of a client, and for a larger session that of a smaller one which had its time.
    fn make_room(&mut self, now: Instant, privileged: bool, size: usize) -> bool {
        if self.limits.slots == 0 {
            return false;
        }
        if self.sessions.len() < self.limits.slots {
            return true;
        }
        let age = |since: Instant| now.saturating_since(since).as_millis() as u64;
        let stale = self.sessions.iter().min_by_key(|(_, s)| s.last_used);
        let evicted = match stale {
            Some((id, session)) if age(session.last_used) > self.limits.eviction_ms => Some(*id),
            _ => {
                let smallest = self
                    .sessions
                    .iter()
                    .filter(|(_, s)| !s.privileged || privileged)
                    .min_by_key(|(_, s)| (s.privileged, s.partitions.len(), s.last_used));
                smallest
                    .filter(|(_, s)| {
                        (privileged && !s.privileged)
                            || (s.partitions.len() < size && age(s.created) > self.limits.eviction_ms)
                    })
                    .map(|(id, _)| *id)
            }
        };
        evicted.is_some_and(|id| self.sessions.remove(&id).is_some())
    }
}

impl FetchContext {
    /// The id to tell with an answer that leaves the session as it is, such as an empty one.
    #[must_use]
    pub fn session_id(&self) -> i32 {
        match self.kind {
            ContextKind::Incremental { id, .. } => id,
            _ => 0,
        }
    }
}

impl CachedPartition {
    /// Remembers what is told, and says whether there is anything to tell.
    fn note(&mut self, answer: &PartitionAnswer) -> bool {
        let mut told = answer.records_bytes > 0 || answer.redirects;
        if self.high_watermark != answer.high_watermark {
            self.high_watermark = answer.high_watermark;
            told = true;
        }
        if self.log_start_offset != answer.log_start_offset {
            self.log_start_offset = answer.log_start_offset;
            told = true;
        }
        if answer.error != ErrorCode::None {
            // So that the next answer without an error is told, even if it says what was said before.
            self.high_watermark = -1;
            told = true;
        }
        told
    }
}

impl Session {
    fn number(&mut self) {
        let keys = self.partitions.iter().enumerate();
        self.places = keys.map(|(place, p)| ((p.topic.clone(), p.index), place)).collect();
    }

    fn forget(&mut self, key: &(FetchTopic, i32)) {
        if let Some(place) = self.places.remove(key) {
            self.partitions.remove(place);
            self.number();
        }
    }

    /// Who was served goes behind those who were not: no partition starves behind busy ones.
    fn move_to_end(&mut self, served: &[usize]) {
        if served.is_empty() || served.len() == self.partitions.len() {
            return;
        }
        let mut moved = Vec::with_capacity(served.len());
        let mut stay = Vec::with_capacity(self.partitions.len());
        for (place, partition) in std::mem::take(&mut self.partitions).into_iter().enumerate() {
            if served.contains(&place) { moved.push(partition) } else { stay.push(partition) }
        }
        stay.append(&mut moved);
        self.partitions = stay;
        self.number();
    }
}

/// Epochs run from 1 and skip 0, which means a full fetch.
fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> FetchTopic {
        FetchTopic::Name(name.into())
    }

    fn at(fetch_offset: i64) -> FetchPartition {
        FetchPartition {
            current_leader_epoch: -1,
            fetch_offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            max_bytes: 1000,
        }
    }

    fn answer(records_bytes: usize, high_watermark: i64) -> PartitionAnswer {
        let error = ErrorCode::None;
        PartitionAnswer { error, records_bytes, high_watermark, log_start_offset: 0, redirects: false }
    }

    fn sessions(slots: usize) -> FetchSessions {
        FetchSessions::new(SessionLimits { slots, eviction_ms: 1000 })
    }

    fn open(sessions: &mut FetchSessions, now: u64, id: i32, count: i32) -> i32 {
        let now = Instant::from_millis(now);
        let named = (0..count).map(|index| (topic("t"), index, at(0))).collect();
        let context = sessions.begin(now, FetchKind::new(0, 0), false, false, named, &[]).unwrap();
        let answers = vec![answer(0, 0); count as usize];
        sessions.finish(now, &context, &answers, || id).unwrap().0
    }

    fn go_on(
        sessions: &mut FetchSessions,
        epoch: i32,
        named: Vec<(FetchTopic, i32, FetchPartition)>,
        forgotten: &[(FetchTopic, i32)],
    ) -> Result<FetchContext, SessionError> {
        sessions.begin(Instant::from_millis(5), FetchKind::new(7, epoch), false, false, named, forgotten)
    }

    #[test]
    fn an_incremental_answer_tells_what_changed_and_serves_the_others_first_next_time() {
        let mut sessions = sessions(10);
        assert_eq!(open(&mut sessions, 0, 7, 3), 7);
        let context = go_on(&mut sessions, 1, vec![], &[]).unwrap();
        let answers = [answer(100, 5), answer(0, 0), answer(0, 1)];
        let told = sessions.finish(Instant::from_millis(5), &context, &answers, || 9).unwrap();
        assert_eq!(told, (7, vec![true, false, true]));

        let context = go_on(&mut sessions, 2, vec![(topic("t"), 1, at(9))], &[(topic("t"), 2)]).unwrap();
        let order: Vec<_> = context.partitions.iter().map(|p| (p.index, p.request.fetch_offset)).collect();
        assert_eq!(order, [(1, 9), (0, 0)]);
        let told = sessions.finish(Instant::from_millis(5), &context, &[answer(0, 0), answer(0, 5)], || 9).unwrap();
        assert_eq!(told, (7, vec![false, false]));
    }

    #[test]
    fn an_error_is_told_and_so_is_its_end() {
        let mut sessions = sessions(10);
        open(&mut sessions, 0, 7, 1);
        let mut step = |epoch, error| {
            let context = go_on(&mut sessions, epoch, vec![], &[]).unwrap();
            let answer = PartitionAnswer { error, ..answer(0, 0) };
            sessions.finish(Instant::from_millis(5), &context, &[answer], || 9).unwrap().1[0]
        };
        assert!(step(1, ErrorCode::NotLeaderOrFollower));
        assert!(step(2, ErrorCode::None));
        assert!(!step(3, ErrorCode::None));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut sessions = sessions(10);
        open(&mut sessions, 0, 7, 1);
        assert_eq!(go_on(&mut sessions, 2, vec![], &[]), Err(SessionError::Epoch));
        let missing = sessions.begin(Instant::from_millis(0), FetchKind::new(8, 1), false, false, vec![], &[]);
        assert_eq!(missing, Err(SessionError::NotFound));
        let id = (FetchTopic::Id(Uuid([1; 16])), 0, at(0));
        let ids = sessions.begin(Instant::from_millis(0), FetchKind::new(7, 1), true, false, vec![id], &[]);
        assert_eq!(ids, Err(SessionError::TopicIds));
        // Epoch 0 with an id closes that session; so does forgetting all it has.
        assert_eq!(open(&mut sessions, 0, 11, 1), 11);
        go_on(&mut sessions, 1, vec![], &[(topic("t"), 0)]).unwrap();
        assert_eq!(sessions.len(), 1);
        sessions.begin(Instant::from_millis(0), FetchKind::new(11, -1), false, false, vec![], &[]).unwrap();
        assert!(sessions.is_empty());
    }

    #[test]
    fn a_full_cache_gives_way_to_the_larger_and_the_newer() {
        let mut sessions = sessions(2);
        assert_eq!(open(&mut sessions, 0, 1, 5), 1);
        assert_eq!(open(&mut sessions, 0, 2, 3), 2);
        assert_eq!(open(&mut sessions, 500, 3, 4), 0, "all have had no time yet");
        assert_eq!(open(&mut sessions, 1001, 3, 4), 3, "the stalest goes");
        assert_eq!(sessions.len(), 2);
    }
}
