//! The start of a node, up to the moment when its listeners may open: directories, election, activation, the first
//! publication, registration, unfencing.

use super::commit::Committer;
use super::coordinators::Coordinators;
use super::directories::Directories;
use super::lifecycle::Wish;
use super::moves::Moves;
use super::quorum::Quorum;
use super::step::ControllerState;
use super::{Host, Node, NodeQuotas, Published, Settings, StartError};
use crate::request::Now;
use arc_swap::ArcSwap;
use imbl::OrdMap;
use ottla_machine::{Disk, Seed};
use ottla_metadata::controller::{BrokerState, activation_records};
use ottla_metadata::image::Image;
use ottla_replica::FetchSessions;
use ottla_security::AllowAll;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

impl<D: Disk> Node<D> {
    /// Starts a node of both roles. It serves when this comes back: open the listeners then.
    pub fn start(
        settings: Settings,
        disk: D,
        host: Arc<dyn Host>,
        mut seed: Seed,
        now: Now,
    ) -> Result<Arc<Self>, StartError> {
        let directories = Arc::new(Directories::open(&disk, &settings, Arc::clone(&host))?);
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
            untold: BTreeMap::new(),
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
        let node = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            id: settings.place.node_id,
            cluster_id: settings.place.cluster_id.as_str().into(),
            committer: Committer::new(Arc::clone(&host), Arc::clone(&directories), Arc::clone(&coordinators)),
            host,
            published: ArcSwap::from_pointee(nothing),
            directories,
            controller: Mutex::new(state),
            operations: Mutex::default(),
            sessions: Mutex::new(FetchSessions::new(settings.sessions)),
            producer_ids: Arc::default(),
            assignments: Arc::default(),
            moves: Moves::default(),
            coordinators,
            cleaners: Default::default(),
            scrub: Default::default(),
            creating: Arc::default(),
            quotas: NodeQuotas::new(settings.quotas),
            seed: Mutex::new(seed),
            settings,
        });
        let failed = StartError::Registration;
        node.sort_folders(now)?;
        node.step_controller(now).map_err(StartError::Metadata)?;
        // A recovery may have cut a log below its recovery point, which must not vouch for what is appended there.
        node.checkpoint_all();
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
}
