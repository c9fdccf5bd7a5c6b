//! Opening a log that is on disk: after a clean stop a look at its last batches, after an unclean one a recovery.
//!
//! A recovery goes through what was not known to be durable: it verifies every batch from the recovery point's segment on,
//! makes indexes and producer state anew, and cuts the log at the first batch that is not whole. Nothing below is read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::Batch;

use crate::config::LogConfig;
use crate::epochs::LeaderEpochs;
use crate::error::{AppendError, LogError, doing};
use crate::file_names::{
    CLEANED, DELETED, LOG, OFFSET_INDEX, OffsetFile, PRODUCER_SNAPSHOT, SWAP, TIME_INDEX, TXN_INDEX, offset_file, parse,
};
use crate::log::{Log, OffsetMetadata, State, Status, TopicId, View};
use crate::partition_metadata;
use crate::producers::{ProducerBatch, Producers, Staged, Strictness, decode};
use crate::read::floor_segment;
use crate::segment::{Found, Place, Segment, remove_if_there};

/// What is known of a log before it is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    pub shutdown: ShutdownKind,
    /// From `recovery-point-offset-checkpoint`; 0 if it says nothing.
    pub recovery_point: Offset,
    /// From `log-start-offset-checkpoint`; 0 if it says nothing.
    pub log_start_offset: Offset,
    /// The topic's id, where the metadata tells it; a folder of another topic is refused.
    pub topic_id: Option<TopicId>,
    pub config: Arc<LogConfig>,
    pub now: Timestamp,
}

/// How the log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownKind {
    /// `.kafka_cleanshutdown` was there.
    Clean,
    Unclean,
}

/// What opening a log has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that were read through.
    pub segments: usize,
    /// What was cut off.
    pub truncations: Vec<Truncation>,
}

/// Bytes that were no whole batches, and were cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncation {
    pub file: std::path::PathBuf,
    /// The file's new length.
    pub position: u64,
    pub bytes: u64,
    pub reason: String,
}

impl<D: Disk> Log<D> {
    /// Opens the log in `dir`, which must be there.
    pub fn open(disk: D, dir: &Path, options: OpenOptions) -> Result<(Log<D>, Recovery), LogError> {
        let found_id = partition_metadata::read(&disk, dir)?;
        if let (Some(found), Some(expected)) = (found_id, options.topic_id)
            && found != expected
        {
            let (found, expected) = (found.to_string(), expected.to_string());
            return Err(LogError::TopicIdMismatch { path: dir.to_owned(), expected, found });
        }
        let topic_id = found_id.or(options.topic_id).unwrap_or_default();
        if found_id.is_none() && options.topic_id.is_some() {
            partition_metadata::write(&disk, dir, topic_id)?;
        }
        let place = Place { disk: &disk, dir };
        let epochs = LeaderEpochs::load(&disk, dir)?;
        let mut opening = Opening { place, options: &options, epochs, ..Opening::list(place, &options)? };
        opening.recover_segments()?;
        opening.find_end()?;
        opening.load_producers()?;
        let (view, state, epochs, recovery) = opening.finish()?;
        let log = Log::assemble(disk.clone(), dir, topic_id, options.config.clone(), view, epochs, state);
        log.release_files();
        Ok((log, recovery))
    }

    /// Makes the producers' state anew from the newest snapshot that helps, after a truncation.
    pub(crate) fn rebuild_producers(&self, state: &mut State, now: Timestamp) -> Result<(), LogError> {
        let dir = self.dir();
        let place = self.place(&dir);
        let (segments, start, end) = {
            let view = self.view();
            (view.segments.clone(), view.log_start_offset, view.end.offset.0)
        };
        self.remove_snapshots(state, |offset| offset > end || offset <= start && offset != end)?;
        let expiration_ms = self.config().producer_id_expiration_ms;
        load_newest_snapshot(place, &mut state.producers, start, end, now.0, expiration_ms)?;
        let from = state.producers.map_end_offset;
        replay(place, &segments, &mut state.producers, from, end)?;
        let high_watermark = self.view().high_watermark;
        state.producers.forget_completed_below(high_watermark);
        self.publish_first_unstable(state);
        Ok(())
    }
}

/// A log that is being opened.
struct Opening<'a, D: Disk> {
    place: Place<'a, D>,
    options: &'a OpenOptions,
    segments: Vec<Arc<Segment<D>>>,
    /// Segments that must be recovered whatever the recovery point says: their index is missing.
    without_index: Vec<i64>,
    epochs: LeaderEpochs,
    producers: Producers,
    recovery: Recovery,
    end_offset: i64,
    log_start_offset: i64,
    names_changed: bool,
}

impl<'a, D: Disk> Opening<'a, D> {
    /// Looks at the folder, and removes what an interrupted deletion or compaction has left.
    fn list(place: Place<'a, D>, options: &'a OpenOptions) -> Result<Self, LogError> {
        let mut opening = Opening {
            place,
            options,
            segments: Vec::new(),
            without_index: Vec::new(),
            epochs: LeaderEpochs::default(),
            producers: Producers::default(),
            recovery: Recovery::default(),
            end_offset: 0,
            log_start_offset: 0,
            names_changed: false,
        };
        opening.finish_interrupted()?;
        let names = place.disk.list(place.dir).map_err(doing("listing", place.dir))?;
        let files: Vec<OffsetFile<'_>> =
            names.iter().filter_map(|name| parse(name)).filter(|file| file.suffix.is_none()).collect();
        let has = |offset, kind| files.iter().any(|file| file.offset == offset && file.kind == kind);
        for file in &files {
            let path = offset_file(place.dir, file.offset, file.kind);
            match file.kind {
                LOG => {
                    let size = place.disk.file_len(&path).map_err(doing("reading", &path))?;
                    let segment = Segment::at(file.offset, size, &options.config, options.now.0);
                    opening.segments.push(Arc::new(segment));
                    if size > 0 && !has(file.offset, OFFSET_INDEX) {
                        opening.without_index.push(file.offset);
                    }
                }
                PRODUCER_SNAPSHOT => {
                    opening.producers.snapshots.insert(file.offset);
                }
                OFFSET_INDEX | TIME_INDEX | TXN_INDEX if !has(file.offset, LOG) => remove_if_there(place.disk, &path)?,
                _ => {}
            }
        }
        opening.segments.sort_by_key(|segment| segment.base_offset());
        Ok(opening)
    }

    /// Files with a suffix: `.deleted` goes, `.cleaned` was not finished and goes, and `.swap` takes the place of what it was
    /// made from, unless an unfinished `.cleaned` shows that there were to be more of them.
    fn finish_interrupted(&mut self) -> Result<(), LogError> {
        let Place { disk, dir } = self.place;
        let names = disk.list(dir).map_err(doing("listing", dir))?;
        let mut swaps = BTreeMap::new();
        let mut first_cleaned = i64::MAX;
        for (name, file) in names.iter().filter_map(|name| Some((name, parse(name)?))) {
            match file.suffix {
                Some(DELETED) => remove_if_there(disk, &dir.join(name))?,
                Some(CLEANED) => {
                    first_cleaned = first_cleaned.min(file.offset);
                    remove_if_there(disk, &dir.join(name))?;
                }
                Some(SWAP) => {
                    swaps.insert((file.offset, file.kind.to_owned()), dir.join(name));
                }
                _ => {}
            }
        }
        let (valid, invalid): (Vec<_>, Vec<_>) =
            swaps.into_iter().partition(|((offset, _), _)| *offset < first_cleaned);
        for (_, path) in invalid {
            remove_if_there(disk, &path)?;
        }
        if valid.is_empty() {
            return Ok(());
        }
        self.names_changed = true;
        // The range that the finished segments replace: from the first one's base to the last one's end.
        let (mut first, mut after) = (i64::MAX, i64::MIN);
        for ((offset, kind), path) in &valid {
            if kind == LOG {
                first = first.min(*offset);
                after = after.max(end_of_file(disk, path, *offset)?);
            }
        }
        for (name, file) in names.iter().filter_map(|name| Some((name, parse(name)?))) {
            if file.suffix.is_none() && (first..after).contains(&file.offset) {
                remove_if_there(disk, &dir.join(name))?;
            }
        }
        for ((offset, kind), path) in &valid {
            disk.rename(path, &offset_file(dir, *offset, kind)).map_err(doing("renaming", path))?;
        }
        Ok(())
    }

    fn recover_segments(&mut self) -> Result<(), LogError> {
        let from = match self.options.shutdown {
            ShutdownKind::Clean => self.segments.len(),
            ShutdownKind::Unclean => floor_segment(&self.segments, self.options.recovery_point.0),
        };
        let first = self.segments.iter().position(|segment| self.without_index.contains(&segment.base_offset()));
        let first = first.unwrap_or(usize::MAX).min(from);
        if first >= self.segments.len() {
            return Ok(());
        }
        // One pass: the state before the first segment comes from a snapshot and what follows it.
        let base = self.segments[first].base_offset();
        self.log_start_offset = self.options.log_start_offset.0.max(self.segments[0].base_offset());
        self.drop_snapshots(|offset| offset > base)?;
        self.load_producers_at(base)?;
        for at in first..self.segments.len() {
            if at < from && !self.without_index.contains(&self.segments[at].base_offset()) {
                let end = match self.segments.get(at + 1) {
                    Some(next) => next.base_offset(),
                    None => self.end_of(&self.segments[at])?,
                };
                let from = self.producers.map_end_offset;
                replay(self.place, &self.segments, &mut self.producers, from, end)?;
                continue;
            }
            let known_end = self.producers.map_end_offset;
            if at > first
                && self.segments[at].base_offset() > known_end
                && !self.options.config.cleanup_policy.compacts()
            {
                // The end of the segment before was lost. Only compaction leaves such gaps by right.
                self.remove_segments_from(at, &format!("it begins above {known_end}, where the log ends now"))?;
                break;
            }
            if self.recover_segment(at)? {
                break;
            }
        }
        Ok(())
    }

    /// Recovers one segment; true if the log ends in it because something was cut off.
    fn recover_segment(&mut self, at: usize) -> Result<bool, LogError> {
        let place = self.place;
        let segment = self.segments[at].clone();
        let previous_end = if at == 0 { segment.base_offset() } else { self.producers.map_end_offset };
        let (producers, epochs) = (&mut self.producers, &mut self.epochs);
        producers.map_end_offset = producers.map_end_offset.max(segment.base_offset());
        let found = segment.recover(place, &self.options.config, previous_end, |found| {
            let epoch = LeaderEpoch(found.header.partition_leader_epoch);
            if epochs.latest().is_none_or(|latest| epoch > latest.epoch) {
                epochs.assign(epoch, Offset(found.header.base_offset));
            }
            see(place, &segment, producers, found, Transactions::Index)
        })?;
        self.recovery.segments += 1;
        let Some((bytes, reason)) = found.cut else {
            return Ok(false);
        };
        let file = segment.path(place, LOG);
        tracing::warn!(file = %file.display(), position = segment.size(), bytes, reason, "cut off what is no whole batch");
        self.recovery.truncations.push(Truncation { file, position: segment.size(), bytes, reason });
        if at + 1 < self.segments.len() {
            self.remove_segments_from(at + 1, "it lies behind a batch that was cut off")?;
        }
        Ok(true)
    }

    fn remove_segments_from(&mut self, at: usize, reason: &str) -> Result<(), LogError> {
        for gone in self.segments.drain(at..) {
            let (file, bytes) = (gone.path(self.place, LOG), gone.size());
            tracing::warn!(file = %file.display(), bytes, reason, "removed a segment");
            crate::jobs::remove_segment_files(self.place, &gone)?;
            self.recovery.truncations.push(Truncation { file, position: 0, bytes, reason: reason.to_owned() });
        }
        self.place.disk.sync_dir(self.place.dir).map_err(doing("syncing", self.place.dir))?;
        Ok(())
    }

    fn find_end(&mut self) -> Result<(), LogError> {
        let checkpoint = self.options.log_start_offset.0;
        self.end_offset = match self.segments.last() {
            None => checkpoint,
            Some(last) => self.end_of(last)?,
        };
        if self.end_offset < checkpoint && !self.segments.is_empty() {
            tracing::warn!(
                end_offset = self.end_offset,
                checkpoint,
                "the log ends below its start: removing all segments"
            );
            for segment in std::mem::take(&mut self.segments) {
                crate::jobs::remove_segment_files(self.place, &segment)?;
            }
            self.names_changed = true;
            self.epochs.clear();
            self.drop_snapshots(|_| true)?;
            self.producers.clear(checkpoint);
            self.end_offset = checkpoint;
        }
        if self.segments.is_empty() && checkpoint > 0 {
            let segment = Segment::create(self.place, checkpoint, &self.options.config, self.options.now.0)?;
            self.segments.push(Arc::new(segment));
            self.names_changed = true;
        }
        let first = self.segments.first().map_or(0, |segment| segment.base_offset());
        self.log_start_offset = checkpoint.max(first);
        self.epochs.truncate_from_end(Offset(self.end_offset));
        self.epochs.truncate_from_start(Offset(checkpoint));
        Ok(())
    }

    /// Where the last segment ends. If its index leads astray, the segment is recovered instead of trusted.
    fn end_of(&self, last: &Segment<D>) -> Result<i64, LogError> {
        if last.size() == 0 {
            return Ok(last.base_offset());
        }
        match last.last_batch(self.place) {
            Ok(Some(found)) if found.position + found.header.size_in_bytes() as u64 == last.size() => {
                Ok(found.header.next_offset())
            }
            Err(error @ LogError::Io { .. }) => Err(error),
            _ => {
                let path = last.path(self.place, LOG);
                tracing::warn!(file = %path.display(), "the index does not lead to the segment's end: recovering it");
                let recovered = last.recover(self.place, &self.options.config, last.base_offset(), |_| Ok(()))?;
                Ok(recovered.next_offset)
            }
        }
    }

    fn load_producers(&mut self) -> Result<(), LogError> {
        let (start, end) = (self.log_start_offset, self.end_offset);
        self.remove_stray_snapshots()?;
        if self.producers.map_end_offset != end {
            let clean = self.options.shutdown == ShutdownKind::Clean;
            if clean && self.producers.snapshots.is_empty() {
                // As Kafka takes it: after a clean stop, no snapshot means no producers.
                self.producers.clear(end);
            } else {
                self.drop_snapshots(|offset| offset > end || (offset <= start && offset != end))?;
                self.load_producers_at(end)?;
            }
        }
        self.producers.map_end_offset = end;
        Ok(())
    }

    /// The producers' state at an offset: the newest snapshot at or below it, and the batches from there on.
    fn load_producers_at(&mut self, offset: i64) -> Result<(), LogError> {
        let expiration_ms = self.options.config.producer_id_expiration_ms;
        let (start, now_ms) = (self.log_start_offset, self.options.now.0);
        load_newest_snapshot(self.place, &mut self.producers, start, offset, now_ms, expiration_ms)?;
        let from = self.producers.map_end_offset;
        replay(self.place, &self.segments, &mut self.producers, from, offset)
    }

    /// Snapshots stand at the bases of segments, and one more may stand at the log's end.
    fn remove_stray_snapshots(&mut self) -> Result<(), LogError> {
        let bases: Vec<i64> = self.segments.iter().map(|segment| segment.base_offset()).collect();
        let newest = self.producers.snapshots.last().copied();
        self.drop_snapshots(|offset| Some(offset) != newest && bases.binary_search(&offset).is_err())
    }

    fn drop_snapshots(&mut self, fits: impl Fn(i64) -> bool) -> Result<(), LogError> {
        let dropped: Vec<i64> = self.producers.snapshots.iter().copied().filter(|offset| fits(*offset)).collect();
        for offset in dropped {
            remove_if_there(self.place.disk, &offset_file(self.place.dir, offset, PRODUCER_SNAPSHOT))?;
            self.producers.snapshots.remove(&offset);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(View<D>, State, LeaderEpochs, Recovery), LogError> {
        self.epochs.store(self.place.disk, self.place.dir)?;
        let mut view = View::empty_at(self.end_offset);
        view.end = OffsetMetadata {
            offset: Offset(self.end_offset),
            segment_base_offset: Offset(self.segments.last().map_or(self.end_offset, |last| last.base_offset())),
            relative_position_in_segment: self.segments.last().map_or(0, |last| last.size()),
        };
        view.log_start_offset = self.log_start_offset.min(self.end_offset);
        // The caller knows the high watermark; until it says so, nothing is visible to consumers.
        view.high_watermark = view.log_start_offset;
        view.first_unstable_offset = self.producers.first_unstable_offset();
        view.segments = Arc::new(std::mem::take(&mut self.segments));
        view.forget_known();
        let clean = self.options.shutdown == ShutdownKind::Clean && self.recovery.segments == 0;
        let recovery_point = if clean { self.end_offset } else { self.options.recovery_point.0.min(self.end_offset) };
        // What the process before named and wrote may not be durable; the next sync makes it so.
        let unclean = self.options.shutdown == ShutdownKind::Unclean;
        let unsynced_snapshots = if unclean { self.producers.snapshots.iter().copied().collect() } else { Vec::new() };
        let state = State {
            producers: self.producers,
            status: Status::Online,
            on_disk: true,
            recovery_point,
            names_changed: self.names_changed || unclean,
            unsynced_snapshots,
        };
        Ok((view, state, self.epochs, self.recovery))
    }
}

/// Loads the newest snapshot at or below `offset`; one that cannot be read is removed, and the one before it tried.
fn load_newest_snapshot<D: Disk>(
    place: Place<'_, D>,
    producers: &mut Producers,
    log_start_offset: i64,
    offset: i64,
    now_ms: i64,
    expiration_ms: i64,
) -> Result<(), LogError> {
    while let Some(newest) = producers.snapshots.range(..=offset).next_back().copied() {
        let path = offset_file(place.dir, newest, PRODUCER_SNAPSHOT);
        let content = place.disk.read(&path).map_err(doing("reading", &path))?;
        match decode(&content) {
            Ok(entries) => {
                producers.load(newest, entries, now_ms, expiration_ms);
                return Ok(());
            }
            Err(reason) => {
                tracing::warn!(file = %path.display(), reason, "removing a producer snapshot that cannot be used");
                remove_if_there(place.disk, &path)?;
                producers.snapshots.remove(&newest);
            }
        }
    }
    producers.clear(log_start_offset);
    Ok(())
}

/// Takes the batches from `from` to below `to` into the producers' state.
fn replay<D: Disk>(
    place: Place<'_, D>,
    segments: &[Arc<Segment<D>>],
    producers: &mut Producers,
    from: i64,
    to: i64,
) -> Result<(), LogError> {
    if from >= to {
        return Ok(());
    }
    for segment in &segments[floor_segment(segments, from).min(segments.len())..] {
        if segment.base_offset() >= to {
            break;
        }
        let start = segment.find(place, from, segment.size())?;
        let Some(start) = start else { continue };
        let mut walk = segment.walk(place, start.position, segment.size())?;
        while let Some((position, header)) = segment.step(place, &mut walk)? {
            if header.base_offset >= to {
                break;
            }
            see(place, segment, producers, Found { position, header }, Transactions::AlreadyIndexed)?;
        }
    }
    producers.map_end_offset = to;
    Ok(())
}

/// Whether an aborted transaction must be noted in the segment's index.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transactions {
    Index,
    AlreadyIndexed,
}

/// Takes one batch into the producers' state.
fn see<D: Disk>(
    place: Place<'_, D>,
    segment: &Segment<D>,
    producers: &mut Producers,
    found: Found,
    transactions: Transactions,
) -> Result<(), LogError> {
    let header = found.header;
    producers.map_end_offset = header.next_offset();
    if !header.has_producer_id() {
        return Ok(());
    }
    let batch = if header.attributes.is_control() {
        let bytes = segment.read_batch(place, found)?;
        crate::append::producer_batch(&Batch { header, bytes: &bytes }, header)
    } else {
        Ok(ProducerBatch::Data(header))
    };
    let mut staged = Staged::default();
    let judged = batch.and_then(|batch| staged.check(producers, &batch, Strictness::Replica));
    if let Err(error) = judged {
        return replay_failed(place, segment, found, &error);
    }
    let mut indexed = Ok(());
    producers.apply(staged, |aborted| {
        if transactions == Transactions::Index {
            indexed = segment.txns().append(place, aborted);
        }
    });
    indexed
}

/// A batch with a right checksum that contradicts its producer's state: it was accepted once, so it is kept; the state goes
/// without it. One poisonous batch must not keep a partition from opening.
fn replay_failed<D: Disk>(
    place: Place<'_, D>,
    segment: &Segment<D>,
    found: Found,
    error: &AppendError,
) -> Result<(), LogError> {
    let file = segment.path(place, LOG);
    tracing::warn!(file = %file.display(), position = found.position, %error, "a batch does not fit its producer's state");
    Ok(())
}

/// The offset behind the last batch of a log file under any name.
fn end_of_file<D: Disk>(disk: &D, path: &Path, base_offset: i64) -> Result<i64, LogError> {
    let file = disk.open(path, ottla_machine::OpenMode::Read).map_err(doing("opening", path))?;
    let length = ottla_machine::DiskFile::len(&file).map_err(doing("reading", path))?;
    let mut walk = crate::segment::HeaderWalk::new(file, 0, length);
    let mut end = base_offset;
    loop {
        match walk.next_header() {
            Ok(Some((_, header))) => end = header.next_offset(),
            Ok(None) => return Ok(end),
            Err(crate::segment::WalkStop::Io(error)) => {
                return Err(LogError::io("reading", path, error));
            }
            Err(crate::segment::WalkStop::Corrupt(error)) => {
                return Err(LogError::malformed(path, error));
            }
        }
    }
}
