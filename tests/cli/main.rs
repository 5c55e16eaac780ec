//! The program, started as a person or a stdio client starts it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod canary;
mod catalog;
mod consent;
#[cfg(unix)]
mod consent_terminal;
mod demo;
mod documents;
mod healthcheck;
mod help;
mod journal;
#[cfg(target_os = "linux")]
mod key;
#[cfg(unix)]
mod key_commands;
mod log;
mod policy;
mod readme;
#[cfg(unix)]
mod redis;
mod sandbox;
mod search;
mod settings;
mod stdio;
mod stdio_end;
mod stdio_messages;
#[path = "../support/mod.rs"]
mod support;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod terminal_calls;
mod tool_list;
mod tools;
