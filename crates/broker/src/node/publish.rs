//! From committed metadata to what this node does about it, in Kafka's order: image, logs and leaders, coordinator
//! elections; authorizer and configurations with the image, since a request reads all of them as one.

use super::step::ControllerState;
use super::topic_config::{LogConfigs, log_config, topic_config};
use super::{Authorization, Node, Published};
use crate::request::Now;
use ottla_log::directory::TopicPartition;
use ottla_machine::{Disk, PartitionIndex};
use ottla_metadata::config_defs::TopicConfig;
use ottla_metadata::image::{self, ConfigResource, ConfigResourceKind, Delta, Image, Topic};
use ottla_replica::{Leadership, Located, Partition};
use ottla_security::{self as security, AclId, AclStore, AllowAll, Authorizer, StandardAuthorizer};
use ottla_wire::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

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
        self.tell_cordoned(&next, &delta);
        self.moves_published(&next);
        self.send_assignments(&next);
    }

    /// The controller places no replica in a directory that is cordoned, so it is told at once.
    fn tell_cordoned(&self, next: &Published<D>, delta: &Delta) {
        if delta.configs.iter().any(|resource| resource.kind == ConfigResourceKind::Broker) {
            let cordoned: Vec<Uuid> = self.cordoned(&next.image).iter().map(|directory| directory.id).collect();
            let told = next.image.brokers.get(&self.id).and_then(|broker| broker.cordoned_log_dirs.as_ref());
            if told.is_some_and(|told| *told != cordoned) {
                self.heartbeat();
            }
        }
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
        // A topic can be touched by itself and by its configuration.
        touched.sort_by_key(|topic| topic.id);
        touched.dedup_by_key(|topic| topic.id);
        let mut configs = LogConfigs::default();
        let mut opened = self.open_logs(next, image, &touched, &mut configs, now);
        for topic in touched {
            let config = topic_config(image, self.settings(), &topic.name);
            let settings = configs.shared(log_config(image, &config, self.settings()));
            let mut hosted = next.hosted.get(&topic.id).map(|h| BTreeMap::clone(h)).unwrap_or_default();
            for (index, partition) in &topic.partitions {
                if !partition.replicas.contains(&self.id) {
                    continue;
                }
                let leadership = self.leadership(partition, &config);
                match hosted.get(index) {
                    Some(known) => {
                        known.with_log(|log| log.set_config(Arc::clone(&settings)));
                        if let Some(future) = known.future() {
                            future.log.set_config(Arc::clone(&settings));
                        }
                        if known.leadership() != leadership {
                            known.set_leadership(leadership);
                        }
                    }
                    None => {
                        let Some(found) = opened.remove(&(topic.id, *index)) else { continue };
                        let name = Arc::clone(&topic.name);
                        let Located { log, directory_id } = found.current;
                        let acknowledgement = self.settings().acknowledgement;
                        let made =
                            Partition::new(name, topic.id, *index, directory_id, log, acknowledgement, leadership);
                        let made = Arc::new(made);
                        if made.log().recovery_point() < made.log().log_end_offset() {
                            self.committer.found_unsynced(&made);
                        }
                        if let Some(future) = found.future {
                            made.set_future(Some(future));
                            self.moves.begin(&made);
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
            isr_size: i32::try_from(partition.isr.len()).unwrap_or(i32::MAX),
            is_leader: partition.leader == self.id,
            // A topic with fewer replicas than that could never be written to.
            min_insync_replicas: config
                .replication
                .min_insync_replicas
                .min(i32::try_from(partition.replicas.len()).unwrap_or(i32::MAX)),
        }
    }

    /// A partition whose topic is deleted: its folder is renamed at once and removed later.
    fn retire(&self, partition: &Arc<Partition<D>>, image: &Image, topic: &Topic) {
        partition.retire();
        self.cancel_move(partition);
        let Some(directory) = self.directories.with_id(partition.directory_id()) else { return };
        let name = TopicPartition { topic: Arc::clone(&topic.name), partition: PartitionIndex(partition.index) };
        self.forget_cleaned(directory, &name);
        match self.directories.noting(partition.log().delete(&directory.files, &name, &self.unique())) {
            Ok(Some(folder)) => self.remove_later(directory, image, folder),
            Ok(None) => {}
            Err(error) => tracing::error!("the folder of {name} cannot be set aside for deletion: {error}"),
        }
    }
}
