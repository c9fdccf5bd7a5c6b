//! What the records of the test hold.

use crate::cli::{Done, Failure, Parsed, say};
use ottla_machine::Seed;

/// As Kafka's tool: the same letters in each run.
const SEED: Seed = Seed(0);

pub(super) enum Payload {
    /// Random letters, so many.
    Random(usize, Seed),
    /// One of these, drawn each time.
    OneOf(Vec<Vec<u8>>, Seed),
    Counting,
}

impl Payload {
    pub(super) fn of(parsed: &Parsed) -> Done<Self> {
        if let Some(size) = parsed.int("record-size")? {
            return match usize::try_from(size) {
                Ok(size) if size > 0 => Ok(Self::Random(size, SEED)),
                _ => Err(Failure::told("--record-size should be greater than zero.")),
            };
        }
        let Some(path) = parsed.value("payload-file")? else { return Ok(Self::Counting) };
        let whole = std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string());
        say(&format!("Reading payloads from: {whole}"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.is_empty() {
            return Err(Failure::told("File does not exist or empty file provided."));
        }
        let delimiter = parsed.value("payload-delimiter")?.unwrap_or("\\n").replace("\\n", "\n").replace("\\t", "\t");
        let records: Vec<_> = text
            .strip_suffix(delimiter.as_str())
            .unwrap_or(&text)
            .split(delimiter.as_str())
            .map(|record| record.as_bytes().to_vec())
            .collect();
        say(&format!("Number of records read: {}", records.len()));
        Ok(Self::OneOf(records, SEED))
    }

    /// Puts the next record into a buffer that is used again and again.
    pub(super) fn fill(&mut self, value: &mut Option<Vec<u8>>, number: u64) {
        let value = value.get_or_insert_default();
        value.clear();
        match self {
            Self::Random(size, seed) => {
                value.reserve(*size);
                while value.len() < *size {
                    // Eight letters of a draw: a draw for each would cost more than sending them.
                    let draw = seed.draw().to_le_bytes();
                    let left = *size - value.len();
                    value.extend(draw.iter().take(left).map(|byte| b'A' + byte % 26));
                }
            }
            Self::OneOf(records, seed) => {
                let drawn = usize::try_from(seed.below(records.len() as u64)).unwrap_or(0);
                value.extend_from_slice(records.get(drawn).map_or(&[][..], Vec::as_slice));
            }
            Self::Counting => value.extend_from_slice(number.to_string().as_bytes()),
        }
    }
}
