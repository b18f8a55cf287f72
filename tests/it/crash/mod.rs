//! P2 and what goes wrong, with the built program and a real nats-server.
//!
//! `READSIDE_BIN` chooses another build of the program. The crash test in its long form:
//!
//!     CRASH_EVENTS=1000000 CRASH_KILLS=20 cargo test --test it crash::kills -- --nocapture

pub(crate) mod daemon;
mod damage;
mod digest;
mod disk;
mod folder;
mod kills;
pub(crate) mod shop;
mod sources;
mod writers;
