//! How messages get in and out.

pub mod http;
mod message;
mod owed;
pub mod stdio;
