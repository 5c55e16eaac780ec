//! `scope3-mcp key`: the API key in the keychain of the operating system.

use std::io::{self, IsTerminal, Read, Write};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use jiff::{Timestamp, tz::Offset};
use scope3_mcp_gateway::credentials::{ApiKey, Keychain, KeychainError};
use secrecy::SecretString;

use super::CommandError;

/// More than any key has.
const MAX_INPUT_BYTES: u64 = 16 * 1024;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Store the API key, read from the terminal without showing it, or from standard input
    Set,
    /// Remove the API key
    Remove,
    /// Show the fingerprint of the API key and when it was stored, never the key
    Show,
}

pub(super) fn run(arguments: Arguments) -> Result<(), CommandError> {
    let keychain = Keychain::default();
    match arguments.command {
        Command::Set => set(&keychain),
        Command::Remove => remove(&keychain),
        Command::Show => show(&keychain),
    }
}

fn set(keychain: &Keychain) -> Result<(), CommandError> {
    let text = if io::stdin().is_terminal() { ask()? } else { read()? };
    let key = ApiKey::configured(&text)
        .map_err(|why| anyhow!("nothing was stored: the key is malformed: {why}"))?;
    let today = Offset::UTC.to_datetime(Timestamp::now()).date();
    keychain.set(&key, today).map_err(unusable)?;
    let mut out = io::stdout();
    writeln!(out, "Stored the key {} in this system's keychain:", key.fingerprint())?;
    writeln!(out, "the {}.", Keychain::NAME)?;
    writeln!(out, "Use it with --api-key-keychain, or with SCOPE3_API_KEY_KEYCHAIN=true.")?;
    if !key.has_usual_length() {
        let mut err = io::stderr();
        writeln!(err, "warning: its client id does not have 32 characters; perhaps the key is cut off")?;
    }
    Ok(())
}

fn remove(keychain: &Keychain) -> Result<(), CommandError> {
    let message = match keychain.remove() {
        Ok(()) => "Removed the key.",
        Err(KeychainError::Empty) => "The keychain has no key.",
        Err(error) => return Err(unusable(error)),
    };
    Ok(writeln!(io::stdout(), "{message}")?)
}

fn show(keychain: &Keychain) -> Result<(), CommandError> {
    let stored = keychain.get().map_err(unusable)?;
    let date = stored.stored.map_or_else(|| "unknown".to_owned(), |date| date.to_string());
    let mut out = io::stdout();
    writeln!(out, "key     {}", stored.key.fingerprint())?;
    writeln!(out, "stored  {date}")?;
    writeln!(out, "place   {}", Keychain::NAME)?;
    Ok(())
}

fn unusable(error: KeychainError) -> CommandError {
    CommandError::Failed(error.into())
}

/// Reads the key from the terminal, without showing it.
fn ask() -> Result<SecretString, CommandError> {
    let text =
        rpassword::prompt_password("Scope3 API key (it is not shown): ").context("cannot read the key")?;
    Ok(text.into())
}

/// Reads the key from standard input.
fn read() -> Result<SecretString, CommandError> {
    let mut text = String::new();
    io::stdin().take(MAX_INPUT_BYTES).read_to_string(&mut text).context("cannot read the key")?;
    Ok(text.into())
}
