//! The custom signals of one customer.

/// All of them, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pub(crate) items: Vec<Signal>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) id: String,
}
