//! How messages get in and out.

pub mod http;
pub mod stdio;
