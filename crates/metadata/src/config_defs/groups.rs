//! What may be set for a group: the keys' own ranges, the bounds that the broker sets, and what must fit together.

use super::resolve::Configs;
use super::{BrokerLayers, ConfigError, group};

/// `key`, the broker's lower bound, its upper bound; nothing where there is none.
const BOUNDS: [(&str, &str, &str); 15] = [
    (
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    ("consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"),
    (
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    ("share.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"),
    ("share.session.timeout.ms", "group.share.min.session.timeout.ms", "group.share.max.session.timeout.ms"),
    (
        "share.record.lock.duration.ms",
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    ("share.delivery.count.limit", "group.share.min.delivery.count.limit", "group.share.max.delivery.count.limit"),
    (
        "share.partition.max.record.locks",
        "group.share.min.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ),
    (
        "share.assignment.interval.ms",
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ),
    (
        "streams.heartbeat.interval.ms",
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    ("streams.session.timeout.ms", "group.streams.min.session.timeout.ms", "group.streams.max.session.timeout.ms"),
    ("streams.num.standby.replicas", "", "group.streams.max.standby.replicas"),
    (
        "streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
    ("streams.task.offset.interval.ms", "group.streams.min.task.offset.interval.ms", ""),
    ("streams.num.warmup.replicas", "", "group.streams.max.warmup.replicas"),
];

/// Whether `configs` may be all that is set for a group.
pub fn validate_group(configs: &Configs, layers: &BrokerLayers<'_>) -> Result<(), ConfigError> {
    let refuse = |text: String| Err(ConfigError(text));
    for name in configs.keys() {
        if group().get(name).is_none() {
            return refuse(format!("Unknown group config name: {name}"));
        }
    }
    if let Some(text) = configs.get("streams.rack.aware.assignment.tags") {
        let tags: Vec<&str> = text.trim().split(',').map(str::trim).collect();
        if (1..tags.len()).any(|n| tags[..n].contains(&tags[n])) {
            return refuse("streams.rack.aware.assignment.tags must not contain duplicate tag keys.".to_owned());
        }
    }
    for (name, text) in configs {
        if let Some(def) = group().get(name) {
            def.parse(text)?;
        }
    }
    for (name, min, max) in BOUNDS.iter().filter(|(name, _, _)| configs.contains_key(*name)) {
        let value = layers.group_value(configs, name).as_i64().unwrap_or_default();
        match (layers.value(min).as_i64(), layers.value(max).as_i64()) {
            (Some(min), Some(max)) if value < min || value > max => {
                return refuse(format!("{name} must be in the range {min} to {max} inclusive."));
            }
            (None, Some(max)) if value > max => {
                return refuse(format!("{name} must be less than or equal to {max}"));
            }
            (Some(min), None) if value < min => {
                return refuse(format!("{name} must be greater than or equal to {min}"));
            }
            _ => {}
        }
    }
    if configs.contains_key("streams.assignor.name") {
        let name = layers.group_value(configs, "streams.assignor.name");
        let registered = layers.value("group.streams.assignors");
        let registered = registered.as_list().unwrap_or_default();
        if !registered.iter().any(|known| Some(known.as_str()) == name.as_str()) {
            return refuse(format!(
                "streams.assignor.name '{name}' is not a registered task assignor. Registered assignors are: [{}].",
                registered.join(", ")
            ));
        }
    }
    for kind in ["consumer", "share", "streams"] {
        let (session, heartbeat) = (format!("{kind}.session.timeout.ms"), format!("{kind}.heartbeat.interval.ms"));
        if !configs.contains_key(&session) && !configs.contains_key(&heartbeat) {
            continue;
        }
        let value = |name: &str| layers.group_value(configs, name).as_i64();
        if value(&session) <= value(&heartbeat) {
            return refuse(format!("{session} must be greater than {heartbeat}"));
        }
    }
    let queue = layers.group_value(configs, "errors.deadletterqueue.topic.name");
    if queue.as_str().is_some_and(|name| name.starts_with("__")) {
        return refuse("errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'".to_owned());
    }
    Ok(())
}

/// What in a broker's own settings for groups contradicts itself, each with the two keys at odds.
pub fn check_group_limits(layers: &BrokerLayers<'_>) -> Vec<([String; 2], ConfigError)> {
    let mut found = Vec::new();
    let mut order = |small: &str, large: &str, blame_large: bool| {
        let (Some(low), Some(high)) = (layers.value(small).as_i64(), layers.value(large).as_i64()) else {
            return;
        };
        if low > high {
            let (key, other, how) = if blame_large { (large, small, "greater") } else { (small, large, "less") };
            let text = format!("{key} must be {how} than or equal to {other}");
            found.push(([key.to_owned(), other.to_owned()], ConfigError(text)));
        }
    };
    for (name, min, max) in BOUNDS {
        let value = format!("group.{name}");
        order(min, max, true);
        order(min, &value, true);
        order(&value, max, false);
    }
    for kind in ["consumer", "share", "streams"] {
        let heartbeat = format!("group.{kind}.heartbeat.interval.ms");
        let session = format!("group.{kind}.session.timeout.ms");
        if layers.value(&heartbeat).as_i64() >= layers.value(&session).as_i64() {
            let text = format!("{heartbeat} must be less than {session}");
            found.push(([heartbeat, session], ConfigError(text)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::broker;
    use super::*;

    fn refused(pairs: &[(&str, &str)]) -> Option<String> {
        let configs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let file = Configs::new();
        validate_group(&configs, &BrokerLayers::of_file(&file)).err().map(|error| error.0)
    }

    #[test]
    fn bounds_name_keys_that_exist() {
        for (name, min, max) in BOUNDS {
            assert!(group().get(name).is_some(), "{name}");
            assert!(broker().get(&format!("group.{name}")).is_some(), "{name}");
            for bound in [min, max] {
                assert!(bound.is_empty() || broker().get(bound).is_some(), "{bound}");
            }
        }
    }

    #[test]
    fn a_group_stays_within_the_brokers_bounds() {
        assert_eq!(refused(&[("consumer.session.timeout.ms", "50000")]), None);
        assert_eq!(
            refused(&[("consumer.session.timeout.ms", "1000")]).unwrap(),
            "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive."
        );
        assert!(refused(&[("streams.num.standby.replicas", "3")]).is_some());
        assert!(refused(&[("streams.task.offset.interval.ms", "1")]).is_some());
        assert_eq!(refused(&[("session.timeout.ms", "1")]).unwrap(), "Unknown group config name: session.timeout.ms");
    }

    #[test]
    fn what_does_not_fit_together() {
        assert!(refused(&[("streams.assignor.name", "chaotic")]).unwrap().contains("[sticky]"));
        assert_eq!(refused(&[("streams.assignor.name", "sticky")]), None);
        assert!(refused(&[("streams.rack.aware.assignment.tags", "a,b,a")]).is_some());
        assert!(refused(&[("errors.deadletterqueue.topic.name", "__dlq")]).is_some());
    }

    #[test]
    fn a_session_outlives_its_heartbeats() {
        let file = [
            ("group.share.min.session.timeout.ms".to_owned(), "5000".to_owned()),
            ("group.share.max.heartbeat.interval.ms".to_owned(), "15000".to_owned()),
        ]
        .into();
        let configs = [("share.session.timeout.ms".to_owned(), "5000".to_owned())].into();
        let error = validate_group(&configs, &BrokerLayers::of_file(&file)).unwrap_err();
        assert!(error.0.starts_with("share.session.timeout.ms"), "{error}");
    }

    #[test]
    fn a_brokers_limits_do_not_cross() {
        let limits = |pairs: &[(&str, &str)]| -> Vec<String> {
            let file = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            check_group_limits(&BrokerLayers::of_file(&file)).into_iter().map(|(_, error)| error.0).collect()
        };
        assert!(limits(&[]).is_empty());
        assert_eq!(
            limits(&[("group.consumer.session.timeout.ms", "70000")]),
            ["group.consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms"]
        );
        assert_eq!(
            limits(&[("group.streams.max.standby.replicas", "0"), ("group.streams.num.standby.replicas", "1")]),
            ["group.streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas"]
        );
        assert_eq!(
            limits(&[("group.share.min.session.timeout.ms", "1"), ("group.share.session.timeout.ms", "5000")]),
            ["group.share.heartbeat.interval.ms must be less than group.share.session.timeout.ms"]
        );
    }
}
