//! Who may ask: bearer tokens, and what their holders may do. It knows no protocol.
//!
//! Where nothing is declared nobody needs a token, and the listener is on loopback; the configuration holds the one to the
//! other.

mod gate;
mod jwt;
mod tokens;

pub use gate::{Denied, Gate, GateError, Identity, Ways};
pub use jwt::{BadToken, KeysError, SourceError, keys_there};
pub use tokens::{Credential, NewToken, Principal, Role, TokenError, Tokens};
