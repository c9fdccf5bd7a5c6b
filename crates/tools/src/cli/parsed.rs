//! A command line, read.

use super::{Done, Failure, Opt};

/// What was given. Asking for an option that the command does not have is a mistake in the command, and gives nothing.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    options: Vec<&'static Opt>,
    /// In the order of the command line; no value where none was given.
    given: Vec<(&'static str, Option<String>)>,
    /// What is neither an option nor its value.
    pub(crate) others: Vec<String>,
    /// The arguments as they stood.
    pub(crate) line: String,
    /// The sub-command, where there is one.
    pub(crate) subcommand: Option<&'static str>,
}

impl Parsed {
    pub(crate) fn new(options: Vec<&'static Opt>) -> Self {
        Self { options, ..Self::default() }
    }

    pub(crate) fn give(&mut self, option: &'static Opt, value: Option<String>) {
        self.given.push((option.name, value));
    }

    /// The options of a sub-command, once it is known.
    pub(crate) fn extend(&mut self, options: &'static [Opt]) {
        self.options.extend(options);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().copied()
    }

    pub(crate) fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().copied().find(|option| option.is_named(name))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The options that were given, in order.
    pub(crate) fn given(&self) -> impl Iterator<Item = &'static str> {
        self.given.iter().map(|(name, _)| *name)
    }

    /// All values of an option, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.given.iter().filter(|(given, _)| *given == name).filter_map(|(_, value)| value.as_deref()).collect()
    }

    /// What was given of these options, in the order of the command line: the option, and its value if it takes one.
    pub(crate) fn in_order(&self, names: &[&str]) -> Vec<(&str, Option<&str>)> {
        let given = self.given.iter().filter(|(name, _)| names.contains(name));
        given.map(|(name, value)| (*name, value.as_deref())).collect()
    }

    /// The value of an option that may be given once; its default where it was not.
    pub(crate) fn value(&self, name: &str) -> Done<Option<&str>> {
        match self.values(name)[..] {
            [] => Ok(self.option(name).and_then(|option| option.default)),
            [value] => Ok(Some(value)),
            _ => Err(Failure::Parse(format!(
                "Found multiple arguments for option {}, but you asked for only one",
                self.spelled(name)
            ))),
        }
    }

    /// The last value, where more than one may stand, or the default.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        self.values(name).last().copied().or_else(|| self.option(name).and_then(|option| option.default))
    }

    pub(crate) fn int(&self, name: &str) -> Done<Option<i32>> {
        self.number(name)
    }

    pub(crate) fn long(&self, name: &str) -> Done<Option<i64>> {
        self.number(name)
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Done<Option<T>> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| Failure::Parse(format!("Cannot parse argument '{text}' of option {}", self.spelled(name))))
    }

    /// An error that shows the help unless all of these are there.
    pub(crate) fn require(&self, names: &[&str]) -> Done {
        match names.iter().find(|name| !self.has(name)) {
            Some(missing) => Err(Failure::usage(format!("Missing required argument \"{}\"", self.shown(missing)))),
            None => Ok(()),
        }
    }

    /// An error that shows the help if `used` stands beside any of `others`.
    pub(crate) fn forbid(&self, used: &str, others: &[&str]) -> Done {
        if !self.has(used) {
            return Ok(());
        }
        match others.iter().find(|other| self.has(other)) {
            Some(other) => Err(Failure::usage(format!(
                "Option \"{}\" can't be used with option \"{}\"",
                self.shown(used),
                self.shown(other)
            ))),
            None => Ok(()),
        }
    }

    /// An error that shows the help unless exactly one is there.
    pub(crate) fn exactly_one(&self, names: &[&str]) -> Done {
        if names.iter().filter(|name| self.has(name)).count() == 1 {
            return Ok(());
        }
        let shown: Vec<_> = names.iter().map(|name| self.shown(name)).collect();
        Err(Failure::usage(format!("Exactly one of the following arguments is required: {}", shown.join(", "))))
    }

    pub(crate) fn shown(&self, name: &str) -> String {
        self.option(name).map_or_else(|| format!("[{name}]"), Opt::shown)
    }

    /// As joptsimple's errors spell an option: its names, short ones first, with slashes.
    fn spelled(&self, name: &str) -> String {
        self.shown(name).trim_matches(['[', ']']).replace(", ", "/")
    }
}
