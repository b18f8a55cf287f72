//! Posts what is exported. It waits for the answer, so that only threads of the exporters may call it.

use std::sync::Arc;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use ureq::Agent;

use super::outbox::Outbox;
use super::settings::{OtlpError, Target};
use crate::tls;

/// A collector's answer says in a few words what it has not taken.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: Agent,
    outbox: Arc<Outbox>,
}

impl Client {
    /// # Errors
    /// Where the certificates that it is to trust cannot be read.
    pub(super) fn new(target: &Target, outbox: Arc<Outbox>) -> Result<Self, OtlpError> {
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let mut config = config.timeout_global(Some(target.timeout));
        if target.endpoint.scheme_str() == Some("https") {
            config = config.tls_config(match &target.certificate {
                None => tls::of_the_system(),
                Some((variable, path)) => {
                    let wrong = |problem| OtlpError { variable: variable.clone(), problem };
                    let unreadable = |error| wrong(format!("is `{}`, which cannot be read: {error}", path.display()));
                    let pem = std::fs::read(path).map_err(unreadable)?;
                    let none = || wrong(format!("is `{}`, which has no certificate in PEM", path.display()));
                    tls::of_pem(&pem).ok_or_else(none)?
                }
            });
        }
        Ok(Self { agent: config.build().into(), outbox })
    }

    /// The answer, whatever it says. Why there is none, or no good one, is noted for the warning.
    pub(super) fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(parts, &body[..])).and_then(|answer| {
            let (parts, mut body) = answer.into_parts();
            let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
            Ok(Response::from_parts(parts, Bytes::from(body)))
        });
        match &answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.outbox.attempt_failed(format!("it answers with status {}", answer.status().as_u16())),
            Err(error) => self.outbox.attempt_failed(error.to_string()),
        }
        Ok(answer?)
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.send(request)
    }
}
