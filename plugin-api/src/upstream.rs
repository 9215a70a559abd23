//! The vendor's HTTP API, as one provider instance asks it: its address, its headers, its key.

use std::fmt;

use crate::config::{ProviderConfig, Secret};
use crate::error::{ErrorKind, ProviderError};
use crate::host::{Host, HttpRequest, HttpResponse};

/// Where and how to ask a vendor.
///
/// ```
/// # use allos_plugin_api::*;
/// # fn upstream(config: &ProviderConfig, host: Host) -> Upstream {
/// Upstream::new(config, host, "https://api.example.com/v1")
///     .with_key(config, "authorization", "Bearer ", "EXAMPLE_API_KEY")
/// # }
/// # async fn ask(upstream: &Upstream) -> Result<HttpResponse, ProviderError> {
/// upstream.send(upstream.post("/chat", r#"{"model":"m"}"#)).await
/// # }
/// ```
pub struct Upstream {
    host: Host,
    instance: String,
    base_url: String,
    is_vendors_own: bool,
    headers: Vec<(String, Secret)>,
    key: Option<Key>,
}

/// The header that carries the key, and who needs one.
struct Key {
    header: String,
    variable: &'static str,
    /// Whether it is needed at another address than the vendor's own.
    everywhere: bool,
}

impl Upstream {
    /// The API at the address that is configured, or at the vendor's own, which is what the
    /// vendor's SDK takes. The headers that are configured go with every request.
    pub fn new(config: &ProviderConfig, host: Host, base_url: &str) -> Self {
        let headers = config.headers.iter();
        Self {
            host,
            instance: config.instance.clone(),
            is_vendors_own: config.base_url_or(base_url) == base_url.trim_end_matches('/'),
            base_url: config.base_url_or(base_url),
            headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
            key: None,
        }
    }

    /// The key goes into this header, behind this prefix (`Bearer `, or nothing). Without it no
    /// request is sent: the error names the environment variable to set.
    #[must_use]
    pub fn with_key(
        self,
        config: &ProviderConfig,
        header: &str,
        prefix: &str,
        variable: &'static str,
    ) -> Self {
        self.keyed(
            config,
            (header, prefix),
            Key { header: header.into(), variable, everywhere: true },
        )
    }

    /// As [`with_key`](Self::with_key), where only the vendor's own address needs a key.
    #[must_use]
    pub fn with_optional_key(
        self,
        config: &ProviderConfig,
        header: &str,
        prefix: &str,
        variable: &'static str,
    ) -> Self {
        let key = Key { header: header.into(), variable, everywhere: false };
        self.keyed(config, (header, prefix), key)
    }

    fn keyed(mut self, config: &ProviderConfig, (header, prefix): (&str, &str), key: Key) -> Self {
        self.key = Some(key);
        match &config.api_key {
            Some(secret) => self.with_header(header, format!("{prefix}{}", secret.expose())),
            None => self,
        }
    }

    /// A header for every request, unless the configuration has one of that name.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        if !self.has_header(name) {
            self.headers.push((name.to_owned(), Secret::new(value)));
        }
        self
    }

    /// The address, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A GET request to a path below the address.
    pub fn get(&self, path: &str) -> HttpRequest {
        HttpRequest::get(format!("{}{path}", self.base_url))
    }

    /// A POST request of JSON to a path below the address.
    pub fn post(&self, path: &str, json: impl Into<Vec<u8>>) -> HttpRequest {
        HttpRequest::post(format!("{}{path}", self.base_url)).json(json)
    }

    /// Adds the headers and sends. What the request itself sets stays.
    ///
    /// # Errors
    ///
    /// Of kind `authentication` where the key is missing, before anything is sent. Where the answer
    /// is no success, what its status and headers say; its body is the error's
    /// [`upstream_text`](ProviderError::upstream_text), to be read by whoever knows its form.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let request = self.complete(request)?;
        let response = self.host.http(request).await?;
        response.error_for_status().await.map_err(|error| self.advise(error))
    }

    /// Says what an operator can do about an error, where that is known.
    #[must_use]
    pub fn advise(&self, error: ProviderError) -> ProviderError {
        let is_json = error
            .upstream_text()
            .is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        match (error.kind(), &self.key) {
            (ErrorKind::Authentication, Some(key)) => error.with_hint(self.key_hint(key)),
            _ if error.status() == Some(404) && !is_json => {
                error.with_hint("check `base_url`: it ends where the vendor's own SDK ends it")
            }
            _ => error,
        }
    }

    fn complete(&self, mut request: HttpRequest) -> Result<HttpRequest, ProviderError> {
        if let Some(key) = &self.key
            && (key.everywhere || self.is_vendors_own)
            && !self.has_header(&key.header)
        {
            let message = format!("there is no API key: {} is not set", key.variable);
            let error = ProviderError::new(ErrorKind::Authentication, message);
            return Err(error.with_hint(self.key_hint(key)));
        }
        for (name, value) in &self.headers {
            if !request.has_header(name) {
                request = request.header(name, value.expose());
            }
        }
        Ok(request)
    }

    fn key_hint(&self, key: &Key) -> String {
        let table = format!("`api_key` in [providers.{}]", self.instance);
        if key.everywhere || self.is_vendors_own {
            format!("set {}, or {table}", key.variable)
        } else {
            format!("set {table}")
        }
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstream").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
