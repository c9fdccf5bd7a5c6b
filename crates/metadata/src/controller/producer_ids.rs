//! Producer ids in blocks of a thousand (KIP-730).

use super::{Controller, Outcome};
use ottla_wire::api::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use ottla_wire::metadata::ProducerIdsRecord;
use ottla_wire::{ApiError, ErrorCode};

const BLOCK: i32 = 1000;

impl Controller<'_> {
    pub fn allocate_producer_ids(
        &self,
        request: &AllocateProducerIdsRequest<'_>,
    ) -> Result<Outcome<AllocateProducerIdsResponse<'static>>, ApiError> {
        match self.image.brokers.get(&request.broker_id) {
            None => return Err(ErrorCode::BrokerIdNotRegistered.into()),
            Some(broker) if broker.epoch != request.broker_epoch => return Err(ErrorCode::StaleBrokerEpoch.into()),
            Some(_) => {}
        }
        let start = self.image.next_producer_id;
        let Some(next_producer_id) = start.checked_add(BLOCK.into()) else {
            return Err(ApiError::new(ErrorCode::UnknownServerError, "Exhausted all producerIds"));
        };
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id,
            ..Default::default()
        };
        let response =
            AllocateProducerIdsResponse { producer_id_start: start, producer_id_len: BLOCK, ..Default::default() };
        Ok(Outcome { records: vec![(record.into(), 0)], response })
    }
}
