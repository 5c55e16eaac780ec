//! How much memory the answers of Scope3 may take, all together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an answer takes for each of its bytes until it is written out: the bytes, then their tree, then its text. A list of
/// small objects, which is what Scope3 sends, took 18 (15 MiB of objects with four members, peak of the process).
const MEMORY_PER_BYTE: usize = 18;

/// What is left of it when only the text for the client is there: an answer stands in it twice.
const MEMORY_PER_BYTE_OF_TEXT: usize = 3;

/// The unit that is counted, in bytes of an answer.
const UNIT_BYTES: usize = 8 * 1024;

/// The memory that answers may take together.
#[derive(Debug, Clone)]
pub struct ResponseMemory {
    units: Arc<Semaphore>,
    all: u32,
}

/// A part of the memory, held as long as an answer is.
#[derive(Debug, Default)]
pub struct MemoryPermit(Option<OwnedSemaphorePermit>);

/// Where the memory of an answer is held until the answer is sent. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub struct MemoryHolder(Arc<Mutex<MemoryPermit>>);

impl MemoryHolder {
    /// Holds the memory of an answer here.
    pub fn hold(&self, memory: MemoryPermit) {
        *self.lock() = memory;
    }

    /// Gives back what an answer no longer takes that is written out.
    pub fn written(&self) {
        let mut held = self.lock();
        if let Some(permit) = &mut held.0 {
            let needed = permit.num_permits() * MEMORY_PER_BYTE_OF_TEXT / MEMORY_PER_BYTE;
            drop(permit.split(permit.num_permits() - needed));
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
        let all = u32::try_from(bytes / MEMORY_PER_BYTE / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        Self { units: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Has `held` cover an answer that has grown to `length` bytes and may grow to `longest`.
    ///
    /// Where there is no room, what is held goes back, and all that the answer may still need is waited for at once:
    /// answers that each wait for a little more could wait for each other for ever. An answer longer than all there is
    /// has it to itself.
    pub(super) async fn cover(&self, held: &mut MemoryPermit, length: usize, longest: usize) {
        let wanted = self.units_of(length);
        if held.units() >= wanted {
            return;
        }
        // In large steps, so that a long answer asks seldom.
        let more = (2 * wanted).min(self.all) - held.units();
        if let Ok(more) = Arc::clone(&self.units).try_acquire_many_owned(more) {
            return held.add(more);
        }
        crate::instruments::bound_reached("response_memory");
        *held = MemoryPermit::default();
        // The semaphore is never closed.
        held.0 = Arc::clone(&self.units).acquire_many_owned(self.units_of(longest)).await.ok();
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX).min(self.all)
    }
}

impl MemoryPermit {
    /// Gives back what an answer of this length does not need.
    pub(super) fn shrink_to(&mut self, length: usize) {
        let needed = length / UNIT_BYTES;
        if let Some(permit) = &mut self.0 {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
        }
    }

    fn units(&self) -> u32 {
        self.0.as_ref().map_or(0, |permit| u32::try_from(permit.num_permits()).unwrap_or(u32::MAX))
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.0 {
            Some(permit) => permit.merge(more),
            None => self.0 = Some(more),
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
