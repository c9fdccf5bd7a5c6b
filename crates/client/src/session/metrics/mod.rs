//! A client's metrics, under the names that Kafka's clients give them, as far as this client measures them.
//!
//! A sensor is given values, and feeds some stats; each stat has a name. Kafka's sensors and names that stand for what this
//! client does not have are not there: the loop around `select`, transactions, authentication anew, callbacks of rebalances.

pub mod consumer;
pub mod network;
pub mod producer;
pub mod stats;

use stats::{Stat, Windows};
use std::collections::BTreeMap;
use std::fmt;

/// The tags of a metric, in their order; the client's id, which all have, is not among them.
pub type Tags = Vec<(&'static str, String)>;

/// What a metric is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub group: String,
    pub name: &'static str,
    pub tags: Tags,
}

/// A stat that a sensor is to have, by its name.
type Named = (&'static str, fn(Windows) -> Stat);

/// A metric as it stands now.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub name: Name,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Whole(i64),
    Text(String),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<String> = self.tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
        write!(f, "{}:{}:{{{}}}", self.group, self.name, tags.join(", "))
    }
}

/// A handle to what values are given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sensor(usize);

/// See the module's text.
#[derive(Debug)]
pub struct Metrics {
    /// `producer` or `consumer`: what the names of groups begin with.
    prefix: &'static str,
    client_id: String,
    windows: Windows,
    started_ms: i64,
    sensors: Vec<Vec<(Name, Stat)>>,
    /// Sensors of things that come and go, by a key that is theirs alone.
    keyed: BTreeMap<String, Sensor>,
    gauges: BTreeMap<Name, Value>,
}

impl Metrics {
    /// `started_ms` is the wall clock's; other times may be any clock's, if it is always the same.
    #[must_use]
    pub fn new(prefix: &'static str, client_id: &str, windows: Windows, started_ms: i64) -> Self {
        let (sensors, keyed) = (Vec::new(), BTreeMap::new());
        Self { prefix, client_id: client_id.to_owned(), windows, started_ms, sensors, keyed, gauges: BTreeMap::new() }
    }

    /// A name within a group of this client: `metrics`, `node-metrics`.
    fn name(&self, group: &str, name: &'static str, tags: &[(&'static str, &str)]) -> Name {
        let own = ("client-id", self.client_id.clone());
        let others = tags.iter().map(|(tag, value)| (*tag, (*value).to_owned()));
        Name { group: format!("{}-{group}", self.prefix), name, tags: std::iter::once(own).chain(others).collect() }
    }

    /// A sensor of stats with names in one group.
    fn sensor(&mut self, group: &str, tags: &[(&'static str, &str)], stats: &[Named]) -> Sensor {
        let named = stats.iter().map(|(name, stat)| (self.name(group, name, tags), stat(self.windows))).collect();
        self.sensors.push(named);
        Sensor(self.sensors.len() - 1)
    }

    /// The sensor of a key, made where it is not there.
    fn keyed(&mut self, key: &str, group: &str, tags: &[(&'static str, &str)], stats: &[Named]) -> Sensor {
        if let Some(sensor) = self.keyed.get(key) {
            return *sensor;
        }
        let sensor = self.sensor(group, tags, stats);
        self.keyed.insert(key.to_owned(), sensor);
        sensor
    }

    /// Takes away the sensor of a key, and what it told.
    fn forget(&mut self, key: &str) {
        if let Some(Sensor(place)) = self.keyed.remove(key)
            && let Some(stats) = self.sensors.get_mut(place)
        {
            stats.clear();
        }
    }

    /// What is known without counting, as of now.
    fn gauge(&mut self, name: Name, value: f64) {
        self.gauges.insert(name, Value::Number(value));
    }

    pub fn record(&mut self, Sensor(place): Sensor, value: f64, now_ms: i64) {
        for (_, stat) in self.sensors.get_mut(place).into_iter().flatten() {
            stat.record(value, now_ms);
        }
    }

    /// All metrics, as they stand.
    pub fn read(&mut self, now_ms: i64) -> Vec<Metric> {
        let own = |group: &str, name, value| {
            let tags = vec![("client-id", self.client_id.clone())];
            Metric { name: Name { group: group.to_owned(), name, tags }, value }
        };
        let mut all = vec![
            own("app-info", "version", Value::Text(env!("CARGO_PKG_VERSION").to_owned())),
            // What Kafka's clients say where a build does not know its commit.
            own("app-info", "commit-id", Value::Text("unknown".to_owned())),
            own("app-info", "start-time-ms", Value::Whole(self.started_ms)),
        ];
        let count = all.len() + 1 + self.gauges.len() + self.sensors.iter().map(Vec::len).sum::<usize>();
        all.push(own("kafka-metrics-count", "count", Value::Number(count as f64)));
        all.extend(self.gauges.iter().map(|(name, value)| Metric { name: name.clone(), value: value.clone() }));
        for (name, stat) in self.sensors.iter_mut().flatten() {
            all.push(Metric { name: name.clone(), value: Value::Number(stat.measure(now_ms)) });
        }
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new("producer", "c", Windows::default(), 7)
    }

    fn value(metrics: &mut Metrics, name: &str) -> Option<Value> {
        metrics.read(0).into_iter().find(|metric| metric.name.to_string() == name).map(|metric| metric.value)
    }

    #[test]
    fn names_are_shown_as_kafkas_tools_show_them() {
        let mut metrics = metrics();
        let sensor = metrics.sensor("node-metrics", &[("node-id", "node-1")], &[("request-total", Stat::count)]);
        metrics.record(sensor, 9.0, 0);
        let name = "producer-node-metrics:request-total:{client-id=c, node-id=node-1}";
        assert_eq!(value(&mut metrics, name), Some(Value::Number(1.0)));
        assert_eq!(value(&mut metrics, "app-info:start-time-ms:{client-id=c}"), Some(Value::Whole(7)));
        assert_eq!(value(&mut metrics, "kafka-metrics-count:count:{client-id=c}"), Some(Value::Number(5.0)));
    }

    #[test]
    fn what_is_forgotten_is_not_told_and_begins_anew() {
        let mut metrics = metrics();
        let stats: &[Named] = &[("byte-total", Stat::sum)];
        let name = "producer-topic-metrics:byte-total:{client-id=c, topic=t}";
        for _ in 0..2 {
            let sensor = metrics.keyed("t.bytes", "topic-metrics", &[("topic", "t")], stats);
            metrics.record(sensor, 3.0, 0);
            assert_eq!(value(&mut metrics, name), Some(Value::Number(3.0)));
            metrics.forget("t.bytes");
            assert_eq!(value(&mut metrics, name), None);
        }
    }
}
