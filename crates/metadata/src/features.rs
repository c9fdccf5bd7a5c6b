//! Features and their levels (KIP-584), and what each `metadata.version` means for the records that are written.

/// Kafka's name for the level that decides the form of metadata records.
pub const METADATA_VERSION: &str = "metadata.version";
/// The level of dynamic quorums (KIP-853). It lives in control records, not in FeatureLevel records.
pub const KRAFT_VERSION: &str = "kraft.version";

/// One `metadata.version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataVersion {
    pub level: i16,
    pub name: &'static str,
    /// Whether the metadata's form changed with it: Kafka refuses to go back across such a level.
    pub changes_metadata: bool,
}

macro_rules! versions {
    ($($level:literal $name:literal $changes:literal)*) => {
        /// All levels in production, ascending.
        pub const METADATA_VERSIONS: &[MetadataVersion] =
            &[$(MetadataVersion { level: $level, name: $name, changes_metadata: $changes }),*];
    };
}

versions! {
    7 "3.3-IV3" true    8 "3.4-IV0" true    9 "3.5-IV0" false   10 "3.5-IV1" false  11 "3.5-IV2" true
    12 "3.6-IV0" false  13 "3.6-IV1" true   14 "3.6-IV2" true   15 "3.7-IV0" true   16 "3.7-IV1" false
    17 "3.7-IV2" true   18 "3.7-IV3" false  19 "3.7-IV4" false  20 "3.8-IV0" false  21 "3.9-IV0" false
    22 "4.0-IV0" false  23 "4.0-IV1" true   24 "4.0-IV2" false  25 "4.0-IV3" false  26 "4.1-IV0" false
    27 "4.1-IV1" false  28 "4.2-IV0" false  29 "4.2-IV1" false  30 "4.3-IV0" true   31 "4.4-IV0" false
    32 "4.4-IV1" true   33 "4.4-IV2" true
}

/// The lowest level that Kafka 4 opens.
pub const METADATA_VERSION_MIN: i16 = 7;
/// The newest level in production, which a new directory gets.
pub const METADATA_VERSION_LATEST: i16 = 33;

impl MetadataVersion {
    #[must_use]
    pub fn from_level(level: i16) -> Option<&'static Self> {
        METADATA_VERSIONS.iter().find(|v| v.level == level)
    }

    /// What Kafka says of a name that is none.
    #[must_use]
    pub fn unknown(name: &str) -> String {
        let known: Vec<_> = METADATA_VERSIONS.iter().map(|version| version.name).collect();
        format!("Unknown metadata.version '{name}'. Supported metadata.version are: {}", known.join(", "))
    }

    /// The level of a name such as `4.3-IV0`; a release such as `4.3` or `4.3.1` means the newest of its levels.
    #[must_use]
    pub fn from_name(name: &str) -> Option<&'static Self> {
        let release: Vec<&str> = name.split('.').take(2).collect();
        METADATA_VERSIONS
            .iter()
            .find(|v| v.name == name)
            .or_else(|| METADATA_VERSIONS.iter().rev().find(|v| v.name.split('-').next() == Some(&release.join("."))))
    }
}

/// A feature other than `metadata.version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    pub name: &'static str,
    /// The newest level in production; the lowest is 0.
    pub latest: i16,
    /// From which `metadata.version` on a new cluster has which level.
    defaults: &'static [(i16, i16)],
    /// What a level above 0 needs of other features.
    needs: &'static [(&'static str, i16)],
}

/// The features of Kafka 4.4, in the order in which it lists them.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: "eligible.leader.replicas.version",
        latest: 1,
        defaults: &[(26, 1)],
        needs: &[(METADATA_VERSION, 23)],
    },
    Feature { name: "group.version", latest: 1, defaults: &[(22, 1)], needs: &[] },
    Feature { name: KRAFT_VERSION, latest: 1, defaults: &[(21, 1)], needs: &[] },
    Feature { name: "share.version", latest: 2, defaults: &[(28, 1), (31, 2)], needs: &[] },
    Feature { name: "streams.version", latest: 1, defaults: &[(29, 1)], needs: &[] },
    Feature { name: "transaction.version", latest: 2, defaults: &[(24, 2)], needs: &[] },
];

impl Feature {
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FEATURES.iter().find(|f| f.name == name)
    }

    /// The levels of other features without which this feature cannot have this level. All need the lowest
    /// `metadata.version` that Kafka 4 opens, which every cluster has.
    #[must_use]
    pub fn needs(&self, level: i16) -> &'static [(&'static str, i16)] {
        if level > 0 { self.needs } else { &[] }
    }

    /// The level that a new cluster of this `metadata.version` gets.
    #[must_use]
    pub fn default_level(&self, metadata_version: i16) -> i16 {
        self.defaults.iter().rev().find(|(from, _)| metadata_version >= *from).map_or(0, |(_, level)| *level)
    }
}

/// The versions in which records are written, as the finalized `metadata.version` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordVersions {
    pub level: i16,
}

impl RecordVersions {
    #[must_use]
    pub fn register_broker(self) -> i16 {
        match self.level {
            30.. => 4,
            17.. => 3,
            8.. => 2,
            _ => 1,
        }
    }

    /// Of Partition and PartitionChange records alike.
    #[must_use]
    pub fn partition(self) -> i16 {
        match self.level {
            23.. => 2,
            17.. => 1,
            _ => 0,
        }
    }

    #[must_use]
    pub fn broker_registration_change(self) -> i16 {
        match self.level {
            30.. => 3,
            17.. => 2,
            _ => 1,
        }
    }

    /// Whether directories are assigned (KIP-858).
    #[must_use]
    pub fn has_directories(self) -> bool {
        self.level >= 17
    }

    /// Whether directories can be cordoned (KIP-1066).
    #[must_use]
    pub fn has_cordoned_directories(self) -> bool {
        self.level >= 30
    }

    /// Whether records may stand in transactions (KIP-868).
    #[must_use]
    pub fn has_transactions(self) -> bool {
        self.level >= 14
    }

    /// Whether controllers register (KIP-919).
    #[must_use]
    pub fn has_controller_registration(self) -> bool {
        self.level >= 15
    }

    /// Whether controllers can be taken out of the metadata.
    #[must_use]
    pub fn has_controller_unregistration(self) -> bool {
        self.level >= 33
    }

    /// Whether a shrinking ISR needs a new leader epoch (KAFKA-15021): a flaw of the brokers before 3.6.
    #[must_use]
    pub fn bumps_epoch_on_isr_shrink(self) -> bool {
        self.level < 12
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_levels() {
        assert_eq!(MetadataVersion::from_name("4.3").map(|v| v.level), Some(30));
        assert_eq!(MetadataVersion::from_name("4.3.1").map(|v| v.level), Some(30));
        assert_eq!(MetadataVersion::from_name("4.4-IV0").map(|v| v.level), Some(31));
        assert_eq!(MetadataVersion::from_name("2.8"), None);
        let levels: Vec<i16> = FEATURES.iter().map(|f| f.default_level(30)).collect();
        assert_eq!(levels, [1, 1, 1, 1, 1, 2]);
        assert_eq!(Feature::named("share.version").map(|f| f.default_level(33)), Some(2));
    }
}
