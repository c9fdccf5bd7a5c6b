//! Records of `__remote_log_metadata`, as the text of Kafka's objects shows them (KIP-405).

use super::read_frame;
use ottla_wire::Uuid;
use ottla_wire::remote::RemoteRecord;
use std::collections::BTreeMap;

/// The record in a log record's value.
pub(crate) fn read(value: &[u8]) -> Result<String, String> {
    read_frame(value, RemoteRecord::decode).and_then(|(record, _)| shown(&record))
}

fn shown(record: &RemoteRecord<'_>) -> Result<String, String> {
    Ok(match record {
        RemoteRecord::RemoteLogSegmentMetadata(record) => {
            let id = &record.remote_log_segment_id;
            let partition = &id.topic_id_partition;
            let epochs = record.segment_leader_epochs.iter().map(|entry| (entry.leader_epoch, entry.offset));
            let segment =
                Segment { start_offset: record.start_offset, end_offset: record.end_offset, epochs: epochs.collect() };
            segment.check()?;
            format!(
                "RemoteLogSegmentMetadata{{remoteLogSegmentId={}, startOffset={}, endOffset={}, brokerId={}, maxTimestampMs={}, \
                 eventTimestampMs={}, segmentLeaderEpochs={}, segmentSizeInBytes={}, customMetadata={}, state={}, txnIdxEmpty={}}}",
                segment_id(partition.id, &partition.name, partition.partition, id.id),
                record.start_offset,
                record.end_offset,
                record.broker_id,
                record.max_timestamp_ms,
                record.event_timestamp_ms,
                segment.epochs_text(),
                record.segment_size_in_bytes,
                custom(record.custom_metadata.as_deref()),
                segment_state(record.remote_log_segment_state)?,
                record.txn_index_empty,
            )
        }
        RemoteRecord::RemoteLogSegmentMetadataUpdate(record) => {
            let id = &record.remote_log_segment_id;
            let partition = &id.topic_id_partition;
            format!(
                "RemoteLogSegmentMetadataUpdate{{remoteLogSegmentId={}, customMetadata={}, state={}, eventTimestampMs={}, brokerId={}}}",
                segment_id(partition.id, &partition.name, partition.partition, id.id),
                custom(record.custom_metadata.as_deref()),
                segment_state(record.remote_log_segment_state)?,
                record.event_timestamp_ms,
                record.broker_id,
            )
        }
        RemoteRecord::RemotePartitionDeleteMetadata(record) => {
            let partition = &record.topic_id_partition;
            format!(
                "RemotePartitionDeleteMetadata{{topicPartition={}:{}-{}, state={}, eventTimestampMs={}, brokerId={}}}",
                partition.id,
                partition.name,
                partition.partition,
                name(&PARTITION_STATES, record.remote_partition_delete_state)?,
                record.event_timestamp_ms,
                record.broker_id,
            )
        }
        RemoteRecord::RemoteLogSegmentMetadataSnapshot(record) => {
            let epochs = record.segment_leader_epochs.iter().map(|entry| (entry.leader_epoch, entry.offset));
            let segment =
                Segment { start_offset: record.start_offset, end_offset: record.end_offset, epochs: epochs.collect() };
            segment.check()?;
            format!(
                "RemoteLogSegmentMetadataSnapshot{{segmentId={}, startOffset={}, endOffset={}, maxTimestampMs={}, \
                 segmentLeaderEpochs={}, segmentSizeInBytes={}, customMetadata={}, state={}, txnIdxEmpty={}}}",
                record.segment_id,
                record.start_offset,
                record.end_offset,
                record.max_timestamp_ms,
                segment.epochs_text(),
                record.segment_size_in_bytes,
                custom(record.custom_metadata.as_deref()),
                segment_state(record.remote_log_segment_state)?,
                record.txn_index_empty,
            )
        }
    })
}

/// What Kafka checks of a segment before it shows it.
struct Segment {
    start_offset: i64,
    end_offset: i64,
    epochs: BTreeMap<i32, i64>,
}

impl Segment {
    fn check(&self) -> Result<(), String> {
        if self.start_offset < 0 {
            return Err(format!(
                "Unexpected start offset = {}. StartOffset for a remote segment cannot be negative",
                self.start_offset
            ));
        }
        if self.end_offset < self.start_offset {
            return Err(format!(
                "Unexpected end offset = {}. EndOffset for a remote segment cannot be less than startOffset = {}",
                self.end_offset, self.start_offset
            ));
        }
        if self.epochs.is_empty() {
            return Err("segmentLeaderEpochs can not be null or empty".to_owned());
        }
        Ok(())
    }

    fn epochs_text(&self) -> String {
        let entries: Vec<_> = self.epochs.iter().map(|(epoch, offset)| format!("{epoch}={offset}")).collect();
        format!("{{{}}}", entries.join(", "))
    }
}

fn segment_id(topic_id: Uuid, topic: &str, partition: i32, id: Uuid) -> String {
    format!("RemoteLogSegmentId{{topicIdPartition={topic_id}:{topic}-{partition}, id={id}}}")
}

fn custom(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(
        || "Optional.empty".to_owned(),
        |bytes| format!("Optional[CustomMetadata{{{} bytes}}]", bytes.len()),
    )
}

const SEGMENT_STATES: [&str; 4] =
    ["COPY_SEGMENT_STARTED", "COPY_SEGMENT_FINISHED", "DELETE_SEGMENT_STARTED", "DELETE_SEGMENT_FINISHED"];
const PARTITION_STATES: [&str; 3] =
    ["DELETE_PARTITION_MARKED", "DELETE_PARTITION_STARTED", "DELETE_PARTITION_FINISHED"];

fn segment_state(state: i8) -> Result<&'static str, String> {
    name(&SEGMENT_STATES, state)
}

fn name(states: &[&'static str], state: i8) -> Result<&'static str, String> {
    let known = usize::try_from(state).ok().and_then(|state| states.get(state));
    known.copied().ok_or_else(|| "state can not be null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::remote::RemoteLogSegmentMetadataRecord;
    use ottla_wire::remote::remote_log_segment_metadata_record::SegmentLeaderEpochEntry;

    #[test]
    fn a_segment_is_shown_as_java_shows_it() {
        let mut segment = RemoteLogSegmentMetadataRecord { end_offset: 9, broker_id: 1, ..Default::default() };
        let told = |segment: &RemoteLogSegmentMetadataRecord<'_>| {
            shown(&RemoteRecord::RemoteLogSegmentMetadata(segment.clone()))
        };
        assert_eq!(told(&segment), Err("segmentLeaderEpochs can not be null or empty".to_owned()));
        for (leader_epoch, offset) in [(2, 5), (0, 0)] {
            segment.segment_leader_epochs.push(SegmentLeaderEpochEntry { leader_epoch, offset, ..Default::default() });
        }
        segment.custom_metadata = Some(vec![1, 2].into());
        let text = told(&segment).unwrap();
        assert!(text.contains("segmentLeaderEpochs={0=0, 2=5}"), "{text}");
        assert!(
            text.contains("customMetadata=Optional[CustomMetadata{2 bytes}], state=COPY_SEGMENT_STARTED"),
            "{text}"
        );
    }
}
