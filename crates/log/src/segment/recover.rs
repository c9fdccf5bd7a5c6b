//! Going through a segment after an unclean stop: every batch's checksum is verified, the indexes are made anew, and the file is
//! cut at the first batch that is not whole.

use std::ops::Range;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crc_fast::{CrcAlgorithm, Digest};
use ottla_machine::{Disk, DiskFile};
use ottla_wire::batch::{BatchError, BatchHeader, HEADER_LEN};

use super::{Facts, Found, HeaderWalk, Place, Segment, TimeEntry, WalkStop};
use crate::config::{LogConfig, UnsyncedBytes};
use crate::error::LogError;
use crate::file_names::LOG;

const READ_BYTES: usize = 256 << 10;

/// What was found in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRecovery {
    pub(crate) next_offset: i64,
    /// The bytes that were cut off, and why.
    pub(crate) cut: Option<(u64, String)>,
}

impl<D: Disk> Segment<D> {
    /// Recovers the segment. `see` is told each good batch in order, after the segment's indexes know it; an error from it
    /// ends the recovery.
    ///
    /// `previous_end` is where the segment before ends: a batch below it is as bad as one with a wrong checksum. What lies
    /// below `recovery_point` is durable.
    pub(crate) fn recover(
        &self,
        place: Place<'_, D>,
        config: &LogConfig,
        previous_end: i64,
        recovery_point: i64,
        mut see: impl FnMut(Found) -> Result<(), LogError>,
    ) -> Result<SegmentRecovery, LogError> {
        let file = self.log_file(place)?;
        let failed = |error| LogError::io("reading", &self.path(place, LOG), error);
        let length = file.len().map_err(failed)?;
        self.offsets.reset(place)?;
        self.times.reset(place)?;
        self.txns.reset(place)?;
        self.forget_facts();
        self.written.store(true, Ordering::Release);
        self.size.store(0, Ordering::Release);

        let mut walk = HeaderWalk::new(file, 0, length);
        let mut buffer = Vec::new();
        let mut next_offset = previous_end.max(self.base_offset);
        let mut last_index_entry = 0;
        let reason = loop {
            let (position, header) = match walk.next_header() {
                Ok(Some(found)) => found,
                Ok(None) => break "the file ends within a batch".to_owned(),
                Err(WalkStop::Io(error)) => return Err(failed(error)),
                Err(WalkStop::Corrupt(error)) => break error.to_string(),
            };
            if let Err(error) = verify_crc(walk.file(), position, &header, &mut buffer).map_err(failed)? {
                break error.to_string();
            }
            if header.base_offset < next_offset
                || !self.holds_offset(header.last_offset())
                || header.last_offset_delta < 0
            {
                break format!("offset {} cannot follow {next_offset}", header.base_offset);
            }
            next_offset = header.next_offset();
            if config.unsynced_bytes == UnsyncedBytes::WrittenAnew && next_offset > recovery_point {
                let bytes = position..walk.position();
                let written = self.log.change(walk.file(), |file| write_anew(file, bytes, &mut buffer));
                written.map_err(|error| LogError::io("writing", &self.path(place, LOG), error))?;
            }
            self.recovered(place, config, position, &header, &mut last_index_entry);
            see(Found { position, header })?;
        };
        let good = self.size();
        if good < length {
            let cut = self.log.change(walk.file(), |file| file.set_len(good));
            cut.map_err(|error| LogError::io("truncating", &self.path(place, LOG), error))?;
            // Durable at once: after another crash, the old bytes must not show behind what is appended next.
            self.log.sync().map_err(|error| LogError::unsynced(&self.path(place, LOG), error))?;
        }
        // Whatever the process before wrote or cut back may not be on the medium: that is for the next sync.
        self.log.mark_dirty(walk.file());
        self.seal(place)?;
        self.unsettled.store(true, Ordering::Release);
        Ok(SegmentRecovery { next_offset, cut: (good < length).then(|| (length - good, reason)) })
    }

    fn recovered(
        &self,
        place: Place<'_, D>,
        config: &LogConfig,
        position: u64,
        header: &BatchHeader,
        last_index_entry: &mut u64,
    ) {
        let mut facts = self.facts(place);
        if position == 0 {
            facts.first_batch_timestamp = Some(header.max_timestamp);
        }
        if position - *last_index_entry > u64::from(config.index_interval_bytes) {
            self.note(place, &mut facts, header, position);
            *last_index_entry = position;
        } else {
            facts.see(header);
        }
        let end = position + header.size_in_bytes() as u64;
        facts.bytes_since_last_index_entry = u32::try_from(end - *last_index_entry).unwrap_or(u32::MAX);
        self.size.store(end, Ordering::Release);
    }

    fn forget_facts(&self) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let max_timestamp = Some(TimeEntry { timestamp: -1, offset: self.base_offset });
        *facts = Facts {
            max_timestamp,
            created_ms: facts.created_ms,
            roll_jitter_ms: facts.roll_jitter_ms,
            ..Facts::default()
        };
    }
}

/// Writes a stretch of a file as it is. Wherever it is interrupted, the same bytes are there.
fn write_anew<F: DiskFile>(file: &F, bytes: Range<u64>, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    let mut at = bytes.start;
    while at < bytes.end {
        buffer.resize(READ_BYTES, 0);
        let wanted = usize::try_from(bytes.end - at).unwrap_or(READ_BYTES).min(READ_BYTES);
        let read = file.read_at(at, &mut buffer[..wanted])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(at, &[&buffer[..read]])?;
        at += read as u64;
    }
    Ok(())
}

/// Verifies a batch's checksum in pieces: its length may be wrong, so nothing of that size is allocated.
fn verify_crc<F: DiskFile>(
    file: &F,
    position: u64,
    header: &BatchHeader,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Result<(), BatchError>> {
    buffer.resize(READ_BYTES, 0);
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&header.encode()[21..]);
    let mut at = position + HEADER_LEN as u64;
    let end = position + header.size_in_bytes() as u64;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(READ_BYTES).min(READ_BYTES);
        let read = file.read_at(at, &mut buffer[..wanted])?;
        if read == 0 {
            return Ok(Err(BatchError::InvalidLength(header.batch_length)));
        }
        digest.update(&buffer[..read]);
        at += read as u64;
    }
    let computed = digest.finalize() as u32;
    Ok(if computed == header.crc { Ok(()) } else { Err(BatchError::CrcMismatch { stored: header.crc, computed }) })
}
