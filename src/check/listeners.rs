//! The addresses to listen on: free, or taken by a daemon of ours.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use super::Checked;
use crate::config::Config;

const ANSWER_LONGEST: Duration = Duration::from_secs(2);

pub(super) fn listeners(config: &Config) -> Vec<Checked> {
    let of = |key: &str, listen: &str, path: &str| {
        let subject = format!("{key}.listen");
        match TcpListener::bind(listen) {
            Ok(_) => Checked::fine(subject, format!("{listen} is free")),
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_ours(listen, path) => {
                Checked::fine(subject, format!("{listen} has a Readside already"))
            }
            Err(error) => {
                let advice = format!("stop the program that has it, or change `{key}.listen`");
                Checked::wrong(subject, format!("{listen}: {error}"), advice)
            }
        }
    };
    vec![of("http", &config.http.listen, "/v1/sources"), of("metrics", &config.metrics_listen, "/metrics")]
}

/// Whether what answers there is a Readside, by what only one answers.
fn is_ours(listen: &str, path: &str) -> bool {
    let address = listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_LONGEST)).build().into();
    let answer = agent.get(format!("http://{address}{path}")).call();
    let body = answer.ok().and_then(|mut answer| answer.body_mut().read_to_string().ok());
    body.is_some_and(|body| body.contains("readside_build_info") || body.contains("\"freshness\""))
}
