//! One connection per address, made when first needed and made again when it broke.
//!
//! Concurrent callers of an address share one dial. After a failed dial the address rests, doubling up to a limit, and
//! callers whose deadline ends sooner get the same failure at once. New TLS material ends the rest: what was refused
//! under the old says nothing about the new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::{KafkaError, Result};
use crate::wire::conn::{ConnectOptions, Connection};

const FIRST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Well below the broker's `connections.max.idle.ms` (10 minutes): a request must not meet a connection being closed.
const IDLE: Duration = Duration::from_secs(240);

/// Host and port as Kafka names them.
pub(crate) type Address = (String, u16);

pub(crate) struct Pool {
    options: ConnectOptions,
    slots: Mutex<HashMap<Address, Arc<Slot>>>,
}

type Slot = tokio::sync::Mutex<SlotState>;

#[derive(Default)]
struct SlotState {
    live: Option<(Connection, Instant)>,
    rest: Option<Rest>,
}

struct Rest {
    until: Instant,
    length: Duration,
    generation: u64,
    error: KafkaError,
}

impl Pool {
    pub(crate) fn new(options: ConnectOptions) -> Self {
        Self {
            options,
            slots: Mutex::default(),
        }
    }

    /// A usable connection to `address`, made if need be, before `deadline`.
    pub(crate) async fn get(&self, address: &Address, deadline: Instant) -> Result<Connection> {
        let slot = self.slot(address);
        // The lock is held while dialing, so that others wait for this dial and do not start their own.
        let Ok(mut slot) = timeout_at(deadline, slot.lock()).await else {
            return Err(KafkaError::Timeout {
                sent: false,
                api: "ApiVersions",
            });
        };
        let now = Instant::now();
        if let Some((conn, used)) = &mut slot.live
            && conn.is_usable()
            && now.duration_since(*used) < IDLE
        {
            *used = now;
            return Ok(conn.clone());
        }
        slot.live = None;

        let generation = self.generation();
        if let Some(rest) = slot
            .rest
            .as_ref()
            .filter(|rest| rest.generation == generation && now < rest.until)
        {
            if rest.until >= deadline {
                return Err(rest.error.clone());
            }
            sleep_until(rest.until).await;
        }
        match Connection::connect(&self.options, &address.0, address.1, deadline).await {
            Ok(conn) => {
                slot.rest = None;
                slot.live = Some((conn.clone(), Instant::now()));
                Ok(conn)
            }
            Err(error) => {
                let length = slot
                    .rest
                    .as_ref()
                    .map_or(FIRST_REST, |rest| (rest.length * 2).min(LONGEST_REST));
                slot.rest = Some(Rest {
                    until: Instant::now() + length,
                    length,
                    generation,
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    fn slot(&self, address: &Address) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(address) {
            return Arc::clone(slot);
        }
        // Pods come and go: addresses nobody uses and that hold no live connection are forgotten here.
        slots.retain(|_, slot| match slot.try_lock() {
            Ok(state) => {
                Arc::strong_count(slot) > 1
                    || state
                        .live
                        .as_ref()
                        .is_some_and(|(conn, _)| conn.is_usable())
            }
            Err(_) => true,
        });
        let slot = Arc::<Slot>::default();
        slots.insert(address.clone(), Arc::clone(&slot));
        slot
    }

    /// Whether a call to `address` would find a connection made.
    pub(crate) fn is_live(&self, address: &Address) -> bool {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(address).and_then(|slot| slot.try_lock().ok());
        slot.is_some_and(|slot| slot.live.as_ref().is_some_and(|(conn, _)| conn.is_usable()))
    }

    /// Closes every connection that no running call holds.
    pub(crate) fn clear(&self) {
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn generation(&self) -> u64 {
        self.options
            .tls
            .as_ref()
            .map_or(0, crate::tls::TlsConfig::generation)
    }
}
