//! The answer to a request whose records did not get into the metadata log: everything that it asked for fails with the
//! same error. Nothing was changed, so it may be asked again.

use super::{Response, owned};
use crate::request::{Context, FrameError};
use ottla_wire::api::alter_configs_response::AlterConfigsResourceResponse;
use ottla_wire::api::create_acls_response::AclCreationResult;
use ottla_wire::api::create_partitions_response::CreatePartitionsTopicResult;
use ottla_wire::api::create_topics_response::CreatableTopicResult;
use ottla_wire::api::delete_acls_response::DeleteAclsFilterResult;
use ottla_wire::api::delete_topics_response::DeletableTopicResult;
use ottla_wire::api::incremental_alter_configs_response as incremental;
use ottla_wire::api::{
    AlterConfigsRequest, AlterConfigsResponse, CreateAclsRequest, CreateAclsResponse, CreatePartitionsRequest,
    CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use ottla_wire::{ApiKey, ErrorCode, Reader, Uuid};

/// `body` is the request's frame behind its header.
pub(crate) fn refuse(context: &Context, body: &[u8], error: ErrorCode) -> Result<Response, FrameError> {
    let mut reader = Reader::new(body);
    let error_code = error.code();
    Ok(match context.key {
        ApiKey::CreateTopics => {
            let request: CreateTopicsRequest<'_> = context.body(&mut reader)?;
            let result = |name: &str| CreatableTopicResult { name: owned(name), error_code, ..Default::default() };
            let topics = request.topics.iter().map(|topic| result(&topic.name)).collect();
            Box::new(CreateTopicsResponse { topics, ..Default::default() })
        }
        ApiKey::DeleteTopics => {
            let request: DeleteTopicsRequest<'_> = context.body(&mut reader)?;
            let result = |name: Option<&str>, topic_id: Uuid| DeletableTopicResult {
                name: name.map(owned),
                topic_id,
                error_code,
                ..Default::default()
            };
            let named = request.topic_names.iter().map(|name| result(Some(name), Uuid::ZERO));
            let either = request.topics.iter().map(|topic| result(topic.name.as_deref(), topic.topic_id));
            Box::new(DeleteTopicsResponse { responses: named.chain(either).collect(), ..Default::default() })
        }
        ApiKey::CreatePartitions => {
            let request: CreatePartitionsRequest<'_> = context.body(&mut reader)?;
            let result =
                |name: &str| CreatePartitionsTopicResult { name: owned(name), error_code, ..Default::default() };
            let results = request.topics.iter().map(|topic| result(&topic.name)).collect();
            Box::new(CreatePartitionsResponse { results, ..Default::default() })
        }
        ApiKey::AlterConfigs => {
            let request: AlterConfigsRequest<'_> = context.body(&mut reader)?;
            let results = request.resources.iter().map(|resource| AlterConfigsResourceResponse {
                error_code,
                resource_type: resource.resource_type,
                resource_name: owned(&resource.resource_name),
                ..Default::default()
            });
            Box::new(AlterConfigsResponse { responses: results.collect(), ..Default::default() })
        }
        ApiKey::IncrementalAlterConfigs => {
            let request: IncrementalAlterConfigsRequest<'_> = context.body(&mut reader)?;
            let results = request.resources.iter().map(|resource| incremental::AlterConfigsResourceResponse {
                error_code,
                resource_type: resource.resource_type,
                resource_name: owned(&resource.resource_name),
                ..Default::default()
            });
            Box::new(IncrementalAlterConfigsResponse { responses: results.collect(), ..Default::default() })
        }
        ApiKey::CreateAcls => {
            let request: CreateAclsRequest<'_> = context.body(&mut reader)?;
            let result = || AclCreationResult { error_code, ..Default::default() };
            let results = request.creations.iter().map(|_| result()).collect();
            Box::new(CreateAclsResponse { results, ..Default::default() })
        }
        ApiKey::DeleteAcls => {
            let request: DeleteAclsRequest<'_> = context.body(&mut reader)?;
            let result = || DeleteAclsFilterResult { error_code, ..Default::default() };
            let filter_results = request.filters.iter().map(|_| result()).collect();
            Box::new(DeleteAclsResponse { filter_results, ..Default::default() })
        }
        ApiKey::ElectLeaders => {
            super::elect_leaders::refusal(&context.body(&mut reader)?, context.version, &error.into())
        }
        ApiKey::AlterPartitionReassignments => super::reassignments::refusal(&context.body(&mut reader)?, error),
        ApiKey::ListPartitionReassignments => super::reassignments::list_refusal(&context.body(&mut reader)?, error),
        ApiKey::AlterClientQuotas => super::client_quotas::refusal(&context.body(&mut reader)?, error),
        ApiKey::AlterUserScramCredentials => super::scram::refusal(&context.body(&mut reader)?, error),
        ApiKey::UpdateFeatures => super::update_features::refusal(error.into()),
        ApiKey::UnregisterBroker => super::unregister::broker_refusal(error.into()),
        ApiKey::UnregisterController => super::unregister::controller_refusal(error.into()),
        ApiKey::AddRaftVoter => super::raft_voters::add_refusal(error.into()),
        ApiKey::RemoveRaftVoter => super::raft_voters::remove_refusal(error.into()),
        ApiKey::AssignReplicasToDirs => super::assign_replicas_to_dirs::refusal(error),
        key => return Err(FrameError::Unsupported { key: key as i16, version: context.version }),
    })
}
