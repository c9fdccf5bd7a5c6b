//! The broker's life in the metadata: it registers with a new incarnation, is unfenced by a heartbeat once it has caught
//! up, beats on, and at the end asks to leave. What it asks are requests to the controller, as a broker elsewhere would.

use super::step::{BrokerSession, Decided, Desk};
use super::{Node, Published, lock};
use crate::request::Now;
use ottla_machine::Disk;
use ottla_metadata::controller::BrokerState;
use ottla_metadata::features::{
    FEATURES, KRAFT_VERSION, METADATA_VERSION, METADATA_VERSION_LATEST, METADATA_VERSION_MIN,
};
use ottla_metadata::image::{Endpoint, Image};
use ottla_wire::api::{
    BrokerHeartbeatRequest, BrokerRegistrationRequest, ControllerRegistrationRequest, broker_registration_request,
    controller_registration_request,
};
use ottla_wire::{ApiError, ErrorCode, Uuid};
use std::sync::{Arc, Mutex};

/// What a request to the controller came to, once it is known.
pub(super) type Slot<T> = Arc<Mutex<Option<Result<T, ApiError>>>>;

/// What a broker wants with a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Serve,
    Stop,
}

impl<D: Disk> Node<D> {
    /// Asks for a registration of a new incarnation; the answer is the broker epoch.
    pub(super) fn register_broker(&self) -> Slot<i64> {
        self.register_incarnation(self.new_uuid())
    }

    /// A raised `metadata.version` lets nodes say more of themselves than when they registered: controllers where they
    /// listen, brokers their directories, and where their replicas lie.
    pub(super) fn register_what_is_new(&self, before: &Image, published: &Published<D>) {
        let (after, Some(_)) = (&published.image, before.metadata_version) else { return };
        let (old, new) = (before.record_versions(), after.record_versions());
        if new.has_controller_registration() && !old.has_controller_registration() {
            self.register_controller();
        }
        if new.has_directories()
            && !old.has_directories()
            && let Some(broker) = after.brokers.get(&self.id)
        {
            self.register_incarnation(broker.incarnation_id);
            for topic in after.topics.iter() {
                if let Some(hosted) = published.hosted.get(&topic.id) {
                    self.note_assignments(after, topic, hosted);
                }
            }
        }
    }

    fn register_incarnation(&self, incarnation_id: Uuid) -> Slot<i64> {
        let request = self.registration(incarnation_id);
        self.ask(move |desk| {
            let id = request.broker_id;
            let next = desk.next_offset;
            // A lone node's earlier incarnation is gone: it held the lock on the directories.
            let outcome = desk.controller.register_broker(&request, |before| next + before as i64, false)?;
            let registered_at = next + outcome.records.len() as i64 - 1;
            let session = BrokerSession { registered_at, last_contact: desk.now.instant };
            desk.sessions.insert(id, session);
            Ok((outcome.records, outcome.response))
        })
    }

    /// Tells that the broker lives, and what it wants.
    pub(super) fn beat(&self, broker_epoch: i64, wish: Wish) -> Slot<BrokerState> {
        let id = self.id;
        let published = self.published();
        let versions = published.image.record_versions();
        let cordoned = || self.cordoned(&published.image).iter().map(|directory| directory.id).collect();
        let request = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch,
            current_metadata_offset: published.offset,
            want_shut_down: wish == Wish::Stop,
            offline_log_dirs: self.directories.failed_ids(),
            cordoned_log_dirs: versions.has_cordoned_directories().then(cordoned),
            ..Default::default()
        };
        self.ask(move |desk| {
            let Some(session) = desk.sessions.get_mut(&id) else {
                return Err(ErrorCode::BrokerIdNotRegistered.into());
            };
            session.last_contact = desk.now.instant;
            let registered_at = session.registered_at;
            let outcome = desk.controller.heartbeat(&request, registered_at)?;
            if outcome.response == BrokerState::ShutdownNow {
                desk.sessions.remove(&id);
            }
            Ok((outcome.records, outcome.response))
        })
    }

    pub(super) fn register_controller(&self) -> Slot<()> {
        let listener = |e: &Endpoint| controller_registration_request::Listener {
            name: e.name.clone().into(),
            host: e.host.clone().into(),
            port: e.port,
            security_protocol: e.security_protocol,
            ..Default::default()
        };
        let feature = |(name, min, max): (&'static str, i16, i16)| controller_registration_request::Feature {
            name: name.into(),
            min_supported_version: min,
            max_supported_version: max,
            ..Default::default()
        };
        let request = ControllerRegistrationRequest {
            controller_id: self.id,
            incarnation_id: self.new_uuid(),
            listeners: self.settings().place.advertised_controllers.iter().map(listener).collect(),
            features: supported_features().map(feature).collect(),
            ..Default::default()
        };
        self.ask(move |desk| {
            if !desk.controller.image.record_versions().has_controller_registration() {
                return Ok((Vec::new(), ()));
            }
            let outcome = desk.controller.register_controller(&request)?;
            Ok((outcome.records, ()))
        })
    }

    fn registration(&self, incarnation_id: Uuid) -> BrokerRegistrationRequest<'static> {
        let place = &self.settings().place;
        let listener = |e: &Endpoint| broker_registration_request::Listener {
            name: e.name.clone().into(),
            host: e.host.clone().into(),
            port: e.port,
            security_protocol: e.security_protocol,
            ..Default::default()
        };
        let feature = |(name, min, max): (&'static str, i16, i16)| broker_registration_request::Feature {
            name: name.into(),
            min_supported_version: min,
            max_supported_version: max,
            ..Default::default()
        };
        BrokerRegistrationRequest {
            broker_id: self.id,
            cluster_id: place.cluster_id.clone().into(),
            incarnation_id,
            listeners: place.advertised.iter().map(listener).collect(),
            features: supported_features().map(feature).collect(),
            rack: place.rack.clone().map(Into::into),
            log_dirs: self.directories.ids(),
            previous_broker_epoch: self.directories.previous_broker_epoch(),
            ..Default::default()
        }
    }

    /// Gives the controller something to decide, whose answer appears in the slot.
    fn ask<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Desk<'_>) -> Result<(Vec<ottla_metadata::controller::VersionedRecord>, T), ApiError>
        + Send
        + 'static,
    ) -> Slot<T> {
        let slot: Slot<T> = Arc::default();
        let given = Arc::clone(&slot);
        self.submit(Box::new(move |desk| {
            let (records, answer) = match decide(desk) {
                Ok((records, answer)) => (records, Ok(answer)),
                Err(error) => (Vec::new(), Err(error)),
            };
            let finish = move |committed: Result<(), ErrorCode>| {
                *lock(&given) = Some(committed.map_err(ApiError::from).and(answer));
            };
            Decided { records, finish: Box::new(finish) }
        }));
        slot
    }

    pub(crate) fn new_uuid(&self) -> Uuid {
        loop {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&self.draw().to_be_bytes());
            bytes[8..].copy_from_slice(&self.draw().to_be_bytes());
            if let Some(id) = Uuid::from_random(bytes) {
                return id;
            }
        }
    }

    /// The broker's regular heartbeat. Whoever runs the node calls it every `broker.heartbeat.interval.ms`.
    pub fn heartbeat(&self) {
        let epoch = self.broker_epoch();
        if epoch >= 0 {
            self.beat(epoch, Wish::Serve);
        }
    }

    /// Of this incarnation; -1 before it is registered.
    #[must_use]
    pub fn broker_epoch(&self) -> i64 {
        self.published().image.brokers.get(&self.id).map_or(-1, |broker| broker.epoch)
    }

    /// Does what the controller was asked until this slot has its answer. For start and stop, which nobody else serves.
    pub(super) fn settle<T>(&self, slot: &Slot<T>, now: Now) -> Result<T, String> {
        loop {
            self.step_controller(now)?;
            if let Some(answer) = lock(slot).take() {
                return answer.map_err(|error| error.to_string());
            }
        }
    }
}

fn supported_features() -> impl Iterator<Item = (&'static str, i16, i16)> {
    let others = FEATURES.iter().filter(|f| f.name != KRAFT_VERSION).map(|f| (f.name, 0, f.latest));
    std::iter::once((METADATA_VERSION, METADATA_VERSION_MIN, METADATA_VERSION_LATEST))
        .chain(others)
        .chain(std::iter::once((KRAFT_VERSION, 0, 1)))
}
