//! The memory that all responses of Scope3 may use together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory that a response uses per byte until it is serialized: the bytes, their tree and the text. Measured: 18 for a list
/// of small objects, as Scope3 sends them (15 MiB of objects with four members, peak of the process).
const MEMORY_PER_BYTE: usize = 18;

/// Memory per byte when only the text for the client is left, which contains the data twice.
const MEMORY_PER_BYTE_OF_TEXT: usize = 3;

/// The share of the memory that is for texts that wait to be sent: one part in this many. Responses that are still read
/// never wait for these, because a client decides when a text is sent.
const TEXT_SHARE: usize = 4;

/// The unit of accounting, in bytes of a response.
const UNIT_BYTES: usize = 8 * 1024;

/// The memory that responses may use together.
#[derive(Debug, Clone)]
pub struct ResponseMemory {
    units: Arc<Semaphore>,
    all: u32,
    texts: Arc<Semaphore>,
}

/// A part of the memory, reserved as long as a response is in use.
#[derive(Debug, Default)]
pub struct MemoryPermit {
    units: Option<OwnedSemaphorePermit>,
    /// Where the permit of the text comes from, once the response is serialized.
    texts: Option<Arc<Semaphore>>,
}

/// Holds the memory of a response until the result is sent. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryHolder(Arc<Mutex<MemoryPermit>>);

impl MemoryHolder {
    /// Takes over the memory of a response.
    pub fn hold(&self, memory: MemoryPermit) {
        *self.lock() = memory;
    }

    /// Releases what a serialized response no longer uses.
    pub fn written(&self) {
        let mut held = self.lock();
        let Some(permit) = &mut held.units else { return };
        let needed = permit.num_permits() * MEMORY_PER_BYTE_OF_TEXT / MEMORY_PER_BYTE;
        drop(permit.split(permit.num_permits() - needed));
        let needed = u32::try_from(needed).unwrap_or(u32::MAX);
        // Texts that do not fit into their share stay in that of the responses.
        if let Some(text) = held.texts.take().and_then(|texts| texts.try_acquire_many_owned(needed).ok()) {
            held.units = Some(text);
        }
    }

    fn lock(&self) -> MutexGuard<'_, MemoryPermit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResponseMemory {
    /// Room for `bytes` of memory.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let units =
            |bytes: usize| u32::try_from(bytes / MEMORY_PER_BYTE / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        let texts = bytes / TEXT_SHARE;
        let all = units(bytes - texts);
        Self {
            units: Arc::new(Semaphore::new(all as usize)),
            all,
            texts: Arc::new(Semaphore::new(units(texts) as usize)),
        }
    }

    /// Reserves memory for a response that has grown to `length` bytes and may grow to `longest`.
    ///
    /// If there is not enough, this releases what is held and waits for the maximum at once: responses that each wait for a
    /// little more could deadlock. A response that needs more than there is gets all of it.
    pub(super) async fn cover(&self, held: &mut MemoryPermit, length: usize, longest: usize) {
        let wanted = self.units_of(length);
        if held.units() >= wanted {
            return;
        }
        held.texts = Some(Arc::clone(&self.texts));
        // In large steps, so that a large response asks rarely.
        let more = (2 * wanted).min(self.all) - held.units();
        if let Ok(more) = Arc::clone(&self.units).try_acquire_many_owned(more) {
            return held.add(more);
        }
        crate::instruments::bound_reached("response_memory");
        held.units = None;
        // The semaphore is never closed.
        held.units = Arc::clone(&self.units).acquire_many_owned(self.units_of(longest)).await.ok();
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX).min(self.all)
    }
}

impl MemoryPermit {
    /// Releases what a response of this length does not need.
    pub(super) fn shrink_to(&mut self, length: usize) {
        let needed = length / UNIT_BYTES;
        if let Some(permit) = &mut self.units {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
        }
    }

    fn units(&self) -> u32 {
        self.units.as_ref().map_or(0, |permit| u32::try_from(permit.num_permits()).unwrap_or(u32::MAX))
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.units {
            Some(permit) => permit.merge(more),
            None => self.units = Some(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MIB: usize = 1024 * 1024;

    #[tokio::test]
    async fn answers_wait_for_memory_and_never_for_each_other() {
        let memory = ResponseMemory::new(8 * MIB);
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let memory = memory.clone();
                tokio::spawn(async move {
                    let mut held = MemoryPermit::default();
                    for length in [100, MIB / 4, MIB / 2, MIB] {
                        memory.cover(&mut held, length, 2 * MIB).await;
                        tokio::task::yield_now().await;
                    }
                    held.shrink_to(MIB / 2);
                })
            })
            .collect();
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
        }
        assert_eq!(memory.units.available_permits(), memory.all as usize, "all of it came back");
    }

    #[tokio::test]
    async fn a_response_never_waits_for_a_text_that_a_client_does_not_read() {
        let memory = ResponseMemory::new(8 * MIB);
        let free = memory.texts.available_permits();
        let unread = MemoryHolder::default();
        let mut held = MemoryPermit::default();
        memory.cover(&mut held, MIB / 4, 2 * MIB).await;
        unread.hold(held);
        unread.written();
        assert!(memory.texts.available_permits() < free, "the text is counted");
        // It needs all of the memory for responses.
        let mut next = MemoryPermit::default();
        let cover = memory.cover(&mut next, MIB, 2 * MIB);
        tokio::time::timeout(Duration::from_secs(10), cover).await.unwrap();
        drop((unread, next));
        let left = (memory.units.available_permits(), memory.texts.available_permits());
        assert_eq!(left, (memory.all as usize, free), "all of it came back");
    }

    #[tokio::test]
    async fn what_is_held_is_what_an_answer_needs() {
        let memory = ResponseMemory::new(8 * MIB);
        let mut held = MemoryPermit::default();
        memory.cover(&mut held, UNIT_BYTES - 1, MIB).await;
        assert_eq!(held.units(), 0, "small answers are not counted");
        memory.cover(&mut held, 10 * UNIT_BYTES, MIB).await;
        assert_eq!(held.units(), 20);
        held.shrink_to(11 * UNIT_BYTES);
        assert_eq!(held.units(), 11);
        drop(held);
        assert_eq!(memory.units.available_permits(), memory.all as usize);
    }
}
