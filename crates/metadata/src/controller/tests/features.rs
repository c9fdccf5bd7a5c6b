//! Features raised and lowered.

use super::*;
use update_features_request::FeatureUpdateKey;

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

/// What an update of one feature says.
fn update(cluster: &mut Cluster, feature: &'static str, level: i16, kind: i8) -> Result<Option<i16>, String> {
    update_all(cluster, &[(feature, level, kind)], false)
}

fn update_all(
    cluster: &mut Cluster,
    updates: &[(&'static str, i16, i8)],
    validate_only: bool,
) -> Result<Option<i16>, String> {
    let key = |(feature, level, kind): &(&'static str, i16, i8)| FeatureUpdateKey {
        feature: (*feature).into(),
        max_version_level: *level,
        upgrade_type: *kind,
        ..Default::default()
    };
    let request = UpdateFeaturesRequest {
        feature_updates: updates.iter().map(key).collect(),
        validate_only,
        ..Default::default()
    };
    let controller = Controller { image: &cluster.image, settings: &cluster.settings };
    let outcome = controller.update_features(&request, 0).map_err(|error| {
        assert_eq!(error.code, ErrorCode::InvalidUpdateVersion);
        error.message.unwrap().into_owned()
    })?;
    Ok(cluster.decide(|_| outcome).0.kraft_version)
}

#[test]
fn the_metadata_is_raised_and_records_are_written_in_its_form() {
    let mut cluster = Cluster::new(&[("metadata.version", 20)]);
    let epoch = cluster.register(1, 1, -1);
    cluster.beat(1, epoch, false, false);
    assert_eq!(cluster.image.record_versions().partition(), 1);
    assert_eq!(update_all(&mut cluster, &[("metadata.version", 30, UPGRADE)], true), Ok(None));
    assert_eq!(cluster.image.metadata_version, Some(20));
    assert_eq!(update(&mut cluster, "metadata.version", 30, UPGRADE), Ok(None));
    assert_eq!(cluster.image.metadata_version, Some(30));
    assert_eq!(cluster.image.record_versions().partition(), 2);
    cluster.create("t", 1, 1).unwrap();
}

#[test]
fn the_metadata_goes_back_only_where_its_form_is_the_same() {
    let mut cluster = Cluster::new(&[("metadata.version", 31)]);
    let refused = update(&mut cluster, "metadata.version", 30, UPGRADE).unwrap_err();
    assert!(refused.starts_with("Invalid update version 30 for feature metadata.version. Can't downgrade the version"));
    assert_eq!(update(&mut cluster, "metadata.version", 30, SAFE_DOWNGRADE), Ok(None));
    let refused = "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested downgrade \
                   because it might delete metadata information.";
    assert_eq!(update(&mut cluster, "metadata.version", 29, SAFE_DOWNGRADE), Err(refused.to_owned()));
    let refused = update(&mut cluster, "metadata.version", 29, UNSAFE_DOWNGRADE).unwrap_err();
    assert!(refused.ends_with("Unsafe metadata downgrade is not supported in this version."));
    assert_eq!(cluster.image.metadata_version, Some(30));
}

#[test]
fn what_a_node_does_not_support_is_not_finalized() {
    let mut cluster = Cluster::new(&[("metadata.version", 33)]);
    let mut refuse = |feature, level, kind| update(&mut cluster, feature, level, kind).unwrap_err();
    assert_eq!(
        refuse("metadata.version", 99, UPGRADE),
        "Invalid update version 99 for feature metadata.version. Local controller 1 only supports versions 7-33"
    );
    assert_eq!(
        refuse("no.such", 1, UPGRADE),
        "Invalid update version 1 for feature no.such. Local controller 1 does not support this feature."
    );
    assert!(refuse("group.version", -1, UPGRADE).ends_with("A feature version cannot be less than 0."));
    assert!(refuse("group.version", 1, 9).ends_with("The controller does not support the given upgrade type."));
    assert!(refuse("group.version", 1, SAFE_DOWNGRADE).ends_with("Can't downgrade to a newer version."));
    assert!(refuse("kraft.version", 2, UPGRADE).ends_with("Local controller 1 only supports versions 0-1"));
    cluster.register(7, 7, -1);
    assert_eq!(
        update(&mut cluster, "group.version", 1, UPGRADE).unwrap_err(),
        "Invalid update version 1 for feature group.version. Broker 7 does not support this feature."
    );
}

#[test]
fn one_mistake_undoes_all() {
    let mut cluster = Cluster::new(&[("metadata.version", 22)]);
    let both = [("group.version", 1, UPGRADE), ("eligible.leader.replicas.version", 1, UPGRADE)];
    assert_eq!(
        update_all(&mut cluster, &both, false).unwrap_err(),
        "Invalid update version 1 for feature eligible.leader.replicas.version. eligible.leader.replicas.version could \
         not be set to 1 because it depends on metadata.version level 23"
    );
    assert_eq!(cluster.image.feature("group.version"), 0);
    // With what it needs, it goes.
    let all = [both[0], both[1], ("metadata.version", 23, UPGRADE)];
    assert_eq!(update_all(&mut cluster, &all, false), Ok(None));
    assert!(cluster.image.has_elr());
}

#[test]
fn eligible_leaders_come_with_one_bound_for_the_whole_cluster() {
    let mut cluster = Cluster::new(&[("metadata.version", 30)]);
    cluster.settings.min_insync_replicas = 2;
    let own = crate::image::config_record(&ConfigResource::broker(Some(1)), "min.insync.replicas", Some("3"));
    cluster.decide(|_| Outcome { records: vec![(own.into(), 0)], response: () });
    assert_eq!(update(&mut cluster, "eligible.leader.replicas.version", 1, UPGRADE), Ok(None));
    let bound = |id| cluster.image.config(&ConfigResource::broker(id), "min.insync.replicas");
    assert_eq!((bound(None), bound(Some(1))), (Some("2"), None));
    assert_eq!(update(&mut cluster, "eligible.leader.replicas.version", 0, SAFE_DOWNGRADE), Ok(None));
    assert!(!cluster.image.has_elr());
}

#[test]
fn the_quorum_writes_its_own_level() {
    let mut cluster = Cluster::new(ELR);
    assert_eq!(update(&mut cluster, "kraft.version", 1, UPGRADE), Ok(Some(1)));
    assert_eq!(update(&mut cluster, "kraft.version", 0, UPGRADE), Ok(None));
    assert_eq!(update_all(&mut cluster, &[("kraft.version", 1, UPGRADE)], true), Ok(None));
}
