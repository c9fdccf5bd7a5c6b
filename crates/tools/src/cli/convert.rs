//! Values of options that several commands read in the same way.

use super::{Done, Failure, Parsed, Takes};
use ottla_client::config::Settings;
use ottla_server::config::Properties;

/// `key=value` pairs; a key without a value has an empty one.
pub(crate) fn pairs(values: &[&str]) -> Vec<(String, String)> {
    values
        .iter()
        .map(|text| text.split_once('=').unwrap_or((text, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// A file of properties, in the order of its keys.
pub(crate) fn properties_file(path: &str) -> Done<Vec<(String, String)>> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::told(format!("{path} (No such file or directory)")),
        std::io::ErrorKind::PermissionDenied => Failure::told(format!("{path} (Permission denied)")),
        _ => Failure::told(format!("{path} ({error})")),
    })?;
    let properties = Properties::parse(&bytes).map_err(|error| Failure::told(format!("{path}: {error}")))?;
    Ok(properties.iter().map(|(key, value, _)| (key.to_owned(), value.to_owned())).collect())
}

/// The settings of a client: a file if one is named by `file_option`.
pub(crate) fn settings(parsed: &Parsed, file_option: &str) -> Done<Settings> {
    let pairs = match parsed.value(file_option)? {
        Some(path) => properties_file(path)?,
        None => Vec::new(),
    };
    Ok(Settings::from_pairs(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
}

/// An option that was given wins over a setting; its default fills a gap.
pub(crate) fn merge(settings: &mut Settings, key: &str, parsed: &Parsed, option: &str) -> Done {
    let Some(value) = parsed.value(option)? else { return Ok(()) };
    match parsed.option(option).map(|option| option.takes) {
        Some(Takes::Int(_)) => drop(parsed.int(option)?),
        Some(Takes::Long(_)) => drop(parsed.long(option)?),
        _ => {}
    }
    if parsed.has(option) {
        settings.set(key, value);
    } else {
        settings.set_default(key, value);
    }
    Ok(())
}
