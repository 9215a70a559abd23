//! Who may ask: the gateway's own key, and pages of other sites while there is no key.
//!
//! The client's key is the gateway's and never goes upstream. There are no CORS headers: a browser
//! lets no page of another site read an answer.

use std::net::IpAddr;

use allos_plugin_api::{ErrorKind, Secret};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::error::Failure;

/// The rules of access.
pub(crate) struct Access {
    /// The digest of the key, so that comparing takes the same time whatever the client sent.
    key: Option<[u8; 32]>,
}

impl Access {
    /// Rules by which every request needs the key, or none does.
    pub(crate) fn new(key: Option<&Secret>) -> Self {
        Self { key: key.map(|key| digest(key.expose().as_bytes())) }
    }

    /// Lets a request pass or says why not.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        match self.key {
            Some(key) => check_key(key, headers),
            None => check_origin(headers),
        }
    }
}

fn check_key(key: [u8; 32], headers: &HeaderMap) -> Result<(), Failure> {
    let Some(sent) = sent_key(headers) else {
        return Err(unauthorised("no API key was sent (hint: send `authorization: Bearer …`)"));
    };
    if digest(sent) == key { Ok(()) } else { Err(unauthorised("the API key is wrong")) }
}

fn sent_key(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
    });
    bearer.or_else(|| headers.get("x-api-key").map(HeaderValue::as_bytes))
}

fn unauthorised(message: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, ErrorKind::Authentication, message)
        .with_code("invalid_api_key")
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Without a key, a page of another site must not speak to a gateway on the user's own machine.
fn check_origin(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(header::ORIGIN) {
        Some(origin) if !is_local(origin) => {
            let message = "requests from web pages of other sites are refused \
                           (hint: set `[gateway] api_key`)";
            let failure = Failure::new(StatusCode::FORBIDDEN, ErrorKind::Permission, message);
            Err(failure.with_code("origin_not_allowed"))
        }
        _ => Ok(()),
    }
}

fn is_local(origin: &HeaderValue) -> bool {
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| {
        let host = rest.split('/').next().unwrap_or_default();
        let port = host.rfind(':').filter(|&at| !host[at..].contains(']'));
        port.map_or(host, |at| &host[..at])
    });
    host.is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let is_name = host == "localhost" || host.ends_with(".localhost");
        is_name || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            header::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn the_key_is_taken_from_either_header() {
        let access = Access::new(Some(&Secret::new("k1")));
        assert!(access.check(&headers("authorization", "bearer k1")).is_ok());
        assert!(access.check(&headers("x-api-key", "k1")).is_ok());
        assert!(access.check(&headers("authorization", "Bearer k2")).is_err());
        assert!(access.check(&headers("authorization", "k1")).is_err());
        assert!(access.check(&HeaderMap::new()).is_err());
    }

    #[test]
    fn without_a_key_only_pages_of_this_machine_may_ask() {
        let access = Access::new(None);
        for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
            assert!(access.check(&headers("origin", origin)).is_ok(), "{origin}");
        }
        for origin in ["https://example.com", "null", "http://127.0.0.1.example.com"] {
            assert!(access.check(&headers("origin", origin)).is_err(), "{origin}");
        }
        assert!(access.check(&HeaderMap::new()).is_ok());
    }
}
