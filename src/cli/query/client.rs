//! The daemon's HTTP as a client sees it: requests, problems as errors, the envelope of answers.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::Agent;

use crate::tls;

/// Longer than any query may take and any position may be waited for.
const TIMEOUT: Duration = Duration::from_secs(180);
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Exit code 1, every one of them.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "no daemon answers at {url}: {reason}\nhint: start one with `readside run`, or say where it is: --url or READSIDE_URL"
    )]
    Unreachable { url: String, reason: String },
    #[error("{detail}{}", hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default())]
    Refused { status: u16, detail: String, hint: Option<String> },
    #[error("{detail}\nhint: set READSIDE_TOKEN to a token of this daemon; `readside token create NAME` makes one")]
    NotAuthenticated { detail: String },
    #[error("`{name}` cannot be built: {message}")]
    Build { name: String, message: String },
    #[error("the daemon's answer is not understood: {0}")]
    Answer(String),
    #[error("`{0}` is not NAME=VALUE")]
    Assignment(String),
    #[error("cannot print the answer: {0}")]
    Output(#[from] io::Error),
}

impl ClientError {
    /// Whether nobody reads any more what is printed, as behind `| head -1`, which is no error.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The daemon at a URL.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    agent: Agent,
    /// The value of `Authorization`, if there is one.
    authorization: Option<String>,
}

impl Client {
    /// Authenticates by the token in READSIDE_TOKEN, if there is one: on a command line everybody on the machine could read it.
    pub fn new(url: &str) -> Self {
        let token = std::env::var("READSIDE_TOKEN").ok().filter(|token| !token.trim().is_empty());
        let authorization = token.map(|token| format!("Bearer {}", token.trim()));
        let mut config = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        if url.starts_with("https:") {
            config = config.tls_config(tls::of_the_system());
        }
        Self { url: url.trim_end_matches('/').to_owned(), agent: config.build().into(), authorization }
    }

    /// The answer's body.
    ///
    /// # Errors
    /// If the daemon does not answer, or answers with a problem.
    pub fn get<N: AsRef<str>, V: AsRef<str>>(&self, path: &[&str], query: &[(N, V)]) -> Result<String, ClientError> {
        let query = query.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        self.receive(self.authorized(self.agent.get(self.address(path))).query_pairs(query).call())
    }

    /// The answer's body.
    ///
    /// # Errors
    /// If the daemon does not answer, or answers with a problem.
    pub fn post(&self, path: &[&str], body: &Value) -> Result<String, ClientError> {
        self.post_text(path, body.to_string())
    }

    /// The answer's body, to parameters as the members of an object. A name may be there twice.
    ///
    /// # Errors
    /// If the daemon does not answer, or answers with a problem.
    pub fn post_parameters(&self, path: &[&str], parameters: &[(&str, String)]) -> Result<String, ClientError> {
        let members =
            parameters.iter().map(|(name, value)| format!("{}:{}", Value::from(*name), Value::from(value.as_str())));
        self.post_text(path, format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
    }

    fn post_text(&self, path: &[&str], body: String) -> Result<String, ClientError> {
        let request = self.authorized(self.agent.post(self.address(path))).content_type("application/json");
        self.receive(request.send(body))
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        }
    }

    fn address(&self, path: &[&str]) -> String {
        let mut url = self.url.clone();
        for part in path {
            url.push('/');
            for byte in part.bytes() {
                match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte.into()),
                    _ => url.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        url
    }

    /// The body of an answer; a problem becomes an error.
    fn receive(&self, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<String, ClientError> {
        let unreachable =
            |error: ureq::Error| ClientError::Unreachable { url: self.url.clone(), reason: error.to_string() };
        let mut response = response.map_err(unreachable)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(unreachable)?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(body);
        }
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let text = |name: &str| problem[name].as_str().map(str::to_owned);
        let detail = text("detail").unwrap_or_else(|| format!("the daemon answered with status {status}"));
        if status == 401 {
            return Err(ClientError::NotAuthenticated { detail });
        }
        Err(ClientError::Refused { status, detail, hint: text("hint") })
    }
}

pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, ClientError> {
    serde_json::from_str(body).map_err(|error| ClientError::Answer(error.to_string()))
}

/// The envelope of an answer.
#[derive(Deserialize)]
pub(super) struct Answer<T> {
    #[serde(default = "Vec::new")]
    pub(super) columns: Vec<AnswerColumn>,
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
    #[serde(default = "Option::default")]
    pub(super) item: Option<T>,
    pub(super) freshness: Value,
}

#[derive(Deserialize)]
pub(super) struct AnswerColumn {
    pub(super) name: String,
}

/// The members of an object in the order they were written.
pub(super) struct Row(pub(super) Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Row(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        let client = Client::new("http://127.0.0.1:1/");
        assert_eq!(client.address(&["v1", "../é?"]), "http://127.0.0.1:1/v1/..%2F%C3%A9%3F");
    }
}
