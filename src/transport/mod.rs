//! How messages get in and out.

pub mod http;
mod message;
mod pending;
pub mod stdio;
