//! The start of a node, up to the moment when its listeners may open: directories, election, activation, the first
//! publication, registration, unfencing.

use super::commit::Committer;
use super::coordinators::Coordinators;
use super::directories::Directories;
use super::lifecycle::Wish;
use super::quorum::Quorum;
use super::step::ControllerState;
use super::{Host, Node, NodeQuotas, Published, Settings, StartError};
use crate::request::Now;
use arc_swap::ArcSwap;
use imbl::OrdMap;
use ottla_log::directory::FolderState;
use ottla_machine::{Disk, Seed};
use ottla_metadata::controller::{BrokerState, activation_records};
use ottla_metadata::image::Image;
use ottla_replica::FetchSessions;
use ottla_security::AllowAll;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

impl<D: Disk> Node<D> {
    /// Starts a node of both roles. It serves when this comes back: open the listeners then.
    pub fn start(
        settings: Settings,
        disk: D,
        host: Arc<dyn Host>,
        mut seed: Seed,
        now: Now,
    ) -> Result<Arc<Self>, StartError> {
        let directories = Directories::open(&disk, &settings)?;
        let (mut quorum, bootstrap) = Quorum::start(disk, &settings, now.wall)?;
        let bootstrap = bootstrap.records()?;
        let records = activation_records(&quorum.loader, &bootstrap, settings.controller.min_insync_replicas);
        quorum.append(&records, now.wall).map_err(|error| StartError::Metadata(error.to_string()))?;
        let state = ControllerState {
            quorum,
            sessions: BTreeMap::new(),
            seed: Seed(seed.draw()),
            snapshot_not_before: None,
            failed: None,
        };
        let nothing = Published {
            offset: -1,
            leader_epoch: -1,
            image: Image::default(),
            kraft_version: 0,
            authorizer: Arc::new(AllowAll),
            hosted: OrdMap::new(),
        };
        let coordinators = Arc::new(Coordinators::new(&settings));
        let node = Arc::new(Self {
            id: settings.place.node_id,
            cluster_id: settings.place.cluster_id.as_str().into(),
            committer: Committer::new(Arc::clone(&host), Arc::clone(&coordinators)),
            host,
            published: ArcSwap::from_pointee(nothing),
            directories,
            controller: Mutex::new(state),
            operations: Mutex::default(),
            sessions: Mutex::new(FetchSessions::new(settings.sessions)),
            producer_ids: Arc::default(),
            assignments: Arc::default(),
            coordinators,
            cleaners: Default::default(),
            scrub: Default::default(),
            creating: Arc::default(),
            quotas: NodeQuotas::new(settings.quotas),
            seed: Mutex::new(seed),
            settings,
        });
        let failed = StartError::Registration;
        node.step_controller(now).map_err(StartError::Metadata)?;
        // A recovery may have cut a log below its recovery point, which must not vouch for what is appended there.
        node.checkpoint_all();
        node.set_aside_strays();
        let slot = node.register_controller();
        node.settle(&slot, now).map_err(failed)?;
        let slot = node.register_broker();
        let epoch = node.settle(&slot, now).map_err(failed)?;
        let slot = node.beat(epoch, Wish::Serve);
        match node.settle(&slot, now).map_err(failed)? {
            BrokerState::Unfenced => {
                node.begin_assignments();
                Ok(node)
            }
            state => Err(StartError::Registration(format!("the controller keeps it {state:?}"))),
        }
    }

    /// Folders that the metadata, read to its end, does not know are set aside; those that a deletion left are removed.
    fn set_aside_strays(&self) {
        let published = self.published();
        for directory in &self.directories.all {
            for folder in &directory.folders {
                let name = &folder.partition;
                match folder.state {
                    FolderState::Deleted => self.remove_later(directory, &published.image, folder.clone()),
                    FolderState::Current if &*name.topic != "__cluster_metadata" => {
                        let hosted = published.image.topics.partition(&name.topic, name.partition.0);
                        if hosted.is_some_and(|partition| partition.replicas.contains(&self.id)) {
                            continue;
                        }
                        let unique = format!("{:016x}{:016x}", self.draw(), self.draw());
                        match directory.files.mark_stray(name, &unique) {
                            Ok(Some(stray)) => {
                                tracing::warn!("{name} is not in the metadata; its folder is kept as {}", stray.name);
                            }
                            Ok(None) => {}
                            Err(error) => tracing::error!("the stray folder of {name} cannot be set aside: {error}"),
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
