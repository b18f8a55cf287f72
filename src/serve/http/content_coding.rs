//! Content codings: which one a request takes (RFC 9110, section 12.5.3), and bytes in it.

use std::io::{self, Write};
use std::mem;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::weights::weighted;
use crate::query::{ErrorKind, QueryError};
use crate::serve::json::AnswerLimits;

/// Compressed bytes are counted in parts of about this size.
const PART_BYTES: usize = 256 * 1024;
/// A balance of zstd's between time and size, its own default.
const ZSTD_LEVEL: i32 = 3;
/// What a browser says of whoever makes it ask: `same-origin` is a page of this listener, `none` a person.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Gzip,
}

impl Coding {
    /// The one that a request likes best; none if it likes the bytes as they are better, or asks for none.
    ///
    /// Nor for a page of another site that asks with nothing but what the browser adds, a certificate or the place on this machine: the size
    /// of what it may not read would tell it whether its guess is in there.
    pub(super) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let is_of_other_site =
            headers.get(FETCH_SITE).is_some_and(|site| !["same-origin", "none"].iter().any(|own| site == own));
        if is_of_other_site && !headers.contains_key(header::AUTHORIZATION) {
            return None;
        }
        let codings = weighted(headers, header::ACCEPT_ENCODING);
        let said = |names: &[&str]| {
            let weights = codings.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, weight)| *weight);
            weights.max()
        };
        let any = said(&["*"]).unwrap_or(0);
        let zstd = said(&["zstd"]).unwrap_or(any);
        let gzip = said(&["gzip", "x-gzip"]).unwrap_or(any);
        // What is not named is taken where nothing else is, and there is no third way where it is refused.
        let as_it_is = said(&["identity"]).unwrap_or(0).max(1);
        match zstd.max(gzip) {
            best if best < as_it_is => None,
            best if best == zstd => Some(Coding::Zstd),
            _ => Some(Coding::Gzip),
        }
    }

    pub(super) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        })
    }

    /// The parts in this coding. Each goes when it is read, and what comes of it is counted in its place.
    ///
    /// # Errors
    /// Where too many bytes of other answers wait for their readers.
    pub(super) fn compress(self, parts: Vec<Bytes>, limits: &AnswerLimits) -> Result<Vec<Bytes>, QueryError> {
        let internal = |error: io::Error| QueryError::new(ErrorKind::Internal, error.to_string());
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let mut encoder = Encoder::new(self, bytes).map_err(internal)?;
        let mut compressed = Vec::new();
        for part in parts {
            encoder.write(&part).map_err(internal)?;
            drop(part);
            if encoder.out().len() >= PART_BYTES {
                compressed.push(limits.hold(mem::take(encoder.out()))?);
            }
        }
        compressed.push(limits.hold(encoder.finish().map_err(internal)?)?);
        Ok(compressed)
    }
}

enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// `bytes` is how many there will be: of few of them zstd makes small tables.
    fn new(coding: Coding, bytes: u64) -> io::Result<Self> {
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.set_pledged_src_size(Some(bytes))?;
                Encoder::Zstd(encoder)
            }
            // Whoever wants it smaller takes the other one.
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    /// What has come out so far.
    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Encoder::Zstd(encoder) => encoder.get_mut(),
            Encoder::Gzip(encoder) => encoder.get_mut(),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::Gzip(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::serve::byte_budget::ByteBudget;

    #[test]
    fn the_coding_that_is_wanted_most_is_taken() {
        let wanted = |pairs: &[(HeaderName, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            Coding::wanted(&HeaderMap::from_iter(pairs))
        };
        let encoding = |value: &'static str| wanted(&[(header::ACCEPT_ENCODING, value)]);
        assert_eq!(wanted(&[]), None);
        for none in
            ["", "identity", "identity;q=0", "br", "gzip;q=0", "*;q=0", "zstd;q=0.5, identity;q=0.6", "gzip;q=2"]
        {
            assert_eq!(encoding(none), None, "{none}");
        }
        for zstd in ["zstd", "gzip, deflate, br, zstd", "*", "gzip;q=0.5, *;q=0.6", "identity;q=0.5, zstd"] {
            assert_eq!(encoding(zstd), Some(Coding::Zstd), "{zstd}");
        }
        for gzip in ["gzip", "x-gzip", "GZIP;q=0.1", "gzip, zstd;q=0.9", "*, zstd;q=0"] {
            assert_eq!(encoding(gzip), Some(Coding::Gzip), "{gzip}");
        }
        let of_page = |site| wanted(&[(header::ACCEPT_ENCODING, "gzip"), (FETCH_SITE, site)]);
        assert_eq!(["cross-site", "same-site"].map(of_page), [None; 2]);
        assert_eq!(["same-origin", "none"].map(of_page), [Some(Coding::Gzip); 2]);
        let token = (header::AUTHORIZATION, "Bearer x");
        let with_token = [(header::ACCEPT_ENCODING, "gzip"), (FETCH_SITE, "cross-site"), token];
        assert_eq!(wanted(&with_token), Some(Coding::Gzip));
    }

    #[test]
    fn what_is_compressed_is_the_same_again_and_is_counted_as_it_is_now() {
        let text: String = (0..400_000).map(|number| number.to_string()).collect();
        for coding in [Coding::Zstd, Coding::Gzip] {
            let limits = AnswerLimits { bytes: 8 << 20, budget: ByteBudget::new(8 << 20) };
            let parts = text.as_bytes().chunks(PART_BYTES).map(|part| limits.hold(part.to_vec()).unwrap()).collect();
            let before = limits.budget.taken();
            let compressed = coding.compress(parts, &limits).unwrap();
            let after = limits.budget.taken();
            let bytes = compressed.concat();
            // The last part may be one of those that are too small to count.
            assert!(after + (16 << 10) >= bytes.len() && after < before, "{coding:?}: {before} and {after}");
            let mut again = Vec::new();
            match coding {
                Coding::Zstd => again = zstd::decode_all(&*bytes).unwrap(),
                Coding::Gzip => {
                    GzDecoder::new(&*bytes).read_to_end(&mut again).unwrap();
                }
            }
            assert!(again == text.as_bytes(), "{coding:?}");
            drop(compressed);
            assert_eq!(limits.budget.taken(), 0);
        }
    }
}
