//! Whose turn it is to be synced. Many ask, one sync answers all who asked before it began, and those who ask meanwhile
//! share the next.

use std::sync::{Mutex, PoisonError};

/// One partition's turn.
#[derive(Default)]
pub struct SyncTurn(Mutex<Turn>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Idle,
    /// Somebody will begin.
    Queued,
    Running,
    /// Asked for while it ran, which may have been too late for it.
    RunningAgain,
}

/// What who asked has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// It is queued by somebody else, or will be.
    Nothing,
    /// Queue the partition.
    Queue,
}

impl SyncTurn {
    /// Somebody wants what was appended until now to be durable.
    pub fn ask(&self) -> Ask {
        self.change(|turn| match turn {
            Turn::Idle => (Turn::Queued, Ask::Queue),
            Turn::Queued => (Turn::Queued, Ask::Nothing),
            Turn::Running | Turn::RunningAgain => (Turn::RunningAgain, Ask::Nothing),
        })
    }

    /// The queued partition is taken up: what was asked for until now is covered.
    pub fn begin(&self) {
        self.change(|_| (Turn::Running, ()));
    }

    /// It is synced. Somebody may have asked meanwhile.
    pub fn end(&self) -> Ask {
        self.change(|turn| match turn {
            Turn::RunningAgain => (Turn::Queued, Ask::Queue),
            _ => (Turn::Idle, Ask::Nothing),
        })
    }

    fn change<T>(&self, change: impl FnOnce(Turn) -> (Turn, T)) -> T {
        let mut turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, answer) = change(*turn);
        *turn = next;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_during_a_sync_shares_the_next() {
        let turn = SyncTurn::default();
        assert_eq!([turn.ask(), turn.ask()], [Ask::Queue, Ask::Nothing]);
        turn.begin();
        assert_eq!([turn.ask(), turn.ask()], [Ask::Nothing, Ask::Nothing]);
        assert_eq!(turn.end(), Ask::Queue);
        assert_eq!(turn.ask(), Ask::Nothing);
        turn.begin();
        assert_eq!(turn.end(), Ask::Nothing);
        assert_eq!(turn.ask(), Ask::Queue);
    }
}
