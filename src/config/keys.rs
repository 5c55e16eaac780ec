//! Where the server's own keys come from.

use scope3_mcp_gateway::credentials::{KeyRing, KeySource, Keychain};

use super::{ConfigError, Settings, secrets};

impl Settings {
    /// The server's own keys.
    ///
    /// # Errors
    /// If the primary key is set more than once, or its command cannot be parsed. A missing or malformed primary key is
    /// not an error here: each call reports it to its caller.
    pub fn key_ring(&self) -> Result<KeyRing, ConfigError> {
        let given =
            self.secrets.api_key.as_ref().map(|text| (secrets::API_KEY.to_owned(), KeySource::given(text)));
        let file = self
            .api_key_file
            .as_ref()
            .map(|path| (self.name_of("api_key_file"), KeySource::file(path.clone())));
        let words = self.api_key_command.as_deref().map(|command| self.words(command)).transpose()?;
        let command = words.map(|words| (self.name_of("api_key_command"), KeySource::command(words)));
        let keychain = || (self.name_of("api_key_keychain"), KeySource::keychain(Keychain::default()));
        let keychain = self.api_key_keychain.then(keychain);
        let (names, mut sources): (Vec<_>, Vec<_>) =
            [given, file, command, keychain].into_iter().flatten().unzip();
        if names.len() > 1 {
            let problem = format!("given more than once ({}); set one of them", names.join(", "));
            return Err(ConfigError::value("the API key", problem));
        }
        let source = sources.pop().unwrap_or(KeySource::None);
        Ok(KeyRing::new(source, self.secrets.backup_api_keys.clone(), self.secrets.api_key_issued))
    }

    /// Whether the server has its own key, or a source for one.
    #[must_use]
    pub fn has_own_key(&self) -> bool {
        self.sandbox
            || self.api_key_file.is_some()
            || self.api_key_command.is_some()
            || self.api_key_keychain
            || self.secrets.api_key.is_some()
            || !self.secrets.backup_api_keys.is_empty()
    }

    fn words(&self, command: &str) -> Result<Vec<String>, ConfigError> {
        match shell_words::split(command) {
            Ok(words) if !words.is_empty() => Ok(words),
            _ => {
                let problem = "expected a program and its arguments, quoted as in a shell";
                Err(ConfigError::value(self.name_of("api_key_command"), problem))
            }
        }
    }
}
