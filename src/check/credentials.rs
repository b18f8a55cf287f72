//! The files by which readers are known and the listener proves itself: are they there, and do they hold what they should?

use super::Checked;
use crate::config::{Auth, Config, Jwt, Tls};
use crate::serve::auth::{Gate, keys_there};
use crate::serve::tls::faults;

pub(super) fn credentials(config: &Config) -> Vec<Checked> {
    let Auth { tokens, jwt, .. } = &config.auth;
    let mut checked: Vec<Checked> = config.http.tls.iter().flat_map(tls).collect();
    if let Some(path) = tokens {
        let alone = Auth { tokens: Some(path.clone()), jwt: None, mtls: None, anonymous: true };
        checked.push(match Gate::new(&alone) {
            Ok(_) => Checked::fine("auth.tokens", format!("{} can be read", path.display())),
            Err(error) => {
                let advice = "a daemon does not start so: see to it that its user may read the file; `readside token create NAME` makes a line of it";
                Checked::wrong("auth.tokens", error.to_string(), advice)
            }
        });
    }
    checked.extend(jwt.as_ref().map(keys));
    checked
}

/// What is wrong with each file of a listener's, or that nothing is.
fn tls(files: &Tls) -> Vec<Checked> {
    let subject = "http.tls";
    let faults = faults(files);
    if faults.is_empty() {
        let clients = if files.client_ca.is_some() { ", and so can the authorities of clients" } else { "" };
        let told = format!("{} and its key belong together and can be read{clients}", files.certificate.display());
        return vec![Checked::fine(subject, told)];
    }
    let advice =
        "a daemon does not start so: each is a PEM file that its user may read, and the key is that of the certificate";
    faults.iter().map(|fault| Checked::wrong(subject, fault.to_string(), advice)).collect()
}

fn keys(jwt: &Jwt) -> Checked {
    let subject = "auth.jwt.keys";
    match keys_there(jwt) {
        Ok(count) => {
            let plural = if count == 1 { "" } else { "s" };
            Checked::fine(subject, format!("{count} key{plural} in {}", jwt.keys))
        }
        Err(error) => {
            let advice = "no JSON Web Token is taken without them, and with a file a daemon does not start: it is a JSON Web Key Set, which the daemon's user may read";
            Checked::wrong(subject, error.to_string(), advice)
        }
    }
}
