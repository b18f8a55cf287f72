//! The name that a request was sent to. A page of any site can point a name of its own at 127.0.0.1 and then read what answers
//! there as if it were its own (DNS rebinding), so a loopback listener answers to names that no stranger can point at it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header;
use axum::response::Response;

use super::problem;

/// Names that a listener answers to, beside those that are always fine.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    pub(super) is_loopback: bool,
    pub(super) named: Arc<[String]>,
}

impl Hosts {
    /// Public DNS gives nobody an address, `localhost`, or a name without a dot.
    fn answers_to(&self, host: &str) -> bool {
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let is_local = !name.is_empty() && (!name.contains('.') || name.ends_with(".localhost"));
        !self.is_loopback || is_address || is_local || self.named.contains(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Refuses requests that were sent to a stranger's name.
pub(super) async fn check_host(
    hosts: &Hosts,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let named = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("."));
    let host = request.uri().host().or(named);
    match host.filter(|host| !hosts.answers_to(host)) {
        None => next(request).await,
        Some(host) => {
            let detail =
                format!("this listener does not answer to the name `{host}`; add it to http.hosts if it is yours");
            problem::plain(421, "unknown-host", "Misdirected request", detail, request.uri())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_listener_answers_to_names_that_no_stranger_can_give_it() {
        let hosts = Hosts { is_loopback: true, named: Arc::from(["readside.example".to_owned()]) };
        let fine =
            ["localhost:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[::1]", "readside:80", "a.localhost"];
        let own = ["READSIDE.example:8080", "readside.example."];
        for host in fine.iter().chain(&own) {
            assert!(hosts.answers_to(host), "{host}");
        }
        for host in ["attacker.example", "127.0.0.1.attacker.example:8080", "localhost.example", "."] {
            assert!(!hosts.answers_to(host), "{host}");
        }
        assert!(Hosts { is_loopback: false, ..hosts }.answers_to("attacker.example"));
    }
}
