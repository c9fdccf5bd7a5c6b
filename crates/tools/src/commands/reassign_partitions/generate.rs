//! Proposes where partitions may go: as new topics are placed, on the brokers that are named.

use super::execute::{assignment, current_dirs};
use super::plan::{self, TopicPartition};
use super::wrong;
use crate::cli::{Done, say_either};
use ottla_client::Admin;
use ottla_client::shell::network::Topics;
use ottla_metadata::controller::place_replicas;
use ottla_metadata::image::Image;
use ottla_wire::metadata::RegisterBrokerRecord;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn run(admin: &Admin, file: &str, brokers: &str, with_racks: bool) -> Done {
    let ids = brokers.split(',').map(|text| text.parse().map_err(|_| wrong(format!("For input string: \"{text}\""))));
    let ids: Vec<i32> = ids.collect::<Done<_>>()?;
    let twice: Vec<String> = plan::duplicates(ids.iter()).into_iter().map(ToString::to_string).collect();
    if !twice.is_empty() {
        return Err(wrong(format!("Broker list contains duplicate entries: [{}]", twice.join(", "))));
    }
    let topics = plan::read_topics(file)?;
    let twice: Vec<&str> = plan::duplicates(topics.iter()).into_iter().map(String::as_str).collect();
    if !twice.is_empty() {
        return Err(wrong(format!("List of topics to reassign contains duplicate entries: [{}]", twice.join(", "))));
    }
    let topics: BTreeSet<&str> = topics.iter().map(String::as_str).collect();
    let mut current: BTreeMap<TopicPartition, Vec<i32>> = BTreeMap::new();
    for topic in &topics {
        current.extend(assignment(admin, topic).await?);
    }
    let dirs = current_dirs(admin, &current).await?;
    let usable = usable(admin, &ids, with_racks).await?;
    let mut seed = ottla_io::clock::seed();
    let mut proposed = BTreeMap::new();
    for topic in topics {
        let partitions: Vec<&Vec<i32>> =
            current.iter().filter(|((name, _), _)| name == topic).map(|(_, replicas)| replicas).collect();
        let factor = partitions.first().map_or(1, |replicas| i16::try_from(replicas.len()).unwrap_or(i16::MAX));
        let placed = place_replicas(&usable, &mut seed, partitions.len(), factor);
        let placed = placed.map_err(|error| wrong(error.message.unwrap_or_default()))?;
        proposed.extend((0..).zip(placed).map(|(index, replicas)| ((topic.to_owned(), index), replicas)));
    }
    let (current, proposed) = (plan::write(&current, &dirs), plan::write(&proposed, &BTreeMap::new()));
    say_either(&format!("Current partition replica assignment\n{current}\n"), || plan::object("current", &current));
    say_either(&format!("Proposed partition reassignment configuration\n{proposed}"), || {
        plan::object("proposed", &proposed)
    });
    Ok(())
}

/// The brokers that are named and there, with their racks.
async fn usable(admin: &Admin, ids: &[i32], with_racks: bool) -> Done<Image> {
    let cluster = admin.cluster("describeCluster", Topics::None).await?;
    let there: Vec<_> = cluster.nodes.values().filter(|node| ids.contains(&node.id)).collect();
    let with_rack = there.iter().filter(|node| with_racks && node.rack.is_some()).count();
    if with_rack != 0 && with_rack != there.len() {
        return Err(wrong(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment \
             without rack information.",
        ));
    }
    let mut image = Image::default();
    for node in there {
        let record = RegisterBrokerRecord {
            broker_id: node.id,
            rack: node.rack.clone().filter(|_| with_racks).map(Into::into),
            fenced: false,
            ..Default::default()
        };
        image.replay(&record.into()).map_err(wrong)?;
    }
    Ok(image)
}
