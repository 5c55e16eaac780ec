//! The path of a call, from a tool's name to its result: catalog, arguments, keys, limits, and the API client.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod answers;
mod api_client;
mod arguments;
mod arguments_bounds;
mod attempts;
mod budgets;
mod catalog;
mod consent;
mod customers;
mod discover;
mod documents;
mod effects;
mod every_tool;
mod failures;
mod faults;
mod interchange;
mod journal;
mod keys;
mod limits;
mod policy;
mod policy_effects;
mod policy_files;
mod policy_owners;
mod questions;
mod removals;
mod results;
#[path = "../../crates/sandbox/tests/api/interchange/sample.rs"]
mod sample;
mod seller;
mod signed_uploads;
#[path = "../support/mod.rs"]
mod support;
mod surfaces;
mod twins;
mod uploads;
mod waiting;
mod waits;
