//! The logs of partitions that this node hosts from now on: those found on disk are opened, the others are given a place.

use super::directories::Directory;
use super::folders::{Found, FoundLogs};
use super::recovery::Progress;
use super::topic_config::{LogConfigs, log_config, topic_config};
use super::{Node, Published, Work};
use crate::request::Now;
use ottla_log::directory::{FolderState, TopicPartition};
use ottla_log::{Log, LogConfig, LogError, OpenOptions, ShutdownKind, TopicId};
use ottla_machine::{Disk, PartitionIndex};
use ottla_metadata::image::{Image, Topic};
use ottla_replica::Located;
use ottla_wire::Uuid;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a partition begins with.
pub(super) struct Opened<D: Disk> {
    pub current: Located<D>,
    /// A move that is gone on with.
    pub future: Option<Located<D>>,
}

/// What opening one partition's logs needs.
struct Opening<'a> {
    name: TopicPartition,
    topic_id: Uuid,
    config: Arc<LogConfig>,
    /// The directory that the metadata names.
    assigned: Option<Uuid>,
    now: Now,
    image: &'a Image,
}

/// How many logs each directory has. Those that were there before are counted when somebody asks, since most places are
/// given without that.
#[derive(Default)]
struct Held {
    before: Option<BTreeMap<Uuid, usize>>,
    added: BTreeMap<Uuid, usize>,
}

impl Held {
    fn add(&mut self, directory: Uuid) {
        *self.added.entry(directory).or_default() += 1;
    }

    fn count<D: Disk>(&mut self, directory: Uuid, published: &Published<D>) -> usize {
        let before = self.before.get_or_insert_with(|| {
            let mut before = BTreeMap::new();
            for partition in published.all_hosted() {
                for located in [Some(partition.located()), partition.future()].into_iter().flatten() {
                    *before.entry(located.directory_id).or_default() += 1;
                }
            }
            before
        });
        [&*before, &self.added].into_iter().filter_map(|held| held.get(&directory)).sum()
    }
}

impl<D: Disk> Node<D> {
    /// Opens what is found on disk, several logs at once; the others begin empty and cost the disk nothing yet.
    pub(super) fn open_logs(
        &self,
        next: &Published<D>,
        image: &Image,
        touched: &[&Arc<Topic>],
        configs: &mut LogConfigs,
        now: Now,
    ) -> BTreeMap<(Uuid, i32), Opened<D>> {
        let opened = Mutex::new(BTreeMap::new());
        let mut held = Held::default();
        let mut jobs: BTreeMap<Uuid, Vec<(Opening<'_>, FoundLogs<D>)>> = BTreeMap::new();
        let mut unplaced = Vec::new();
        for topic in touched {
            let config = topic_config(image, self.settings(), &topic.name);
            let config = configs.shared(log_config(image, &config, self.settings()));
            let hosted = next.hosted.get(&topic.id);
            for (index, partition) in &topic.partitions {
                let key = (topic.id, *index);
                if !partition.replicas.contains(&self.id)
                    || hosted.is_some_and(|hosted| hosted.contains_key(index))
                    || self.directories.has_lost(topic.id, *index)
                {
                    continue;
                }
                let opening = Opening {
                    name: TopicPartition { topic: Arc::clone(&topic.name), partition: PartitionIndex(*index) },
                    topic_id: topic.id,
                    config: Arc::clone(&config),
                    assigned: partition.directory_of(self.id),
                    now,
                    image,
                };
                let found = self.directories.take_found(&opening.name);
                let is_whole = found.current.is_some()
                    || found.future.as_ref().is_some_and(|future| Some(future.directory.id) == opening.assigned);
                if !is_whole {
                    unplaced.push((key, opening, found.future));
                    continue;
                }
                for here in [&found.current, &found.future].into_iter().flatten() {
                    held.add(here.directory.id);
                }
                let place = found.current.as_ref().or(found.future.as_ref()).map(|here| here.directory.id);
                jobs.entry(place.unwrap_or_default()).or_default().push((opening, found));
            }
        }
        let groups = self.directories.online().filter_map(|directory| Some((directory, jobs.remove(&directory.id)?)));
        let mut groups: Vec<_> =
            groups.map(|(directory, logs)| (Progress::begin(&**self.host(), directory, logs.len()), logs)).collect();
        let mut work: Vec<Vec<Work<'_>>> = Vec::new();
        for (progress, logs) in &mut groups {
            let (progress, opened) = (&*progress, &opened);
            let logs = std::mem::take(logs).into_iter();
            work.push(logs.map(|(opening, found)| self.open_job(opening, found, progress, opened)).collect());
        }
        self.host().run_all(work);
        drop(groups);
        let mut opened = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
        // With a directory offline, what is not here may be there.
        let all_online = self.directories.all_online();
        let before = &next.image;
        let is_running = before.metadata_version.is_some();
        for (key, opening, future) in unplaced {
            let known = |topic: &Arc<Topic>| topic.partitions.contains_key(&key.1);
            let is_new = is_running && !before.topics.with_id(key.0).is_some_and(known);
            if !is_new && !all_online && !self.is_assigned_here(opening.assigned) {
                self.directories.lose(key.0, key.1);
                tracing::error!("partition {} is offline, as a log directory is that may hold it", opening.name);
                continue;
            }
            if let Some(future) = future {
                self.set_stray(&future.directory, &future.folder, "the log is gone that it was copied from");
            }
            let Some(directory) = self.directory_for(&mut held, next, &opening) else { continue };
            held.add(directory.id);
            opened.insert(key, Opened { current: self.create_log(directory, &opening), future: None });
        }
        opened
    }

    fn open_job<'j>(
        &'j self,
        opening: Opening<'j>,
        found: FoundLogs<D>,
        progress: &'j Progress<'_>,
        opened: &'j Mutex<BTreeMap<(Uuid, i32), Opened<D>>>,
    ) -> Work<'j> {
        Box::new(move || {
            let key = (opening.topic_id, opening.name.partition.0);
            match self.open_found(&opening, found, progress) {
                Ok(Some(logs)) => drop(super::lock(opened).insert(key, logs)),
                Ok(None) => {}
                Err(error) => {
                    self.directories.note(&error);
                    self.directories.lose(key.0, key.1);
                    progress.failed();
                    tracing::error!("partition {} stays offline: {error}", opening.name);
                }
            }
        })
    }

    fn is_assigned_here(&self, assigned: Option<Uuid>) -> bool {
        assigned.is_some_and(|id| self.directories.with_id(id).is_some())
    }

    fn create_log(&self, directory: &Directory<D>, opening: &Opening<'_>) -> Located<D> {
        let path = directory.files.partition_path(&opening.name);
        let config = Arc::clone(&opening.config);
        let log = Log::create(directory.files.disk().clone(), &path, TopicId(opening.topic_id.0), config);
        Located { log, directory_id: directory.id }
    }

    /// Opens what lies here of a partition, in use and on its way. A copy alone, in the directory that the metadata names, is
    /// what a move left that was killed between its two renames, and so is one that goes on where the log ends, after a
    /// power loss (KAFKA-16082): it takes the log's place. Any other copy is gone on with.
    fn open_found(
        &self,
        opening: &Opening<'_>,
        found: FoundLogs<D>,
        progress: &Progress<'_>,
    ) -> Result<Option<Opened<D>>, LogError> {
        let (current, future) = match (found.current, found.future) {
            (None, None) => return Ok(None),
            (Some(current), None) => {
                return Ok(Some(Opened { current: self.open_log(opening, &current, progress)?, future: None }));
            }
            (None, Some(mut future)) => {
                future.directory.files.promote(&future.folder)?;
                tracing::info!("{} takes the place that it was moved to", opening.name);
                future.folder.name = opening.name.to_string();
                return Ok(Some(Opened { current: self.open_log(opening, &future, progress)?, future: None }));
            }
            (Some(current), Some(future)) => (current, future),
        };
        let log = self.open_log(opening, &current, progress)?;
        if current.directory.id == future.directory.id {
            self.set_stray(&future.directory, &future.folder, "the log lies in the same directory");
            return Ok(Some(Opened { current: log, future: None }));
        }
        let copy = match self.open_log(opening, &future, progress) {
            Ok(copy) => copy,
            Err(error) => {
                self.directories.note(&error);
                tracing::error!("{} cannot be moved on: {error}", opening.name);
                return Ok(Some(Opened { current: log, future: None }));
            }
        };
        let is_assigned = Some(future.directory.id) == opening.assigned;
        if !is_assigned || copy.log.log_end_offset() <= log.log.log_end_offset() {
            return Ok(Some(Opened { current: log, future: Some(copy) }));
        }
        let (from, to) = (&current.directory, &future.directory);
        log.log.take_offline();
        let gone = from.files.set_folder_aside(&current.folder, &self.unique(), FolderState::Deleted)?;
        copy.log.rename_folder(&to.files.partition_path(&opening.name))?;
        to.files.sync()?;
        self.remove_later(from, opening.image, gone);
        tracing::info!("{} takes the place that it was moved to", opening.name);
        Ok(Some(Opened { current: copy, future: None }))
    }

    fn open_log(
        &self,
        opening: &Opening<'_>,
        found: &Found<D>,
        progress: &Progress<'_>,
    ) -> Result<Located<D>, LogError> {
        let began = self.host().now().instant;
        let directory = &found.directory;
        let (recovery_point, log_start_offset) = directory.checkpointed(&opening.name);
        let shutdown = if directory.clean.is_some() { ShutdownKind::Clean } else { ShutdownKind::Unclean };
        let topic_id = Some(TopicId(opening.topic_id.0));
        let (config, now) = (Arc::clone(&opening.config), opening.now.wall);
        let options = OpenOptions { shutdown, recovery_point, log_start_offset, topic_id, config, now };
        let (log, recovery) = Log::open(directory.files.disk().clone(), &found.path(), options)?;
        progress.opened(&opening.name, began, &recovery);
        Ok(Located { log, directory_id: directory.id })
    }

    /// The directory that somebody asked for; else the one that the metadata names; else the one with the fewest logs that
    /// is not cordoned, the first of them in the configuration's order; else the first.
    fn directory_for(&self, held: &mut Held, next: &Published<D>, opening: &Opening<'_>) -> Option<&Arc<Directory<D>>> {
        let preferred = self.moves.take_preferred(&opening.name);
        if let Some(directory) =
            [preferred, opening.assigned].into_iter().flatten().find_map(|id| self.directories.with_id(id))
        {
            return Some(directory);
        }
        let cordoned: Vec<Uuid> = self.cordoned(opening.image).iter().map(|directory| directory.id).collect();
        let free = self.directories.online().filter(|directory| !cordoned.contains(&directory.id));
        free.min_by_key(|directory| held.count(directory.id, next)).or_else(|| self.directories.online().next())
    }
}
