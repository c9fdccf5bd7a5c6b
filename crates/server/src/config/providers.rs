//! `config.providers`: values that lie elsewhere (KIP-297, KIP-421). A `${name:path:key}` or `${name:key}` in a value is
//! replaced by what the provider of that name finds: Kafka's own three, which read properties files, directories of
//! files, and environment variables. What a provider lacks stays as it is written, as in Kafka.

use super::mistakes::Remark;
use super::properties::{Origin, Properties};
use regex_lite::Regex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where values come from.
enum Provider {
    Environment { allowed: Regex },
    File { allowed: Vec<PathBuf> },
    Directory { allowed: Vec<PathBuf> },
}

const PACKAGE: &str = "org.apache.kafka.common.config.provider.";

/// The properties with what the providers found, or what is wrong. Nothing else is checked yet.
pub fn with_provided_values(properties: &Properties) -> Result<Properties, Vec<Remark>> {
    const KEY: &str = "config.providers";
    let names = properties.get(KEY).unwrap_or_default();
    let mut providers = BTreeMap::new();
    let mut mistakes = Vec::new();
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let key = format!("{KEY}.{name}.class");
        // One that has no class is not there, which shows where it is used.
        let Some(class) = properties.get(&key) else { continue };
        match provider(class.trim(), &format!("{KEY}.{name}.param."), properties) {
            Ok(provider) => drop(providers.insert(name.to_owned(), provider)),
            Err(text) => mistakes.push(Remark { origin: properties.origin(&key), text }),
        }
    }
    let mut provided = properties.clone();
    for (key, value, origin) in properties.iter().filter(|(key, ..)| !key.starts_with(KEY)) {
        match replaced(value, &providers) {
            Ok(text) if text != value => provided.set(key, text, Origin::clone(origin)),
            Ok(_) => {}
            Err(why) => mistakes.push(Remark { origin: Some(origin.clone()), text: format!("{key}: {why}") }),
        }
    }
    if mistakes.is_empty() { Ok(provided) } else { Err(mistakes) }
}

fn provider(class: &str, parameters: &str, properties: &Properties) -> Result<Provider, String> {
    let parameter = |name: &str| properties.get(&format!("{parameters}{name}")).map(str::trim);
    let allowed = || {
        let paths = parameter("allowed.paths").unwrap_or_default();
        paths.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from).collect()
    };
    match class.strip_prefix(PACKAGE) {
        Some("EnvVarConfigProvider") => {
            let pattern = format!("^(?:{})$", parameter("allowlist.pattern").unwrap_or(".*"));
            let allowed = Regex::new(&pattern).map_err(|error| format!("{parameters}allowlist.pattern: {error}"))?;
            Ok(Provider::Environment { allowed })
        }
        Some("FileConfigProvider") => Ok(Provider::File { allowed: allowed() }),
        Some("DirectoryConfigProvider") => Ok(Provider::Directory { allowed: allowed() }),
        _ => Err(format!("the provider {class} is unknown, so the values that it would fetch are missing")),
    }
}

impl Provider {
    fn find(&self, path: &str, key: &str) -> Result<Option<String>, String> {
        match self {
            Self::Environment { .. } if !path.is_empty() => {
                Err(format!("Path is not supported for EnvVarConfigProvider, invalid value '{path}'"))
            }
            Self::Environment { allowed } => Ok(std::env::var(key).ok().filter(|_| allowed.is_match(key))),
            Self::File { allowed } if may_read(path, allowed) => {
                let bytes = std::fs::read(path)
                    .map_err(|error| format!("Could not read properties from file {path}: {error}"))?;
                let found = Properties::parse(&bytes).map_err(|error| format!("{path}: {error}"))?;
                Ok(found.get(key).map(str::to_owned))
            }
            Self::Directory { allowed } if may_read(path, allowed) => {
                let file = Path::new(path).join(key);
                let is_inside = Path::new(key).components().count() == 1 && !key.contains("..");
                if !is_inside || !file.is_file() {
                    return Ok(None);
                }
                std::fs::read_to_string(&file).map(Some).map_err(|error| format!("{}: {error}", file.display()))
            }
            Self::File { .. } | Self::Directory { .. } => Ok(None),
        }
    }
}

/// Whether a path lies under one that is allowed; without any, all are.
fn may_read(path: &str, allowed: &[PathBuf]) -> bool {
    let path = std::path::absolute(path).unwrap_or_default();
    let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
    allowed.is_empty() || !climbs && allowed.iter().any(|root| path.starts_with(root))
}

/// A value with its variables replaced.
fn replaced(value: &str, providers: &BTreeMap<String, Provider>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((variable, behind)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let parts = variable.split_once(':');
        let found = match parts.and_then(|(name, what)| Some((providers.get(name)?, what))) {
            None => None,
            Some((provider, what)) => {
                let (path, key) = what.split_once(':').unwrap_or(("", what));
                provider.find(path, key)?
            }
        };
        match found {
            Some(text) => out.push_str(&text),
            None => out.push_str(&format!("${{{variable}}}")),
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provided(text: &str) -> Result<Properties, Vec<Remark>> {
        with_provided_values(&Properties::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn values_come_from_files_directories_and_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display();
        std::fs::write(dir.path().join("secrets.properties"), "password=se cret\n").unwrap();
        std::fs::write(dir.path().join("token"), "abc").unwrap();
        let found = provided(&format!(
            "config.providers=file,dir,env\n\
             config.providers.file.class={PACKAGE}FileConfigProvider\n\
             config.providers.dir.class={PACKAGE}DirectoryConfigProvider\n\
             config.providers.dir.param.allowed.paths={path}\n\
             config.providers.env.class={PACKAGE}EnvVarConfigProvider\n\
             config.providers.env.param.allowlist.pattern=PATH|X.*\n\
             a=${{file:{path}/secrets.properties:password}}!\n\
             b=<${{dir:{path}:token}}>\nc=${{env:PATH}}\nd=${{env:HOME}} ${{other:x}} ${{dir:/etc:passwd}} ${{\n"
        ))
        .unwrap();
        assert_eq!(found.get("a"), Some("se cret!"));
        assert_eq!(found.get("b"), Some("<abc>"));
        assert_eq!(found.get("c").map(str::to_owned), std::env::var("PATH").ok());
        assert_eq!(found.get("d"), Some("${env:HOME} ${other:x} ${dir:/etc:passwd} ${"));
        assert_eq!(found.origin("a"), Some(Origin::Line(7)));
    }

    #[test]
    fn what_cannot_be_fetched_is_told() {
        let error = provided("config.providers=a\nconfig.providers.a.class=com.example.Vault\n").unwrap_err();
        assert_eq!(
            error[0].to_string(),
            "line 2: the provider com.example.Vault is unknown, so the values that it would fetch are missing"
        );
        let text =
            format!("config.providers=a\nconfig.providers.a.class={PACKAGE}FileConfigProvider\nk=${{a:/no/such:b}}\n");
        assert!(
            provided(&text).unwrap_err()[0].to_string().starts_with("line 3: k: Could not read properties from file")
        );
    }
}
