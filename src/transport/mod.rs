//! How messages get in and out.

pub mod stdio;
