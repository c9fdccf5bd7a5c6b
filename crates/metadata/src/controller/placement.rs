//! Where replicas go: striped over racks and then over the brokers of each, starting at a random place; leaders on
//! brokers that are not fenced; fenced brokers only when the others are used up.

use crate::image::Image;
use ottla_machine::Seed;
use ottla_wire::{ApiError, ErrorCode};
use std::collections::BTreeMap;

struct Rack {
    unfenced: Vec<i32>,
    fenced: Vec<i32>,
    start: usize,
}

/// The replicas of `partitions` new partitions, `replication_factor` each.
pub fn place(
    image: &Image,
    seed: &mut Seed,
    partitions: usize,
    replication_factor: i16,
) -> Result<Vec<Vec<i32>>, ApiError> {
    let refuse = |message: String| Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message));
    let mut racks: BTreeMap<Option<&str>, Rack> = BTreeMap::new();
    for broker in image.brokers.values() {
        // A broker whose directories are all cordoned takes no new replicas (KIP-1066).
        let cordoned = broker.cordoned_log_dirs.as_deref().unwrap_or_default();
        if !cordoned.is_empty() && broker.log_dirs.iter().all(|dir| cordoned.contains(dir)) {
            continue;
        }
        let empty = Rack { unfenced: Vec::new(), fenced: Vec::new(), start: 0 };
        let rack = racks.entry(broker.rack.as_deref()).or_insert(empty);
        if broker.fenced { rack.fenced.push(broker.id) } else { rack.unfenced.push(broker.id) }
    }
    let mut racks: Vec<Rack> = racks.into_values().collect();
    let unfenced: usize = racks.iter().map(|r| r.unfenced.len()).sum();
    let total: usize = unfenced + racks.iter().map(|r| r.fenced.len()).sum::<usize>();
    let replicas = usize::try_from(replication_factor).unwrap_or(0);
    if replicas == 0 {
        return refuse(format!(
            "Invalid replication factor {replication_factor}: the replication factor must be positive."
        ));
    }
    if unfenced == 0 {
        return refuse("All brokers are currently fenced, or have all their log directories cordoned.".to_owned());
    }
    if replicas > total {
        return refuse(format!(
            "The target replication factor of {replication_factor} cannot be reached because only {total} broker(s) \
             are registered or some brokers have all their log directories cordoned."
        ));
    }
    shuffle(&mut racks, seed);
    let mut placed = Vec::with_capacity(partitions.min(1024));
    for partition in 0..partitions {
        // After as many partitions as there are brokers the stripes would repeat.
        if partition % unfenced.max(1) == 0 && partition > 0 && unfenced > 1 {
            shuffle(&mut racks, seed);
        }
        placed.push(stripe(&racks, partition, replicas));
    }
    Ok(placed)
}

fn shuffle(racks: &mut [Rack], seed: &mut Seed) {
    permute(racks, seed);
    for rack in racks {
        permute(&mut rack.unfenced, seed);
        permute(&mut rack.fenced, seed);
        rack.start = seed.below(rack.unfenced.len().max(1) as u64) as usize;
    }
}

fn permute<T>(items: &mut [T], seed: &mut Seed) {
    for end in (1..items.len()).rev() {
        items.swap(end, seed.below(end as u64 + 1) as usize);
    }
}

/// One partition's replicas: its leader from the first rack at or after its place that has an unfenced broker, then
/// one broker of each rack in turn.
fn stripe(racks: &[Rack], partition: usize, count: usize) -> Vec<i32> {
    let order: Vec<Vec<i32>> = racks
        .iter()
        .map(|rack| {
            let at = rack.start + partition;
            let turn = |ids: &[i32]| -> Vec<i32> { (0..ids.len()).map(|i| ids[(at + i) % ids.len()]).collect() };
            [turn(&rack.unfenced), turn(&rack.fenced)].concat()
        })
        .collect();
    let ring = |i: usize| (partition + i) % racks.len();
    let first = (0..racks.len()).map(ring).find(|r| !racks[*r].unfenced.is_empty()).unwrap_or(0);
    let mut used = vec![0; racks.len()];
    let mut replicas = vec![order[first][0]];
    used[first] = 1;
    let mut step = 0;
    // The leader's rack has had its turn in the first round.
    let mut skip_first = true;
    while replicas.len() < count {
        let rack = ring(step);
        step += 1;
        if rack == first && skip_first {
            skip_first = false;
            continue;
        }
        if let Some(id) = order[rack].get(used[rack]) {
            used[rack] += 1;
            replicas.push(*id);
        }
    }
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::metadata::RegisterBrokerRecord;

    fn cluster(brokers: &[(i32, Option<&'static str>, bool)]) -> Image {
        let mut image = Image::default();
        for (id, rack, fenced) in brokers {
            let record = RegisterBrokerRecord {
                broker_id: *id,
                rack: rack.map(Into::into),
                fenced: *fenced,
                ..Default::default()
            };
            image.replay(&record.into()).unwrap();
        }
        image
    }

    #[test]
    fn replicas_lie_on_different_racks_and_leaders_on_unfenced_brokers() {
        let image = cluster(&[
            (1, Some("a"), false),
            (2, Some("a"), true),
            (3, Some("b"), false),
            (4, Some("b"), false),
            (5, Some("c"), true),
        ]);
        let rack = |id: i32| image.brokers[&id].rack.clone();
        for seed in 0..50 {
            let placed = place(&image, &mut Seed(seed), 20, 3).unwrap();
            for replicas in &placed {
                assert!(!image.brokers[&replicas[0]].fenced);
                let mut racks: Vec<_> = replicas.iter().map(|id| rack(*id)).collect();
                racks.sort();
                racks.dedup();
                assert_eq!(racks.len(), 3, "{replicas:?}");
            }
            let all = place(&image, &mut Seed(seed), 1, 5).unwrap();
            let mut ids = all[0].clone();
            ids.sort_unstable();
            assert_eq!(ids, [1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn leaders_are_spread_evenly() {
        let image = cluster(&[(1, None, false), (2, None, false), (3, None, false)]);
        let placed = place(&image, &mut Seed(7), 30, 2).unwrap();
        for id in 1..=3 {
            assert_eq!(placed.iter().filter(|replicas| replicas[0] == id).count(), 10);
        }
    }

    #[test]
    fn too_few_brokers_are_said_as_kafka_says_it() {
        let error = place(&cluster(&[(1, None, false)]), &mut Seed(1), 1, 3).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidReplicationFactor);
        assert!(
            error.message.unwrap().starts_with("The target replication factor of 3 cannot be reached because only 1")
        );
        let error = place(&cluster(&[(1, None, true)]), &mut Seed(1), 1, 1).unwrap_err();
        assert!(error.message.unwrap().starts_with("All brokers are currently fenced"));
    }
}
