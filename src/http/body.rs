//! Reading bodies: each within its size, all together within a budget of memory, and none for longer than its time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::dev::Payload;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::time::timeout;

use super::ApiError;

/// What a body without a declared length gets first; it doubles from there.
const FIRST: usize = 16 * 1024;

/// Memory that bodies in flight share.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    reserved: AtomicUsize,
}

/// A part of a budget; given back when dropped, however the request ends.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Budget,
    bytes: usize,
}

/// What a kind of request may bring.
#[derive(Debug)]
pub(super) struct Gate {
    limit: usize,
    budget: Budget,
    patience: Duration,
}

/// A body that has arrived, with the memory that it was promised.
#[derive(Debug)]
pub(super) struct Body {
    /// Its bytes.
    pub(super) bytes: Bytes,
    _memory: Reservation,
}

impl Budget {
    /// So many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Account {
            limit: bytes,
            reserved: AtomicUsize::new(0),
        }))
    }

    #[cfg(test)]
    fn reserved(&self) -> usize {
        self.0.reserved.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let room = |reserved: usize| reserved.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        self.0
            .reserved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    }
}

impl Reservation {
    fn new(budget: &Budget, bytes: usize) -> Result<Self, ApiError> {
        let mut reservation = Self {
            budget: budget.clone(),
            bytes: 0,
        };
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        if !self.budget.take(bytes) {
            return Err(ApiError::Overloaded(
                "the bodies in flight leave no memory for this one",
            ));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Gate {
    /// Bodies up to `limit` bytes that arrive within `patience`, as long as the budget has room.
    pub(super) fn new(limit: usize, budget: Budget, patience: Duration) -> Self {
        Self {
            limit,
            budget,
            patience,
        }
    }

    /// How much memory bodies hold now.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.budget.reserved()
    }

    /// Refuses what says of itself that it is too large, before anything else is looked at.
    pub(super) fn admit(&self, declared: Option<u64>) -> Result<(), ApiError> {
        match declared {
            Some(length) if length > self.limit as u64 => Err(ApiError::TooLarge(self.limit)),
            _ => Ok(()),
        }
    }

    /// Reads a body. A declared length is reserved before the first byte is read, and never outgrown: actix reads no
    /// further than that.
    pub(super) async fn read(&self, payload: &mut Payload, declared: Option<u64>) -> Result<Body, ApiError> {
        self.admit(declared)?;
        let first = declared.map_or(FIRST.min(self.limit), |length| {
            usize::try_from(length).unwrap_or(self.limit)
        });
        let memory = Reservation::new(&self.budget, first)?;
        timeout(self.patience, self.collect(payload, memory))
            .await
            .unwrap_or(Err(ApiError::TooSlow))
    }

    async fn collect(&self, payload: &mut Payload, mut memory: Reservation) -> Result<Body, ApiError> {
        let mut bytes = BytesMut::with_capacity(memory.bytes);
        while let Some(chunk) = payload.next().await {
            // A hang-up, or framing that is not HTTP's: either way the rest will not come.
            let chunk = chunk.map_err(|_| ApiError::Incomplete)?;
            let length = bytes.len() + chunk.len();
            if length > self.limit {
                return Err(ApiError::TooLarge(self.limit));
            }
            if length > memory.bytes {
                let doubled = memory.bytes.saturating_mul(2).clamp(length, self.limit);
                memory.grow(doubled - memory.bytes)?;
                bytes.reserve(doubled - bytes.len());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body {
            bytes: bytes.freeze(),
            _memory: memory,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_overdrawn_and_is_whole_again_in_the_end() {
        let budget = Budget::new(100);
        let mut first = Reservation::new(&budget, 60).unwrap();
        assert!(Reservation::new(&budget, 41).is_err());
        let second = Reservation::new(&budget, 40).unwrap();
        assert!(first.grow(1).is_err());
        assert_eq!(budget.reserved(), 100);
        drop(second);
        first.grow(40).unwrap();
        assert!(Reservation::new(&budget, usize::MAX).is_err());
        drop(first);
        assert_eq!(budget.reserved(), 0);
    }

    #[test]
    fn a_declared_length_is_judged_before_anything_is_read() {
        let gate = Gate::new(10, Budget::new(100), Duration::from_secs(1));
        assert!(gate.admit(None).is_ok());
        assert!(gate.admit(Some(10)).is_ok());
        assert!(matches!(gate.admit(Some(11)), Err(ApiError::TooLarge(10))));
        assert!(matches!(gate.admit(Some(u64::MAX)), Err(ApiError::TooLarge(10))));
    }
}
