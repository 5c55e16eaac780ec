//! Where the server's own keys come from.

use scope3_mcp_gateway::credentials::{KeyRing, KeySource};

use super::{ConfigError, Settings, secrets};

impl Settings {
    /// The server's own keys.
    ///
    /// # Errors
    /// If the primary key is set more than once, or its command cannot be parsed. A missing or malformed primary key is
    /// not an error here: each call reports it to its caller.
    pub fn key_ring(&self) -> Result<KeyRing, ConfigError> {
        let source = match (&self.secrets.api_key, &self.api_key_file, &self.api_key_command) {
            (None, None, None) => KeySource::None,
            (Some(text), None, None) => KeySource::given(text),
            (None, Some(path), None) => KeySource::file(path.clone()),
            (None, None, Some(command)) => KeySource::command(self.words(command)?),
            (given, file, command) => {
                let given = given.as_ref().map(|_| secrets::API_KEY.to_owned());
                let file = file.as_ref().map(|_| self.name_of("api_key_file"));
                let command = command.as_ref().map(|_| self.name_of("api_key_command"));
                let names: Vec<String> = [given, file, command].into_iter().flatten().collect();
                let problem = format!("given more than once ({}); set one of them", names.join(", "));
                return Err(ConfigError::value("the API key", problem));
            }
        };
        Ok(KeyRing::new(source, self.secrets.backup_api_keys.clone(), self.secrets.api_key_issued))
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
