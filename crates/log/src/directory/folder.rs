//! The names of partitions' folders: `topic-N`, and with a suffix what was set aside: `topic-N.<32 hex digits>-delete`,
//! `-stray`, `-future`.

use std::fmt;
use std::sync::Arc;

use ottla_machine::PartitionIndex;

/// The longest name of a file.
const NAME_BYTES_MAX: usize = 255;

/// A partition by its topic's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: PartitionIndex,
}

/// A folder in a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub name: String,
    /// Of a folder that was set aside the topic can be cut short.
    pub partition: TopicPartition,
    pub state: FolderState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderState {
    /// A partition's log.
    Current,
    /// Waits for its removal.
    Deleted,
    /// Metadata did not know it when the node started.
    Stray,
    /// A log that is being moved here from another directory.
    Future,
}

impl FolderState {
    const fn suffix(self) -> &'static str {
        match self {
            FolderState::Current => "",
            FolderState::Deleted => "-delete",
            FolderState::Stray => "-stray",
            FolderState::Future => "-future",
        }
    }
}

impl Folder {
    /// Reads a name; `None` if no partition's folder is called so.
    pub fn parse(name: &str) -> Option<Folder> {
        for state in [FolderState::Deleted, FolderState::Stray, FolderState::Future] {
            if let Some((rest, unique)) = name.strip_suffix(state.suffix()).and_then(|rest| rest.rsplit_once('.'))
                && unique.len() == 32
                && unique.bytes().all(|byte| byte.is_ascii_hexdigit())
            {
                let partition = TopicPartition::parse(rest)?;
                return Some(Folder { name: name.to_owned(), partition, state });
            }
        }
        let partition = TopicPartition::parse(name)?;
        Some(Folder { name: name.to_owned(), partition, state: FolderState::Current })
    }

    /// The folder that a partition's is renamed to. A long topic name is cut short, as a file's name must not be longer.
    pub(super) fn set_aside(partition: &TopicPartition, unique: &str, state: FolderState) -> Folder {
        let end = format!("-{}.{unique}{}", partition.partition, state.suffix());
        let room = NAME_BYTES_MAX.saturating_sub(end.len());
        // A topic's name is ASCII.
        let topic = partition.topic.get(..room).unwrap_or(&partition.topic);
        Folder { name: format!("{topic}{end}"), partition: partition.clone(), state }
    }
}

impl TopicPartition {
    /// Reads `topic-N`: the number is what follows the last hyphen.
    pub fn parse(text: &str) -> Option<TopicPartition> {
        let (topic, number) = text.rsplit_once('-')?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let canonical = number == "0" || (!number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit()));
        if topic.is_empty() || number.is_empty() || !canonical || !topic.bytes().all(legal) {
            return None;
        }
        Some(TopicPartition { topic: topic.into(), partition: PartitionIndex(number.parse().ok()?) })
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_their_last_hyphen() {
        let folder = Folder::parse("my-topic.v2-17").unwrap();
        assert_eq!((&*folder.partition.topic, folder.partition.partition.0), ("my-topic.v2", 17));
        assert_eq!(folder.state, FolderState::Current);
        for bad in ["topic", "-1", "topic-", "topic-01", "topic--1x", "t/x-1", "t-99999999999", "", "a-1.b", "a-+1"] {
            assert_eq!(Folder::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_was_set_aside_is_recognised() {
        let unique = "00112233445566778899aabbccddeeff";
        for (suffix, state) in
            [("-delete", FolderState::Deleted), ("-stray", FolderState::Stray), ("-future", FolderState::Future)]
        {
            let folder = Folder::parse(&format!("t-3.{unique}{suffix}")).unwrap();
            assert_eq!((folder.partition.to_string().as_str(), folder.state), ("t-3", state));
        }
        // A topic may be named like this; without the digits it is one.
        assert_eq!(Folder::parse("t-delete"), None);
        assert_eq!(Folder::parse("t.x-delete-0").unwrap().state, FolderState::Current);
    }

    #[test]
    fn a_long_topic_is_cut_to_fit() {
        let partition = TopicPartition { topic: "t".repeat(249).into(), partition: PartitionIndex(7) };
        let folder = Folder::set_aside(&partition, &"0".repeat(32), FolderState::Deleted);
        assert_eq!(folder.name.len(), 255);
        assert_eq!(Folder::parse(&folder.name).unwrap().state, FolderState::Deleted);
    }
}
