//! Where a stream begins and ends, while nobody reads it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until, timeout};

use super::api::{ApiError, Reach, StreamApi};
use super::{JetStreamOptions, LOOK_LONGEST};
use crate::source::{Input, Source, StreamIdentity};

const LOOKS_EVERY: Duration = Duration::from_secs(2);

/// Says where a stream ends, and reads nothing of it: how far a source lags that is paused or has halted. While the server is away,
/// or another stream has the name, it says nothing.
#[derive(Debug)]
pub struct StreamEnd {
    options: JetStreamOptions,
    /// The stream that was read; none if none was opened yet.
    identity: Option<StreamIdentity>,
    api: Option<StreamApi>,
    next_look: Instant,
    /// The first and the last sequence.
    told: Option<(u64, u64)>,
}

impl StreamEnd {
    /// Looks at once, and now and again from then on.
    pub fn new(options: JetStreamOptions, identity: Option<StreamIdentity>) -> Self {
        Self { options, identity, api: None, next_look: Instant::now(), told: None }
    }

    async fn look(&mut self) -> Result<Option<(u64, u64)>, ApiError> {
        let is_there = match &self.api {
            Some(api) => api.reach().await == Reach::Connected,
            None => false,
        };
        if !is_there {
            self.api = Some(StreamApi::connect(&self.options).await?);
        }
        let Some(api) = &self.api else { return Ok(None) };
        let facts = api.stream().await?;
        let is_known = self.identity.as_ref().is_none_or(|known| known.is_of(&facts.created));
        Ok(is_known.then_some((facts.state.first_seq, facts.state.last_seq)))
    }
}

#[async_trait]
impl Source for StreamEnd {
    async fn next(&mut self) -> Input {
        loop {
            sleep_until(self.next_look).await;
            let found = timeout(LOOK_LONGEST, self.look()).await;
            self.next_look = Instant::now() + LOOKS_EVERY;
            match found {
                Ok(Ok(Some(ends))) if self.told.replace(ends) != Some(ends) => {
                    return Input::Ends { first_sequence: ends.0, last_sequence: ends.1 };
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(source = self.options.name, %error, "where its stream ends is not known")
                }
                Err(_) => tracing::debug!(source = self.options.name, "nobody says where its stream ends"),
            }
        }
    }
}
