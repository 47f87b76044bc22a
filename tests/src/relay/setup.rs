//! The config file of a relay under test.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the relay delivers to.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// A smarthost on this port of loopback, without TLS.
    Smarthost(u16),
    /// The hosts that recipients' domains name, on this port: `customer@[127.0.0.2]` needs no DNS.
    Mx(u16),
    /// The folder `mail` beside the config.
    Maildir,
}

/// What differs from test to test in the config.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where mail goes.
    pub delivery: Delivery,
    /// `tls` of the listener: `starttls`, `implicit` or `none`.
    pub tls: &'static str,
    /// `require-tls-for-auth` of the listener.
    pub require_tls: bool,
    /// More keys of the listener, as they stand.
    pub more_listener: String,
    /// `unauthorized` of the sender rules: `block` or `alert`.
    pub unauthorized: &'static str,
    /// Whether no policy is asked at all; without effect on `modules`.
    pub without_policies: bool,
    /// Modules asked after the sender rules: the path of a component and its settings as TOML.
    pub modules: Vec<(PathBuf, &'static str)>,
    /// More keys of `[delivery]`, as they stand.
    pub more_delivery: String,
    /// Keys of `[store]`, as they stand.
    pub store: Option<String>,
    /// More tables, as they stand.
    pub more: String,
    /// More variables in the environment of the relay.
    pub environment: Vec<(String, String)>,
}

impl Setup {
    /// Blocks unauthorized senders, offers STARTTLS and delivers to this port of loopback.
    pub const fn smarthost(port: u16) -> Self {
        Self {
            delivery: Delivery::Smarthost(port),
            tls: "starttls",
            require_tls: false,
            more_listener: String::new(),
            unauthorized: "block",
            without_policies: false,
            modules: Vec::new(),
            more_delivery: String::new(),
            store: None,
            more: String::new(),
            environment: Vec::new(),
        }
    }

    /// The same with delivery into a folder.
    pub const fn maildir() -> Self {
        let mut setup = Self::smarthost(0);
        setup.delivery = Delivery::Maildir;
        setup
    }

    /// The same with delivery to what the recipients' domains name, on this port.
    pub const fn mx(port: u16) -> Self {
        let mut setup = Self::smarthost(0);
        setup.delivery = Delivery::Mx(port);
        setup
    }

    /// Asks one more module, with these settings as TOML, for example `{ behaviour = "loop" }`.
    #[must_use]
    pub fn with_module(mut self, path: &Path, settings: &'static str) -> Self {
        self.modules.push((path.to_owned(), settings));
        self
    }

    /// Tries deferred recipients again after a second.
    #[must_use]
    pub fn retrying_soon(self) -> Self {
        self.with("\n[scheduler]\nretry = \"1s\"\nunreachable-first-s = 1\nunreachable-max-s = 1\n")
    }

    /// Adds keys of the listener as they stand.
    #[must_use]
    pub fn listening(mut self, keys: &str) -> Self {
        self.more_listener.push_str(keys);
        self
    }

    /// Adds keys of `[delivery]` as they stand.
    #[must_use]
    pub fn delivering(mut self, keys: &str) -> Self {
        self.more_delivery.push_str(keys);
        self
    }

    /// Keeps everything on a server, by its URL.
    #[must_use]
    pub fn on_server(mut self, url: &str) -> Self {
        self.store = Some(format!("url = {url:?}"));
        self
    }

    /// Its clock differs from this machine's, as `faketime` says it: `+5m`, `-5m`. Time passes as it does elsewhere.
    ///
    /// # Panics
    /// Debian's package `libfaketime` is not installed.
    #[must_use]
    pub fn with_clock(mut self, difference: &str) -> Self {
        let library = faketime().expect("libfaketime; hint: install it, as tests/run does");
        let variables = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", difference),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.environment.extend(variables);
        self
    }

    /// Adds tables as they stand.
    #[must_use]
    pub fn with(mut self, tables: &str) -> Self {
        self.more.push_str(tables);
        self
    }

    /// The text of the config for a listener on this port of loopback.
    pub fn to_toml(&self, port: u16) -> String {
        let mut text = format!(
            "hostname = \"relay.example.com\"\n\n\
             [store]\n{}\n\n\
             [[listener]]\naddress = \"127.0.0.1\"\nports = [\"{port}\"]\n\
             tls = \"{}\"\nrequire-tls-for-auth = {}\n{}\n",
            self.store
                .as_deref()
                .unwrap_or("url = \"sqlite://gatepost.db\""),
            self.tls,
            self.require_tls,
            self.more_listener
        );
        text.push_str(&self.delivery());
        text.push_str(&self.more_delivery);
        text.push_str(&self.sender_rules());
        for (index, (module, settings)) in self.modules.iter().enumerate() {
            let _ = write!(
                text,
                "\n[[policy.chain]]\nname = \"extra-{index}\"\nmodule = {:?}\nsettings = {settings}\n",
                module.display().to_string()
            );
        }
        text.push_str(&self.more);
        text
    }

    fn sender_rules(&self) -> String {
        if self.without_policies && self.modules.is_empty() {
            return "\n[policy]\nchain = []\n".to_owned();
        }
        if self.without_policies {
            return String::new();
        }
        format!(
            "\n[policy]\n[[policy.chain]]\nname = \"sender-rules\"\n\
             module = \"builtin:sender-rules\"\nsettings = {{ unauthorized = \"{}\" }}\n",
            self.unauthorized
        )
    }

    fn delivery(&self) -> String {
        match self.delivery {
            Delivery::Smarthost(port) => format!(
                "[delivery]\nmode = \"smarthost\"\n\
                 smarthost = {{ host = \"127.0.0.1\", port = {port}, tls = \"none\" }}\n"
            ),
            Delivery::Mx(port) => format!("[delivery]\nmode = \"mx\"\nmx-port = {port}\n"),
            Delivery::Maildir => "[delivery]\nmode = \"maildir\"\nmaildir = \"mail\"\n".into(),
        }
    }
}

/// Debian's library that answers programs which ask for the time.
fn faketime() -> Option<String> {
    let machines = std::fs::read_dir("/usr/lib").ok()?;
    let mut libraries = machines.filter_map(|machine| {
        let library = machine.ok()?.path().join("faketime/libfaketimeMT.so.1");
        library.is_file().then(|| library.display().to_string())
    });
    libraries.next()
}
