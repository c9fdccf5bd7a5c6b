//! What is in a log's folder when it is opened, and what an interrupted deletion or compaction has left there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ottla_machine::{Disk, DiskFile, OpenMode};

use super::{OpenOptions, Opening, Recovery};
use crate::epochs::LeaderEpochs;
use crate::error::{LogError, doing};
use crate::file_names::{
    CLEANED, DELETED, LOG, OFFSET_INDEX, OffsetFile, PRODUCER_SNAPSHOT, SWAP, TIME_INDEX, TXN_INDEX, offset_file, parse,
};
use crate::producers::Producers;
use crate::segment::{HeaderWalk, Place, Segment, WalkStop, remove_if_there};

impl<'a, D: Disk> Opening<'a, D> {
    /// Looks at the folder, and removes what an interrupted deletion or compaction has left.
    pub(super) fn list(place: Place<'a, D>, options: &'a OpenOptions) -> Result<Self, LogError> {
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
                    let sound = !has(file.offset, TXN_INDEX) || segment.txns().is_sound(place)?;
                    if size > 0 && (!sound || !has(file.offset, OFFSET_INDEX)) {
                        opening.without_index.push(file.offset);
                    }
                    opening.segments.push(Arc::new(segment));
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
}

/// The offset behind the last batch of a log file under any name.
fn end_of_file<D: Disk>(disk: &D, path: &Path, base_offset: i64) -> Result<i64, LogError> {
    let file = disk.open(path, OpenMode::Read).map_err(doing("opening", path))?;
    let length = file.len().map_err(doing("reading", path))?;
    let mut walk = HeaderWalk::new(file, 0, length);
    let mut end = base_offset;
    loop {
        match walk.next_header() {
            Ok(Some((_, header))) => end = header.next_offset(),
            Ok(None) => return Ok(end),
            Err(WalkStop::Io(error)) => {
                return Err(LogError::io("reading", path, error));
            }
            Err(WalkStop::Corrupt(error)) => {
                return Err(LogError::malformed(path, error));
            }
        }
    }
}
