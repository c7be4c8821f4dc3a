//! One partition's place in a producer's sequence, and what an answer means for the batch that waits for it.
//!
//! Owns the rule that makes a repeated batch harmless: a sequence number is used again only for the same batch, or when
//! the first one certainly is not in the log. Sending and routing are the producer's.

use std::collections::VecDeque;

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use tokio::sync::OwnedMutexGuard;

use super::producer::Delivery;
use crate::error::{KafkaError, Result, code};
use crate::wire::rpc::Rpc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
}

/// A partition's place in the sequence.
///
/// While a call uses the lane the place is with its job: a call that is dropped half-way leaves `None` behind, and the
/// next one starts under another producer id. To reuse the number of a batch that may be in the log would make the
/// broker take the next batch for that one, and drop it as a duplicate.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) at: Option<(Identity, i32)>,
    /// The producer id last used here: not to be started from 0 again.
    pub(super) spent: Option<Identity>,
}

/// The batches of one partition in one call.
pub(super) struct Job {
    pub(super) partition: i32,
    pub(super) lane: OwnedMutexGuard<Lane>,
    pub(super) at: Option<(Identity, i32)>,
    /// Batch by batch, the positions of its records in the caller's list.
    pub(super) chunks: VecDeque<Vec<usize>>,
    /// The first of `chunks`, encoded.
    pub(super) current: Option<Bytes>,
    /// The current batch may be in the log.
    pub(super) in_doubt: bool,
    pub(super) last: Option<KafkaError>,
}

impl Job {
    /// Acts on the answer for a job's batch. Whether that settled the batch.
    pub(super) fn settle(
        &mut self,
        answer: Result<i64>,
        outcome: &mut [Option<Result<Delivery>>],
    ) -> bool {
        let error = match answer {
            Ok(base) => {
                let partition = self.partition;
                let offset = |at: i64| (base >= 0).then_some(base + at);
                self.advance();
                self.finish(
                    |at| {
                        Ok(Delivery {
                            partition,
                            offset: offset(at),
                        })
                    },
                    outcome,
                );
                return true;
            }
            Err(error) => error,
        };
        match error.code() {
            // The broker has this very batch already: an earlier try got through.
            Some(code::DUPLICATE_SEQUENCE_NUMBER) => {
                let partition = self.partition;
                self.advance();
                self.finish(
                    |_| {
                        Ok(Delivery {
                            partition,
                            offset: None,
                        })
                    },
                    outcome,
                );
                true
            }
            // The broker's memory of us and ours disagree. A batch that was tried once before may be in the log.
            Some(
                code::OUT_OF_ORDER_SEQUENCE_NUMBER
                | code::UNKNOWN_PRODUCER_ID
                | code::INVALID_PRODUCER_EPOCH,
            ) => {
                self.fail_all(&error, outcome);
                true
            }
            Some(_) if !error.is_passing() && self.in_doubt => {
                self.fail_all(&error, outcome);
                true
            }
            Some(_) if !error.is_passing() => {
                // Refused whole: nothing was appended, so the sequence number is free again.
                self.finish(|_| Err(error.clone()), outcome);
                true
            }
            None if matches!(
                error,
                KafkaError::Config { .. } | KafkaError::Protocol { .. }
            ) =>
            {
                self.fail_all(&error, outcome);
                true
            }
            _ => {
                tracing::debug!(partition = self.partition, %error, "batch will be repeated");
                self.in_doubt |= match error.code() {
                    // Appended, but not replicated in time.
                    Some(code) => matches!(
                        code,
                        code::REQUEST_TIMED_OUT | code::NOT_ENOUGH_REPLICAS_AFTER_APPEND
                    ),
                    None => error.was_sent(),
                };
                self.last = Some(error);
                false
            }
        }
    }

    pub(super) fn chunk_len(&self) -> usize {
        self.chunks.front().map_or(0, Vec::len)
    }

    /// The current batch took its sequence numbers.
    pub(super) fn advance(&mut self) {
        let len = self.chunk_len();
        if let Some((_, next)) = &mut self.at {
            *next = next_sequence(*next, len);
        }
    }

    /// Gives each record of the current batch its verdict and moves on to the next.
    pub(super) fn finish(
        &mut self,
        verdict: impl Fn(i64) -> Result<Delivery>,
        outcome: &mut [Option<Result<Delivery>>],
    ) {
        for (delta, at) in (0_i64..).zip(self.chunks.pop_front().unwrap_or_default()) {
            if let Some(slot) = outcome.get_mut(at) {
                *slot = Some(verdict(delta));
            }
        }
        self.current = None;
        self.in_doubt = false;
        self.last = None;
    }

    /// Fails everything left of the job; the lane starts over.
    pub(super) fn fail_all(
        &mut self,
        error: &KafkaError,
        outcome: &mut [Option<Result<Delivery>>],
    ) {
        self.at = None;
        while !self.chunks.is_empty() {
            self.finish(|_| Err(error.clone()), outcome);
        }
    }

    /// The deadline passed. A batch that may be in the log leaves the lane's sequence in doubt.
    pub(super) fn give_up(&mut self, outcome: &mut [Option<Result<Delivery>>]) {
        let timeout = |sent| KafkaError::Timeout {
            sent,
            api: ProduceRequest::NAME,
        };
        let refused = self
            .last
            .take()
            .filter(|_| !self.in_doubt)
            .unwrap_or(timeout(self.in_doubt));
        if self.in_doubt {
            self.at = None;
        }
        self.finish(|_| Err(refused.clone()), outcome);
        while !self.chunks.is_empty() {
            self.finish(|_| Err(timeout(false)), outcome);
        }
        self.lane.at = self.at;
    }
}

/// Sequence numbers wrap from `i32::MAX` to 0.
fn next_sequence(first: i32, records: usize) -> i32 {
    let next = (i64::from(first) + records as i64) % (i64::from(i32::MAX) + 1);
    i32::try_from(next).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_where_kafka_wraps_them() {
        assert_eq!(next_sequence(0, 3), 3);
        assert_eq!(next_sequence(i32::MAX, 1), 0);
        assert_eq!(next_sequence(i32::MAX - 1, 4), 2);
    }
}
