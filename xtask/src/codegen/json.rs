//! How a message becomes JSON: the same fields that are written, by name.

use super::emit::{Emitter, condition, field_name};
use super::schema::Field;
use std::fmt::Write;

/// Families whose messages stand in logs, and are shown by tools as JSON. Of the others nobody asks it.
pub(super) fn is_shown(folder: &str) -> bool {
    !matches!(folder, "api" | "remote")
}

impl Emitter<'_> {
    pub(super) fn json(&self, out: &mut String, name: &str, anonymous: &str, fields: &[Field]) {
        let version = if fields.is_empty() { "_version" } else { "version" };
        let _ = writeln!(out, "\nimpl ToJson for {name}{anonymous} {{\nfn to_json(&self, {version}: i16) -> Json {{");
        let entries: Vec<(Option<String>, String)> = fields
            .iter()
            .map(|field| {
                let own = field_name(&field.name);
                (self.when_shown(field), format!("(\"{}\", self.{own}.to_json(version))", camel(&field.name)))
            })
            .collect();
        let first = entries.iter().position(|(when, _)| when.is_some()).unwrap_or(entries.len());
        let (always, rest) = entries.split_at(first);
        let always: Vec<_> = always.iter().map(|(_, entry)| entry.as_str()).collect();
        let always = always.join(", ");
        if rest.is_empty() {
            let _ = writeln!(out, "Json::Object(vec![{always}])\n}}\n}}");
            return;
        }
        let _ = writeln!(out, "let mut object = vec![{always}];");
        for (when, entry) in rest {
            let _ = match when {
                None => writeln!(out, "object.push({entry});"),
                Some(when) => writeln!(out, "if {when} {{ object.push({entry}); }}"),
            };
        }
        out.push_str("Json::Object(object)\n}\n}\n");
    }

    /// When a field stands in the JSON: where the version has it and, where it is tagged, it is not the default.
    fn when_shown(&self, field: &Field) -> Option<String> {
        let present = condition(field.versions, self.schema.versions);
        let told = field.tag.map(|(_, range)| {
            let differs = self.differs_from_default(field);
            match condition(range, field.versions.intersect(self.schema.versions)) {
                None => differs,
                Some(tagged) => format!("(!({tagged}) || {differs})"),
            }
        });
        let conditions: Vec<_> = present.into_iter().chain(told).collect();
        (!conditions.is_empty()).then(|| conditions.join(" && "))
    }
}

/// `KRaftVersion` → `kRaftVersion`: Kafka lowers the first letter alone.
fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
