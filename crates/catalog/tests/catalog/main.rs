//! Tests of the catalog alone: the format of its files, what the build refuses, which arguments are valid.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod budgets;
mod build_script;
mod buyer;
mod finding;
mod format;
mod nested_arguments;
