//! Tests of the room as a whole, through its public surface and what it leaves in the object store.

mod crash;
mod damage;
mod model;
mod steps;
mod writers;
