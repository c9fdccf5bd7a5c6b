//! The schema files of `crates/wire/schema`, parsed. Their form stands in the README beside them. This module knows
//! nothing of Rust, so that the wire tests can use it as an independent reading of the same files.

use std::path::Path;

/// One message: what a schema file says.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) versions: Versions,
    pub(crate) flexible: Versions,
    /// The API key of requests and responses, the id of records, keys and values; -1 for the rest.
    pub(crate) id: i16,
    pub(crate) listeners: Vec<(String, Option<Versions>)>,
    pub(crate) fields: Vec<Field>,
    pub(crate) structs: Vec<Struct>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Request,
    Response,
    Record,
    Key,
    Value,
    Data,
}

#[derive(Debug, Clone)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) tag: Option<(u32, Versions)>,
    pub(crate) default: Option<String>,
    pub(crate) ignorable: bool,
    pub(crate) never_flexible: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    String,
    Bytes,
    Records,
    Uuid,
    Struct(String),
    Array(Box<Type>),
}

/// A range of versions; `none` is the empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) low: i16,
    pub(crate) high: i16,
}

impl Versions {
    pub(crate) const NONE: Self = Self { low: 0, high: -1 };

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |part: &str| part.parse::<i16>().ok();
        Some(match text.split_once('-') {
            _ if text == "none" => Self::NONE,
            Some((low, high)) => Self { low: number(low)?, high: number(high)? },
            None => match text.strip_suffix('+') {
                Some(low) => Self { low: number(low)?, high: i16::MAX },
                None => Self { low: number(text)?, high: number(text)? },
            },
        })
    }

    pub(crate) fn is_empty(self) -> bool {
        self.low > self.high
    }

    pub(crate) fn intersect(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }
}

impl Schema {
    /// Reads a schema; the error names the line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut schema = Self {
            kind: Kind::Data,
            name: String::new(),
            versions: Versions::NONE,
            flexible: Versions::NONE,
            id: -1,
            listeners: Vec::new(),
            fields: Vec::new(),
            structs: Vec::new(),
        };
        // The struct that each level of indentation is filling.
        let mut open: Vec<String> = Vec::new();
        let mut in_body = false;
        for (index, line) in text.lines().enumerate() {
            let fail = || format!("line {}: cannot read '{line}'", index + 1);
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.is_empty() {
                in_body |= !schema.name.is_empty();
                continue;
            }
            if words[0].starts_with('#') {
                continue;
            }
            if !in_body {
                schema.parse_head(&words).ok_or_else(fail)?;
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            if words[0] == "struct" && indent == 0 {
                schema.structs.push(Struct { name: words[1].to_owned(), fields: Vec::new() });
                open = vec![words[1].to_owned()];
                continue;
            }
            let depth = indent / 2;
            if indent % 2 != 0 || depth > open.len() {
                return Err(format!("line {}: indentation", index + 1));
            }
            open.truncate(depth);
            let field = Field::parse(&words).ok_or_else(fail)?;
            let inner = field.ty.struct_name().map(str::to_owned);
            match open.last() {
                Some(name) => match schema.structs.iter_mut().find(|s| &s.name == name) {
                    Some(of) => of.fields.push(field),
                    None => schema.structs.push(Struct { name: name.clone(), fields: vec![field] }),
                },
                None => schema.fields.push(field),
            }
            open.extend(inner);
        }
        Ok(schema)
    }

    fn parse_head(&mut self, words: &[&str]) -> Option<()> {
        let second = words.get(1)?;
        match words[0] {
            "versions" => self.versions = Versions::parse(second)?,
            "flexible" => self.flexible = Versions::parse(second)?,
            "id" => self.id = second.parse().ok()?,
            "listener" => {
                let told = match words.get(2) {
                    Some(text) => Some(Versions::parse(text)?),
                    None => None,
                };
                self.listeners.push(((*second).to_owned(), told));
            }
            kind => {
                self.kind = match kind {
                    "request" => Kind::Request,
                    "response" => Kind::Response,
                    "record" => Kind::Record,
                    "key" => Kind::Key,
                    "value" => Kind::Value,
                    "data" => Kind::Data,
                    _ => return None,
                };
                self.name = (*second).to_owned();
            }
        }
        Some(())
    }

    pub(crate) fn fields_of(&self, name: &str) -> &[Field] {
        self.structs.iter().find(|s| s.name == name).map_or(&[], |s| &s.fields)
    }
}

impl Field {
    fn parse(words: &[&str]) -> Option<Self> {
        let versions = Versions::parse(words.get(2)?)?;
        let mut field = Self {
            name: words[0].to_owned(),
            ty: Type::parse(words.get(1)?),
            versions,
            nullable: Versions::NONE,
            tag: None,
            default: None,
            ignorable: false,
            never_flexible: false,
        };
        for word in &words[3..] {
            match word.split_once('=') {
                Some(("nullable", range)) => field.nullable = Versions::parse(range)?,
                Some(("tag", number)) => field.tag = Some((number.parse().ok()?, versions)),
                Some(("tagged", range)) => field.tag.as_mut()?.1 = Versions::parse(range)?,
                Some(("default", value)) => field.default = Some(value.trim_matches('"').to_owned()),
                Some(("flexible", "none")) => field.never_flexible = true,
                None if *word == "ignorable" => field.ignorable = true,
                _ => return None,
            }
        }
        Some(field)
    }
}

impl Type {
    fn parse(text: &str) -> Self {
        if let Some(inner) = text.strip_prefix("[]") {
            return Self::Array(Box::new(Self::parse(inner)));
        }
        match text {
            "bool" => Self::Bool,
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "uint16" => Self::Uint16,
            "int32" => Self::Int32,
            "uint32" => Self::Uint32,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "records" => Self::Records,
            "uuid" => Self::Uuid,
            name => Self::Struct(name.to_owned()),
        }
    }

    pub(crate) fn struct_name(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(inner) => inner.struct_name(),
            _ => None,
        }
    }
}

/// Reads every schema below a folder, as (folder, schema), in the order of their names.
pub(crate) fn read_all(root: &Path) -> Result<Vec<(String, Schema)>, String> {
    let list = |path: &Path| -> Result<Vec<std::path::PathBuf>, String> {
        let entries = std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut paths: Vec<_> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
        paths.sort();
        Ok(paths)
    };
    let mut all = Vec::new();
    for folder in list(root)?.into_iter().filter(|p| p.is_dir()) {
        for path in list(&folder)? {
            let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let schema = Schema::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
            let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            all.push((name, schema));
        }
    }
    Ok(all)
}
