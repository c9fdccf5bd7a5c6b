//! Random messages as bytes, written from the schema files alone: a reading of Kafka's format that shares nothing with
//! the generated code but the schemas. The bytes are canonical: a tagged field that holds its default is left out, tags
//! ascend, lengths are as short as they can be. So a decoder followed by an encoder must give the same bytes.

use crate::schema::{Field, Schema, Type};

/// What the values of a message are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Least integers, null where that may be, everything else empty.
    Least,
    /// Defaults, so that no tagged field is there.
    Default,
    /// Greatest integers, nothing null, every tagged field, unknown ones around them.
    Greatest,
    /// Any of these, field by field.
    Any,
}

/// SplitMix64: numbers that depend on the seed alone.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// The bytes of a message in a version.
pub fn message(schema: &Schema, version: i16, style: Style, random: &mut Random) -> Vec<u8> {
    let flexible = schema.flexible.low <= version && version <= schema.flexible.high;
    let mut generator = Generator { schema, version, flexible, style, random, long_left: 1 };
    let mut out = Vec::new();
    generator.structure(&schema.fields, 0, &mut out);
    out
}

/// An unsigned variable-length integer, as short as it can be.
pub fn uvarint(mut value: u32, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Texts of one, two, three and four bytes a character.
const TEXTS: [&str; 8] = ["", "a", "orders", "größe", "注文", "🦦 otter", "with space\t\u{0}", "Ελλάδα-Україна"];

struct Generator<'s, 'r> {
    schema: &'s Schema,
    version: i16,
    flexible: bool,
    style: Style,
    random: &'r mut Random,
    /// How many more values may be so long that their length takes two bytes or more.
    long_left: u32,
}

impl Generator<'_, '_> {
    fn structure(&mut self, fields: &[Field], depth: u32, out: &mut Vec<u8>) {
        let version = self.version;
        let has = |range: crate::schema::Versions| range.low <= version && version <= range.high;
        let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut taken: Vec<u32> = Vec::new();
        for field in fields {
            taken.extend(field.tag.map(|(tag, _)| tag));
            if !has(field.versions) {
                continue;
            }
            let compact = self.flexible && !field.never_flexible;
            let nullable = has(field.nullable);
            match field.tag.filter(|(_, range)| has(*range)) {
                None => self.field(field, nullable, compact, depth, out),
                Some((tag, _)) => {
                    let (mut value, mut default) = (Vec::new(), Vec::new());
                    self.field(field, nullable, true, depth, &mut value);
                    self.default(field, nullable, true, &mut default);
                    if nullable && matches!(field.ty, Type::Struct(_)) && value == [0xff] {
                        // Here it is a variable-length integer that says whether a struct is there.
                        value = vec![0];
                    }
                    if value != default && !(self.style == Style::Any && self.random.one_in(3)) {
                        tagged.push((tag, value));
                    }
                }
            }
        }
        if self.flexible {
            self.unknown_tags(&taken, &mut tagged);
            tagged.sort();
            uvarint(tagged.len() as u32, out);
            for (tag, value) in tagged {
                uvarint(tag, out);
                uvarint(value.len() as u32, out);
                out.extend(value);
            }
        }
    }

    /// Tags that no version of the schema has: between, behind and far above the known ones, up to the greatest that Kafka
    /// takes.
    fn unknown_tags(&mut self, taken: &[u32], tagged: &mut Vec<(u32, Vec<u8>)>) {
        let wanted = match self.style {
            Style::Greatest => true,
            Style::Any => self.random.one_in(4),
            Style::Least | Style::Default => false,
        };
        if !wanted {
            return;
        }
        for tag in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 127, 128, 16_384, 0x7fff_fffe] {
            if !taken.contains(&tag) && self.random.one_in(3) {
                let count = self.random.below(5) as usize;
                tagged.push((tag, self.random.bytes(count)));
            }
        }
    }

    fn field(&mut self, field: &Field, nullable: bool, compact: bool, depth: u32, out: &mut Vec<u8>) {
        let (default, null) = match self.style {
            Style::Least => (false, nullable),
            Style::Default => (true, false),
            Style::Greatest => (false, false),
            Style::Any => (self.random.one_in(4), nullable && self.random.one_in(4)),
        };
        match (default, null) {
            (true, _) => self.default(field, nullable, compact, out),
            (false, true) => null_of(&field.ty, compact, out),
            (false, false) => self.value(&field.ty, nullable, compact, depth, out),
        }
    }

    /// The value of a field that is not told.
    fn default(&mut self, field: &Field, nullable: bool, compact: bool, out: &mut Vec<u8>) {
        let text = field.default.as_deref();
        if text == Some("null") && nullable {
            return null_of(&field.ty, compact, out);
        }
        let text = text.filter(|text| *text != "null");
        let number = || match text {
            None => 0,
            Some("true") => 1,
            Some("false") => 0,
            Some(text) => match text.strip_prefix("0x") {
                Some(hex) => i64::from_str_radix(hex, 16).expect("a hexadecimal default"),
                None => text.parse().expect("a decimal default"),
            },
        };
        match &field.ty {
            Type::Bool | Type::Int8 => out.push(number() as u8),
            Type::Int16 | Type::Uint16 => out.extend((number() as u16).to_be_bytes()),
            Type::Int32 | Type::Uint32 => out.extend((number() as u32).to_be_bytes()),
            Type::Int64 => out.extend(number().to_be_bytes()),
            Type::Float64 => out.extend(text.map_or(0.0, |t| t.parse::<f64>().expect("a default")).to_be_bytes()),
            Type::Uuid => out.extend([0; 16]),
            Type::String => sized(text.unwrap_or_default().as_bytes(), Length::of(&field.ty, compact), out),
            Type::Bytes | Type::Records => sized(&[], Length::of(&field.ty, compact), out),
            Type::Array(_) => Length::of(&field.ty, compact).write(0, out),
            Type::Struct(name) => {
                let style = std::mem::replace(&mut self.style, Style::Default);
                self.value(&Type::Struct(name.clone()), nullable, compact, 0, out);
                self.style = style;
            }
        }
    }

    fn value(&mut self, ty: &Type, nullable: bool, compact: bool, depth: u32, out: &mut Vec<u8>) {
        match ty {
            Type::Bool => {
                let value = self.integer(0, 1);
                out.push(value as u8);
            }
            Type::Int8 => out.extend((self.integer(i8::MIN.into(), i8::MAX.into()) as i8).to_be_bytes()),
            Type::Int16 => out.extend((self.integer(i16::MIN.into(), i16::MAX.into()) as i16).to_be_bytes()),
            Type::Uint16 => out.extend((self.integer(0, u16::MAX.into()) as u16).to_be_bytes()),
            Type::Int32 => out.extend((self.integer(i32::MIN.into(), i32::MAX.into()) as i32).to_be_bytes()),
            Type::Uint32 => out.extend((self.integer(0, u32::MAX.into()) as u32).to_be_bytes()),
            Type::Int64 => out.extend(self.integer(i64::MIN, i64::MAX).to_be_bytes()),
            Type::Float64 => {
                let values = [0.0, -0.0, 1.5, f64::MIN, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
                let value = values[self.random.below(8) as usize];
                out.extend(value.to_be_bytes());
            }
            Type::Uuid => {
                let value = self.random.bytes(16);
                out.extend(value);
            }
            Type::String => {
                let text = self.text();
                sized(text.as_bytes(), Length::of(ty, compact), out);
            }
            Type::Bytes | Type::Records => {
                let count = self.count(20, 20_000);
                let value = self.random.bytes(count);
                sized(&value, Length::of(ty, compact), out);
            }
            Type::Struct(name) => {
                if nullable {
                    out.push(1);
                }
                let schema = self.schema;
                self.structure(schema.fields_of(name), depth + 1, out);
            }
            Type::Array(inner) => {
                // Deep arrays stay short, or a message of arrays of arrays would never end.
                let count = self.count(if depth > 1 { 2 } else { 4 }, if depth == 0 { 200 } else { 2 });
                Length::of(ty, compact).write(count as i64, out);
                for _ in 0..count {
                    self.value(inner, false, compact, depth + 1, out);
                }
            }
        }
    }

    fn integer(&mut self, least: i64, greatest: i64) -> i64 {
        match self.style {
            Style::Least => least,
            Style::Default => 0,
            Style::Greatest => greatest,
            Style::Any => match self.random.below(6) {
                0 => least,
                1 => greatest,
                2 => 1,
                3 => 0,
                _ => {
                    let span = (greatest as i128 - least as i128 + 1) as u128;
                    (least as i128 + (u128::from(self.random.next()) % span) as i128) as i64
                }
            },
        }
    }

    /// A length: none, few, or once in a message very many.
    fn count(&mut self, few: u64, many: u64) -> usize {
        let count = match self.style {
            Style::Least | Style::Default => 0,
            Style::Greatest => few.min(2),
            Style::Any if self.long_left > 0 && self.random.one_in(40) => {
                self.long_left -= 1;
                many
            }
            Style::Any => self.random.below(few),
        };
        count as usize
    }

    fn text(&mut self) -> String {
        match self.style {
            Style::Least | Style::Default => String::new(),
            Style::Any if self.long_left > 0 && self.random.one_in(60) => {
                self.long_left -= 1;
                "ü".repeat([64, 8_192, 16_383][self.random.below(3) as usize])
            }
            _ => TEXTS[self.random.below(TEXTS.len() as u64) as usize].to_owned(),
        }
    }
}

/// How a length is written.
#[derive(Clone, Copy)]
enum Length {
    Compact,
    Short,
    Wide,
}

impl Length {
    fn of(ty: &Type, compact: bool) -> Self {
        match ty {
            _ if compact => Self::Compact,
            Type::String => Self::Short,
            _ => Self::Wide,
        }
    }

    /// A length, or -1 for null.
    fn write(self, length: i64, out: &mut Vec<u8>) {
        match self {
            Self::Compact => uvarint((length + 1) as u32, out),
            Self::Short => out.extend((length as i16).to_be_bytes()),
            Self::Wide => out.extend((length as i32).to_be_bytes()),
        }
    }
}

fn sized(bytes: &[u8], length: Length, out: &mut Vec<u8>) {
    length.write(bytes.len() as i64, out);
    out.extend(bytes);
}

fn null_of(ty: &Type, compact: bool, out: &mut Vec<u8>) {
    match ty {
        Type::Struct(_) => out.push(0xff),
        _ => Length::of(ty, compact).write(-1, out),
    }
}
