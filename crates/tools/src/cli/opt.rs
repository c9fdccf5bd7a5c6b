//! One option of a command, as a constant.

/// An option. Its names stand without dashes; one of a single letter is given with one dash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) other_names: &'static [&'static str],
    pub(crate) takes: Takes,
    pub(crate) help: &'static str,
    pub(crate) default: Option<&'static str>,
    /// Only the argparse style checks this by itself; the other commands have words of their own for it.
    pub(crate) is_required: bool,
    /// Only the argparse style checks this by itself.
    pub(crate) excludes: &'static [&'static str],
}

/// What stands after an option, and what the help calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Text(&'static str),
    Int(&'static str),
    Long(&'static str),
    /// Text that may be left out.
    Maybe(&'static str),
    /// A number that may be left out; one below zero is taken for a number, and not for an option.
    MaybeInt(&'static str),
    /// One or more words, up to the next option (argparse only).
    List(&'static str),
    /// Whatever stands by itself, without a name before it (argparse only).
    Words(&'static str),
}

impl Takes {
    /// The Java type that the help shows, and the name.
    pub(crate) const fn described(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nothing => None,
            Self::Text(name) | Self::Maybe(name) | Self::List(name) | Self::Words(name) => Some(("String", name)),
            Self::Int(name) | Self::MaybeInt(name) => Some(("Integer", name)),
            Self::Long(name) => Some(("Long", name)),
        }
    }
}

const fn opt(name: &'static str, takes: Takes, help: &'static str) -> Opt {
    Opt { name, other_names: &[], takes, help, default: None, is_required: false, excludes: &[] }
}

pub(crate) const fn flag(name: &'static str, help: &'static str) -> Opt {
    opt(name, Takes::Nothing, help)
}

pub(crate) const fn text(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    opt(name, Takes::Text(value), help)
}

pub(crate) const fn int(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    opt(name, Takes::Int(value), help)
}

pub(crate) const fn long(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    opt(name, Takes::Long(value), help)
}

pub(crate) const fn maybe(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    opt(name, Takes::Maybe(value), help)
}

pub(crate) const fn maybe_int(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    opt(name, Takes::MaybeInt(value), help)
}

pub(crate) const fn list(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    opt(name, Takes::List(value), help)
}

pub(crate) const fn words(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    opt(name, Takes::Words(value), help)
}

impl Opt {
    /// Whether its name is never written.
    pub(crate) const fn is_positional(&self) -> bool {
        matches!(self.takes, Takes::Words(_))
    }

    pub(crate) const fn also(mut self, names: &'static [&'static str]) -> Self {
        self.other_names = names;
        self
    }

    pub(crate) const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    pub(crate) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// May not stand beside any of these.
    pub(crate) const fn instead_of(mut self, names: &'static [&'static str]) -> Self {
        self.excludes = names;
        self
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.other_names.iter().copied())
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// As joptsimple writes a specification: `[c, config]`, short names first.
    pub(crate) fn shown(&self) -> String {
        let mut names: Vec<_> = self.names().collect();
        names.sort_by_key(|name| (name.len() > 1, *name));
        format!("[{}]", names.join(", "))
    }

    /// With dashes: `--config`.
    pub(crate) fn dashed(name: &str) -> String {
        if name.chars().count() == 1 { format!("-{name}") } else { format!("--{name}") }
    }
}
