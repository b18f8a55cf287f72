//! The place where checkpoints are kept: an address, and how an object store there is reached.

use std::fmt;

use super::remote::Service;
use crate::config::StoreAccess;

/// A local folder (a path or `file://` URL), `memory://`, or an object store: `s3://`, `gs://` or `az://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub location: String,
    pub access: StoreAccess,
}

impl Place {
    pub fn new(location: &str, access: &StoreAccess) -> Self {
        Self { location: location.to_owned(), access: access.clone() }
    }

    /// Whether it is a store elsewhere, over HTTP.
    pub(super) fn is_remote(&self) -> bool {
        self.location.split_once("://").is_some_and(|(scheme, _)| Service::of_scheme(scheme).is_some())
    }

    /// The folder, if it is a local one.
    pub fn folder(&self) -> Option<&str> {
        match self.location.split_once("://") {
            None => Some(&self.location),
            Some(("file", path)) => Some(path),
            Some(_) => None,
        }
    }
}

/// Reached as the environment says.
impl From<&str> for Place {
    fn from(location: &str) -> Self {
        Self::new(location, &StoreAccess::default())
    }
}

impl From<&String> for Place {
    fn from(location: &String) -> Self {
        location.as_str().into()
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)
    }
}
