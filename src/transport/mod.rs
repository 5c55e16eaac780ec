//! How messages get in and out.

pub mod http;
mod message;
pub mod stdio;
