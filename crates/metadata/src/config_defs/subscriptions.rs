//! What may be set for a client metrics subscription (KIP-714).
//!
//! Patterns are checked for what they look at, not compiled: there is no telemetry receiver yet that would match them.

use super::resolve::Configs;
use super::{ConfigError, client_metrics};

/// What a pattern may look at.
const MATCH_NAMES: [&str; 6] = [
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Kafka answers these with two different codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// INVALID_REQUEST
    #[error("{0}")]
    InvalidRequest(String),
    /// INVALID_CONFIG
    #[error(transparent)]
    InvalidConfig(#[from] ConfigError),
}

/// Whether `configs` may be all that is set for a subscription of this name.
pub fn validate_client_metrics(subscription: &str, configs: &Configs) -> Result<(), SubscriptionError> {
    let refuse = |text: String| Err(SubscriptionError::InvalidRequest(text));
    if subscription.is_empty() {
        return refuse("Subscription name can't be empty".to_owned());
    }
    if let Some(name) = configs.keys().find(|name| client_metrics().get(name).is_none()) {
        return refuse(format!("Unknown client metrics configuration: {name}"));
    }
    for (name, text) in configs {
        let Some(def) = client_metrics().get(name) else { continue };
        let value = def.parse(text)?;
        match (def.name, value.as_i32(), value.as_list()) {
            ("interval.ms", Some(ms), _) if !(100..=3_600_000).contains(&ms) => {
                return refuse(format!(
                    "Invalid value {ms} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
                ));
            }
            ("match", _, Some(patterns)) => {
                if let Some(bad) = patterns.iter().find(|pattern| !is_pattern(pattern)) {
                    return Err(ConfigError(format!("Illegal client matching pattern: {bad}")).into());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_pattern(text: &str) -> bool {
    let looks_at = |name: &str| MATCH_NAMES.contains(&name.trim());
    text.split_once('=').is_some_and(|(name, value)| looks_at(name) && !value.is_empty() && !value.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(key: &str, value: &str) -> Option<SubscriptionError> {
        validate_client_metrics("s", &Configs::from([(key.to_owned(), value.to_owned())])).err()
    }

    #[test]
    fn subscriptions_have_an_interval_and_patterns() {
        assert_eq!(refused("interval.ms", "100"), None);
        assert_eq!(refused("match", "client_id=a.*,client_source_port=9"), None);
        assert!(matches!(refused("interval.ms", "99"), Some(SubscriptionError::InvalidRequest(_))));
        assert!(matches!(refused("interval.ms", "a"), Some(SubscriptionError::InvalidConfig(_))));
        for pattern in ["client=a", "client_id", "client_id=", "client_id=a=b"] {
            assert!(matches!(refused("match", pattern), Some(SubscriptionError::InvalidConfig(_))), "{pattern}");
        }
        assert_eq!(
            refused("interval", "1").map(|error| error.to_string()).as_deref(),
            Some("Unknown client metrics configuration: interval")
        );
        assert!(validate_client_metrics("", &Configs::new()).is_err());
    }
}
