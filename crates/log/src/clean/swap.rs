//! Putting a cleaned segment in the place of those that it was made from.
//!
//! The names change in Kafka's order, so that a start after a crash finds its way (see `docs/formats/log.md`): `.cleaned` to
//! `.swap`, the old files to `.deleted`, `.swap` to nothing. Until the first step is done the old segments hold; from then on
//! the new one does. Readers do not notice: the new segment is in view before any name changes, and its files are open; who
//! has looked at the old ones meanwhile looks again ([`Log::unless_replaced`]); who was given a file goes on with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_machine::Disk;

use crate::error::{LogError, doing};
use crate::file_names::{DELETED, PRODUCER_SNAPSHOT, SWAP, offset_file, with_suffix};
use crate::jobs::RemoveJob;
use crate::log::{Log, Status};
use crate::segment::{KINDS, Place, Segment, remove_if_there};

/// A cleaned segment that is on disk whole, and those whose place it takes. For [`Log::replace_segments`].
pub struct Replacement<D: Disk> {
    pub(super) new: Arc<Segment<D>>,
    /// Neighbours; the first has the new one's base offset.
    pub(super) old: Vec<Arc<Segment<D>>>,
    /// [`Log::cuts`] when the cleaning was planned.
    pub(super) cuts: u64,
}

/// Files that are not the log's any more: a job.
pub struct Leftovers<D: Disk> {
    disk: D,
    dir: Arc<Path>,
    /// What a cleaning made that came to nothing.
    unfinished: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl<D: Disk> Leftovers<D> {
    /// Makes the new names durable. Gives what removes the files that were the log's.
    pub fn run(self) -> Result<RemoveJob<D>, LogError> {
        match self.disk.sync_dir(&self.dir) {
            // The topic was deleted meanwhile, and its folder goes with all that is in it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            synced => synced.map_err(|error| LogError::unsynced(&self.dir, error))?,
        }
        self.unfinished.iter().try_for_each(|path| remove_if_there(&self.disk, path))?;
        Ok(RemoveJob { disk: self.disk, files: self.files })
    }
}

impl<D: Disk> Log<D> {
    /// Swaps a cleaned segment in. If the log was cut or closed since the cleaning was planned nothing changes, and the
    /// leftovers are the cleaned files. The log goes offline if it fails halfway.
    pub fn replace_segments(&self, replacement: Replacement<D>) -> Result<Leftovers<D>, LogError> {
        let Replacement { new, old, cuts } = replacement;
        let mut state = self.state();
        let dir = self.dir();
        let place = self.place(&dir);
        let leftovers =
            |unfinished, files| Leftovers { disk: self.inner.disk.clone(), dir: dir.clone(), unfinished, files };
        let segments = self.segments();
        let at = segments.iter().position(|segment| old.first().is_some_and(|first| Arc::ptr_eq(segment, first)));
        let (Some(at), true) = (at, state.status == Status::Online && self.inner.cuts.load(Ordering::Acquire) == cuts)
        else {
            return Ok(leftovers(KINDS.iter().map(|kind| new.cleaned_path(place, kind)).collect(), Vec::new()));
        };
        let (before, rest) = segments.split_at(at);
        let (gone, after) = rest.split_at(old.len());
        assert!(gone.iter().zip(&old).all(|(a, b)| Arc::ptr_eq(a, b)), "nobody else replaces segments");
        assert!(!after.is_empty(), "the active segment is never cleaned");
        {
            let mut view = self.view();
            view.segments = before.iter().chain([&new]).chain(after).cloned().collect();
            view.forget_known();
        }
        self.inner.replacements.fetch_add(1, Ordering::SeqCst);
        let mut files = swap_files(place, &new, &old).inspect_err(|error| {
            tracing::error!(%error, dir = %dir.display(), "a swap failed halfway: the log goes offline");
            state.status = Status::Offline;
        })?;
        new.unpin();
        new.release();
        // The first one's snapshot is that of the new segment.
        for base in old[1..].iter().map(|segment| segment.base_offset()) {
            if state.producers.snapshots.remove(&base) {
                state.unsynced_snapshots.retain(|offset| *offset != base);
                let path = offset_file(&dir, base, PRODUCER_SNAPSHOT);
                let deleted = with_suffix(&path, DELETED);
                match place.disk.rename(&path, &deleted) {
                    Ok(()) => files.push(deleted),
                    // A start removes what stands at no segment's base.
                    Err(error) => tracing::warn!(%error, file = %path.display(), "a producer snapshot stays"),
                }
            }
        }
        state.names_changed = true;
        Ok(leftovers(Vec::new(), files))
    }
}

/// Changes the names; gives the files that are to be removed.
fn swap_files<D: Disk>(
    place: Place<'_, D>,
    new: &Segment<D>,
    old: &[Arc<Segment<D>>],
) -> Result<Vec<PathBuf>, LogError> {
    let has_txns = !new.txns().is_empty(place)?;
    let kinds = KINDS.iter().filter(|kind| has_txns || **kind != crate::file_names::TXN_INDEX);
    let swapped = |kind: &str| with_suffix(&new.path(place, kind), SWAP);
    for kind in kinds.clone() {
        rename(place, &new.cleaned_path(place, kind), &swapped(kind))?;
    }
    let mut files = Vec::new();
    for segment in old {
        for path in KINDS.iter().map(|kind| segment.path(place, kind)) {
            let deleted = with_suffix(&path, DELETED);
            match place.disk.rename(&path, &deleted) {
                Ok(()) => files.push(deleted),
                // Not every segment has every kind.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(doing("renaming", &path)(error)),
            }
        }
    }
    for kind in kinds {
        rename(place, &swapped(kind), &new.path(place, kind))?;
    }
    Ok(files)
}

fn rename<D: Disk>(place: Place<'_, D>, from: &Path, to: &Path) -> Result<(), LogError> {
    place.disk.rename(from, to).map_err(doing("renaming", from))
}
