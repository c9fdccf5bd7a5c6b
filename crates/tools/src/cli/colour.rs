//! Colours, on a terminal alone; nowhere if `NO_COLOR` is set.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::LazyLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Bold,
    Dim,
    Green,
    Yellow,
    Cyan,
}

static IS_WANTED: LazyLock<bool> = LazyLock::new(|| {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
});

impl Colour {
    /// For standard output.
    pub(crate) fn paint(self, text: &str) -> Cow<'_, str> {
        if !*IS_WANTED {
            return Cow::Borrowed(text);
        }
        let code = match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Cyan => 36,
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }
}
