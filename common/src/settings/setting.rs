//! The registry entry: one thing that can be set.

/// One thing that can be set, and every way to set it.
///
/// A program's table of these is the one place that names its settings. Resolution, the flags of the command line, the
/// keys that the TOML file may hold, what is saved, what child programs never see, the shims and the tables of the
/// README follow from it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its variables: the program's own first, then the general ones. Under the first it is saved.
    pub variables: &'static [&'static str],
    /// Its flag, if it has one.
    pub flag: Option<Flag>,
    /// Its dotted names in the TOML file, in the same order. Of a secret, without `_file` and `_env`.
    pub toml: &'static [&'static str],
    /// What kind of value it takes.
    pub kind: Kind,
    /// The value in force when nobody sets one, as it would be written.
    pub default: Option<&'static str>,
    /// Whether a value given in a call is kept in acme.sh's conf file for the next renewal.
    pub saved: bool,
    /// Whether it may well be left unset, which then means something.
    pub optional: bool,
    /// The setting that belongs to this secret, as the client id does to the client secret.
    pub partner: Option<&'static Setting>,
    /// What it is for, in one line.
    pub help: &'static str,
}

/// What kind of value a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// An address: saved with its scheme.
    Address,
    /// A secret. Its variable with `_FILE`, its TOML key with `_file`, and its flag, take the path of a file that holds
    /// it; its TOML key with `_env` takes the name of a variable. The TOML file never holds the secret itself.
    Secret,
    /// The path of a file or folder. In the TOML file, relative paths start from that file's folder.
    File,
    /// On or off.
    Switch,
    /// A duration, as `90s`.
    Duration,
    /// A whole number.
    Number,
    /// Several values, separated by commas.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// The flag of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// As it is written: `--zone-id`.
    pub name: &'static str,
    /// What stands for its value in the help text.
    pub value_name: &'static str,
    /// The commands that take it; every command when empty.
    pub commands: &'static [&'static str],
    /// The heading in the help text that it stands below.
    pub heading: &'static str,
}

impl Setting {
    /// A setting of some kind, with these variables.
    const fn new(kind: Kind, variables: &'static [&'static str], help: &'static str) -> Self {
        Self {
            variables,
            flag: None,
            toml: &[],
            kind,
            default: None,
            saved: false,
            optional: false,
            partner: None,
            help,
        }
    }

    /// A setting that takes any text.
    pub const fn text(variables: &'static [&'static str], help: &'static str) -> Self {
        Self::new(Kind::Text, variables, help)
    }

    /// A setting that takes an address.
    pub const fn address(variables: &'static [&'static str], help: &'static str) -> Self {
        Self::new(Kind::Address, variables, help)
    }

    /// A secret.
    pub const fn secret(variables: &'static [&'static str], help: &'static str) -> Self {
        Self::new(Kind::Secret, variables, help)
    }

    /// A setting that takes a path.
    pub const fn file(variables: &'static [&'static str], help: &'static str) -> Self {
        Self::new(Kind::File, variables, help)
    }

    /// A setting that is on or off.
    pub const fn switch(variables: &'static [&'static str], help: &'static str) -> Self {
        Self::new(Kind::Switch, variables, help)
    }

    /// A setting that takes a duration.
    pub const fn duration(variables: &'static [&'static str], help: &'static str) -> Self {
        Self::new(Kind::Duration, variables, help)
    }

    /// A setting that takes a whole number.
    pub const fn number(variables: &'static [&'static str], help: &'static str) -> Self {
        Self::new(Kind::Number, variables, help)
    }

    /// A setting that takes several values.
    pub const fn list(variables: &'static [&'static str], help: &'static str) -> Self {
        Self::new(Kind::List, variables, help)
    }

    /// A setting that takes one of `words`.
    pub const fn choice(
        words: &'static [&'static str],
        variables: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(Kind::Choice(words), variables, help)
    }

    /// The same setting with a flag that every command takes.
    #[must_use]
    pub const fn flag(mut self, name: &'static str, value_name: &'static str) -> Self {
        self.flag = Some(Flag {
            name,
            value_name,
            commands: &[],
            heading: "Settings",
        });
        self
    }

    /// The same setting, its flag taken by these commands alone. A nested command is written `cname set`.
    #[must_use]
    pub const fn only_for(mut self, commands: &'static [&'static str]) -> Self {
        if let Some(flag) = self.flag {
            self.flag = Some(Flag { commands, ..flag });
        }
        self
    }

    /// The same setting, its flag below this heading of the help text.
    #[must_use]
    pub const fn heading(mut self, heading: &'static str) -> Self {
        if let Some(flag) = self.flag {
            self.flag = Some(Flag { heading, ..flag });
        }
        self
    }

    /// The same setting with these keys in the TOML file.
    #[must_use]
    pub const fn toml(mut self, keys: &'static [&'static str]) -> Self {
        self.toml = keys;
        self
    }

    /// The same setting with a default.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.optional = true;
        self.default = Some(value);
        self
    }

    /// The same setting, kept for the next renewal.
    #[must_use]
    pub const fn saved(mut self) -> Self {
        self.saved = true;
        self
    }

    /// The same setting, which means something when it is not set, too. Where a certificate has saved settings and this
    /// is not among them, a walk over many takes it from no environment: it would apply the choice made for one
    /// certificate to another. So it is with a setting that has a default.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same secret, which belongs to `partner`: both are taken from the same family of variables.
    #[must_use]
    pub const fn partner(mut self, partner: &'static Setting) -> Self {
        self.partner = Some(partner);
        self
    }

    /// What messages and tables call it: its first variable, else its flag, else its TOML key.
    pub fn name(&self) -> &'static str {
        self.variables
            .first()
            .copied()
            .or(self.flag.map(|flag| flag.name))
            .or(self.toml.first().copied())
            .unwrap_or_default()
    }

    /// How to give it, for an error that misses it: the program's own variable first.
    pub fn how_to_give(&self) -> String {
        let mut ways: Vec<&str> = self.variables.to_vec();
        ways.extend(self.flag.map(|flag| flag.name));
        if ways.is_empty() {
            ways.extend(self.toml);
        }
        ways.join(" or ")
    }

    /// Every variable that gives it: a secret's also with `_FILE`.
    pub fn all_variables(&self) -> impl Iterator<Item = String> {
        let file = self.kind == Kind::Secret;
        self.variables.iter().flat_map(move |name| {
            [
                Some((*name).to_owned()),
                file.then(|| format!("{name}_FILE")),
            ]
            .into_iter()
            .flatten()
        })
    }

    /// Every key of the TOML file that gives it.
    pub fn all_toml_keys(&self) -> impl Iterator<Item = String> {
        self.toml.iter().flat_map(|key| self.with_suffixes(key))
    }

    /// The keys that give it in an entry of a list.
    pub fn keys_of_entry(&self) -> impl Iterator<Item = String> {
        let key = self
            .toml
            .first()
            .and_then(|dotted| dotted.rsplit('.').next());
        key.into_iter().flat_map(|key| self.with_suffixes(key))
    }

    fn with_suffixes(&self, key: &'static str) -> impl Iterator<Item = String> + use<> {
        let suffixes: &[&str] = match self.kind {
            Kind::Secret => &["_file", "_env"],
            _ => &[""],
        };
        suffixes.iter().map(move |suffix| format!("{key}{suffix}"))
    }
}
