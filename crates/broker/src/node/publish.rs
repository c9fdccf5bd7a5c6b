//! From committed metadata to what this node does about it, in Kafka's order: image, logs and leaders, coordinator
//! elections; authorizer and configurations with the image, since a request reads all of them as one.

use super::directories::Directory;
use super::recovery::Progress;
use super::step::ControllerState;
use super::topic_config::{log_config, topic_config};
use super::{Authorization, Node, Published, Work};
use crate::request::Now;
use ottla_log::directory::TopicPartition;
use ottla_log::{Log, LogConfig, OpenOptions, ShutdownKind, TopicId};
use ottla_machine::{Disk, PartitionIndex};
use ottla_metadata::config_defs::TopicConfig;
use ottla_metadata::image::{self, ConfigResource, ConfigResourceKind, Delta, Image, Topic};
use ottla_replica::{Leadership, Partition};
use ottla_security::{self as security, AclId, AclStore, AllowAll, Authorizer, StandardAuthorizer};
use ottla_wire::Uuid;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A log that lies on disk.
#[derive(Clone)]
struct Found {
    name: TopicPartition,
    topic_id: Uuid,
    config: Arc<LogConfig>,
}

impl<D: Disk> Node<D> {
    /// Publishes what was committed, unless a transaction is under way.
    pub(super) fn publish(&self, state: &mut ControllerState<D>, now: Now) {
        let Some((image, delta)) = state.quorum.loader.publish() else { return };
        let offset = state.quorum.end_offset() - 1;
        let before = self.published.load_full();
        if before.offset == offset && delta.is_empty() {
            return;
        }
        let mut next = Published::clone(&before);
        next.offset = offset;
        next.leader_epoch = state.quorum.epoch;
        next.kraft_version = state.quorum.kraft_version;
        if delta.acls || before.offset < 0 {
            next.authorizer = self.authorizer(&image);
        }
        if delta.quotas || before.offset < 0 {
            self.quotas.set(&image.quotas);
        }
        if before.offset < 0 || delta.configs.iter().any(|resource| resource.kind == ConfigResourceKind::Broker) {
            let set = |name: String| {
                let resource = ConfigResource { kind: ConfigResourceKind::Broker, name };
                image.configs.get(&resource).cloned().unwrap_or_default()
            };
            self.host().broker_configs_changed(&set(self.id.to_string()), &set(String::new()));
        }
        let retired = self.retire_partitions(&mut next, &delta);
        self.host_partitions(&mut next, &image, &delta, now);
        next.image = image;
        let next = Arc::new(next);
        self.published.store(Arc::clone(&next));
        retired.iter().for_each(|partition| partition.wake_waiting());
        self.after_publication(&next, &delta, now);
        self.register_what_is_new(&before.image, &next);
        self.send_assignments(&next);
    }

    fn authorizer(&self, image: &Image) -> Arc<dyn Authorizer> {
        match &self.settings().place.authorization {
            Authorization::None => Arc::new(AllowAll),
            Authorization::Standard { super_users, no_acl_found } => {
                let mut store = AclStore::new();
                for (id, acl) in &image.acls {
                    if let Err(error) = store.add(AclId(id.0), security::Acl::from(&**acl)) {
                        tracing::warn!("the ACL {id} is passed over: {error}");
                    }
                }
                Arc::new(StandardAuthorizer::new(super_users.clone(), *no_acl_found).with_acls(store))
            }
        }
    }

    /// Lets go of what is gone. Those who wait for it are to look again once the rest is published.
    fn retire_partitions(&self, next: &mut Published<D>, delta: &Delta) -> Vec<Arc<Partition<D>>> {
        let mut retired = Vec::new();
        for (id, topic) in &delta.removed_topics {
            for partition in next.hosted.remove(id).iter().flat_map(|gone| gone.values()) {
                self.retire(partition, &next.image, topic);
                retired.push(Arc::clone(partition));
            }
        }
        retired
    }

    /// Opens and makes the logs that this node is to have, and tells partitions who leads.
    fn host_partitions(&self, next: &mut Published<D>, image: &Image, delta: &Delta, now: Now) {
        // A configuration of the cluster or of this broker may hold for every topic.
        let all_configs = delta.configs.iter().any(|r| r.kind == ConfigResourceKind::Broker);
        let mut touched: Vec<&Arc<Topic>> = delta.topics.iter().filter_map(|id| image.topics.with_id(*id)).collect();
        match all_configs {
            true => touched = image.topics.iter().collect(),
            false => touched.extend(
                delta
                    .configs
                    .iter()
                    .filter(|r| r.kind == ConfigResourceKind::Topic)
                    .filter_map(|r| image.topics.named(&r.name)),
            ),
        }
        let mut opened = self.open_logs(next, image, &touched, now);
        for topic in touched {
            let config = topic_config(image, self.settings(), &topic.name);
            let settings = Arc::new(log_config(image, &config, self.settings()));
            let mut hosted = next.hosted.get(&topic.id).map(|h| BTreeMap::clone(h)).unwrap_or_default();
            for (index, partition) in &topic.partitions {
                if !partition.replicas.contains(&self.id) {
                    continue;
                }
                let leadership = self.leadership(partition, &config);
                match hosted.get(index) {
                    Some(known) => {
                        known.log.set_config(Arc::clone(&settings));
                        if *known.leadership() != leadership {
                            known.set_leadership(leadership);
                        }
                    }
                    None => {
                        let Some((log, directory_id)) = opened.remove(&(topic.id, *index)) else { continue };
                        let name = Arc::clone(&topic.name);
                        let acknowledgement = self.settings().acknowledgement;
                        let made =
                            Partition::new(name, topic.id, *index, directory_id, log, acknowledgement, leadership);
                        let made = Arc::new(made);
                        if made.log.recovery_point() < made.log.log_end_offset() {
                            self.committer.found_unsynced(&made);
                        }
                        hosted.insert(*index, made);
                    }
                }
            }
            self.note_assignments(image, topic, &hosted);
            next.hosted.insert(topic.id, Arc::new(hosted));
        }
    }

    fn leadership(&self, partition: &image::Partition, config: &TopicConfig) -> Leadership {
        Leadership {
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            isr: partition.isr.clone(),
            replicas: partition.replicas.clone(),
            is_leader: partition.leader == self.id,
            // A topic with fewer replicas than that could never be written to.
            min_insync_replicas: config
                .replication
                .min_insync_replicas
                .min(i32::try_from(partition.replicas.len()).unwrap_or(i32::MAX)),
        }
    }

    /// The logs of partitions that this node hosts from now on: those found on disk are opened, several at once; the
    /// others begin empty and cost the disk nothing yet.
    fn open_logs(
        &self,
        next: &Published<D>,
        image: &Image,
        touched: &[&Arc<Topic>],
        now: Now,
    ) -> BTreeMap<(Uuid, i32), (Log<D>, Uuid)> {
        let opened = Mutex::new(BTreeMap::new());
        let mut held: BTreeMap<Uuid, usize> = BTreeMap::new();
        for partition in next.all_hosted() {
            *held.entry(partition.directory_id).or_default() += 1;
        }
        let mut found: BTreeMap<Uuid, Vec<Found>> = BTreeMap::new();
        for topic in touched {
            let config = topic_config(image, self.settings(), &topic.name);
            let config = Arc::new(log_config(image, &config, self.settings()));
            for (index, partition) in &topic.partitions {
                if !partition.replicas.contains(&self.id) || next.partition(topic.id, *index).is_some() {
                    continue;
                }
                let name = TopicPartition { topic: Arc::clone(&topic.name), partition: PartitionIndex(*index) };
                let key = (topic.id, *index);
                if let Some(directory) = self.directories.holding(&name) {
                    let config = Arc::clone(&config);
                    found.entry(directory.id).or_default().push(Found { name, topic_id: topic.id, config });
                } else if let Some(directory) = self.directory_for(&held, partition.directory_of(self.id)) {
                    *held.entry(directory.id).or_default() += 1;
                    let path = directory.files.partition_path(&name);
                    let log =
                        Log::create(directory.files.disk().clone(), &path, TopicId(topic.id.0), Arc::clone(&config));
                    super::lock(&opened).insert(key, (log, directory.id));
                }
            }
        }
        let directories = self.directories.all.iter();
        let groups = directories.filter_map(|directory| Some((directory, found.remove(&directory.id)?)));
        let groups: Vec<_> = groups
            .map(|(directory, logs)| (directory, Progress::begin(&**self.host(), directory, logs.len()), logs))
            .collect();
        let opened_now = &opened;
        let work = groups.iter().map(|(directory, progress, logs)| {
            let open = move |log: &'_ Found| -> Work<'_> {
                let log = log.clone();
                Box::new(move || {
                    let key = (log.topic_id, log.name.partition.0);
                    if let Some(log) = self.open_log(directory, progress, log, now) {
                        super::lock(opened_now).insert(key, (log, directory.id));
                    }
                })
            };
            logs.iter().map(open).collect()
        });
        self.host().run_all(work.collect());
        drop(groups);
        opened.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_log(&self, directory: &Directory<D>, progress: &Progress<'_>, found: Found, now: Now) -> Option<Log<D>> {
        let Found { name, topic_id, config } = found;
        let began = self.host().now().instant;
        let (recovery_point, log_start_offset) = directory.checkpointed(&name);
        let shutdown = if directory.clean.is_some() { ShutdownKind::Clean } else { ShutdownKind::Unclean };
        let topic_id = Some(TopicId(topic_id.0));
        let options = OpenOptions { shutdown, recovery_point, log_start_offset, topic_id, config, now: now.wall };
        let path = directory.files.partition_path(&name);
        match Log::open(directory.files.disk().clone(), &path, options) {
            Ok((log, recovery)) => {
                progress.opened(&name, began, &recovery);
                Some(log)
            }
            Err(error) => {
                tracing::error!("partition {name} stays offline: {error}");
                progress.failed();
                None
            }
        }
    }

    /// The directory that the metadata names; else the one with the fewest partitions. `held` counts those of each
    /// directory, with those that this round has placed.
    fn directory_for(&self, held: &BTreeMap<Uuid, usize>, named: Option<Uuid>) -> Option<&Arc<Directory<D>>> {
        if let Some(directory) = named.and_then(|id| self.directories.with_id(id)) {
            return Some(directory);
        }
        self.directories.all.iter().min_by_key(|directory| held.get(&directory.id).copied().unwrap_or(0))
    }

    /// A partition whose topic is deleted: its folder is renamed at once and removed later.
    fn retire(&self, partition: &Arc<Partition<D>>, image: &Image, topic: &Topic) {
        partition.retire();
        let Some(directory) = self.directories.with_id(partition.directory_id) else { return };
        let name = TopicPartition { topic: Arc::clone(&topic.name), partition: PartitionIndex(partition.index) };
        self.forget_cleaned(directory, &name);
        let unique = format!("{:016x}{:016x}", self.draw(), self.draw());
        match partition.log.delete(&directory.files, &name, &unique) {
            Ok(Some(folder)) => self.remove_later(directory, image, folder),
            Ok(None) => {}
            Err(error) => tracing::error!("the folder of {name} cannot be set aside for deletion: {error}"),
        }
    }
}
