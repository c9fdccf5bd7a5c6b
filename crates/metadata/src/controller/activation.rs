//! What a controller writes when it becomes active: an empty log gets the bootstrap records, a transaction that was
//! left open is aborted.

use crate::features::{METADATA_VERSION, RecordVersions};
use crate::image::{ConfigResource, Loader, config_record};
use ottla_wire::metadata::{AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, MetadataRecord};

/// The records of activation. `bootstrap` is what formatting left for the first controller; it is used only while the
/// metadata has no `metadata.version`.
#[must_use]
pub fn activation_records<'a>(
    loader: &Loader,
    bootstrap: &[(MetadataRecord<'a>, i16)],
    min_insync_replicas: i32,
) -> Vec<(MetadataRecord<'a>, i16)> {
    let mut records: Vec<(MetadataRecord<'a>, i16)> = Vec::new();
    if loader.in_transaction() {
        let reason = Some("Controller failover".into());
        records.push((AbortTransactionRecord { reason, ..Default::default() }.into(), 0));
    }
    // The level may stand in the transaction that is aborted now.
    let has_version = loader.image().metadata_version.is_some() && !loader.in_transaction();
    if has_version || loader.in_transaction() && published_version(loader) {
        return records;
    }
    let level = |name: &str| {
        bootstrap.iter().find_map(|(record, _)| match record {
            MetadataRecord::FeatureLevel(feature) if feature.name == name => Some(feature.feature_level),
            _ => None,
        })
    };
    let versions = RecordVersions { level: level(METADATA_VERSION).unwrap_or(0) };
    if versions.has_transactions() {
        let name = Some("Bootstrap records".into());
        records.push((BeginTransactionRecord { name, ..Default::default() }.into(), 0));
    }
    records.extend_from_slice(bootstrap);
    if level("eligible.leader.replicas.version").is_some_and(|level| level > 0) {
        let default = min_insync_replicas.to_string();
        let record = config_record(&ConfigResource::broker(None), "min.insync.replicas", Some(&default));
        records.push((record.into(), 0));
    }
    if versions.has_transactions() {
        records.push((EndTransactionRecord::default().into(), 0));
    }
    records
}

fn published_version(loader: &Loader) -> bool {
    let mut aborted = loader.clone();
    let abort = MetadataRecord::AbortTransaction(AbortTransactionRecord::default());
    aborted.replay(&abort).is_ok() && aborted.image().metadata_version.is_some()
}
