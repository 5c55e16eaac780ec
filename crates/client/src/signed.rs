//! Uploads to signed URLs outside the API. They carry no key.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::{Client, Error, FileContent, base::is_loopback};

/// Headers that an answer may not set: they are the connection's, or would carry somebody's credentials.
const FORBIDDEN: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Why a file did not reach a signed URL. No message has the URL, which is a secret.
#[derive(Debug, thiserror::Error)]
pub enum SignedUploadError {
    /// The answer has no URL, or one to which nothing is sent.
    #[error("the answer has no usable upload address: expected {0}")]
    Address(&'static str),
    /// A header cannot be sent.
    #[error("the answer has a header for the upload that cannot be sent")]
    Header,
    /// The storage refused the file.
    #[error("the storage refused the file with status {0}")]
    Refused(u16),
    /// The storage cannot be reached, or does not answer.
    #[error("the storage cannot be reached: {0}")]
    Transport(#[source] Error),
}

impl Client {
    /// Puts a file to a signed URL, without a key and without following redirects.
    ///
    /// # Errors
    /// If the URL or a header cannot be used, or the storage does not take the file.
    pub async fn upload_signed(
        &self,
        url: Option<&str>,
        headers: &Map<String, Value>,
        file: &FileContent,
    ) -> Result<(), SignedUploadError> {
        let url = self.usable(url.ok_or(SignedUploadError::Address("a URL"))?)?;
        let headers = headers.iter().map(|(name, value)| sendable(name, value));
        let headers: HeaderMap = headers.collect::<Result<_, _>>()?;
        let http = self.http().map_err(SignedUploadError::Transport)?;
        let sent = http.put(url).headers(headers).body(file.content().clone()).send().await;
        let response = sent.map_err(|error| SignedUploadError::Transport(Error::from_transport(error)))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(SignedUploadError::Refused(status.as_u16())),
        }
    }

    /// A URL of another host by HTTPS. While the API is on this machine, its storage may be, too.
    fn usable(&self, url: &str) -> Result<Url, SignedUploadError> {
        let url = Url::parse(url).map_err(|_| SignedUploadError::Address("a URL"))?;
        let is_here = is_loopback(&url);
        if !url.username().is_empty() || url.password().is_some() {
            Err(SignedUploadError::Address("a URL without a user"))
        } else if self.base.is_loopback() {
            if is_here {
                Ok(url)
            } else {
                Err(SignedUploadError::Address("one on this machine, as the API is"))
            }
        } else if url.scheme() == "https" && matches!(url.host(), Some(Host::Domain(_))) && !is_here {
            Ok(url)
        } else {
            Err(SignedUploadError::Address("https and the name of a host"))
        }
    }
}

fn sendable(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), SignedUploadError> {
    let name = HeaderName::try_from(name).ok().filter(|name| !FORBIDDEN.contains(name));
    let value = value.as_str().and_then(|value| HeaderValue::try_from(value).ok());
    name.zip(value).ok_or(SignedUploadError::Header)
}

#[cfg(test)]
mod tests {
    use crate::{ClientConfig, Profile, ResponseMemory};

    use super::*;

    #[test]
    fn only_hosts_with_a_name_are_reached_and_only_by_https() {
        let profile = Profile::of(scope3_mcp_catalog::Surface::Storefront).unwrap();
        let base = "https://api.interchange.io/api/v2/storefront".parse().unwrap();
        let client = Client::new(profile, base, ClientConfig::default(), ResponseMemory::new(1 << 20));
        assert!(client.usable("https://storage.example/bucket?signature=x").is_ok());
        for bad in [
            "http://storage.example/bucket",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://2130706433/",
            "https://localhost/",
            "https://user@storage.example/",
            "ftp://storage.example/",
            "//storage.example/",
            "",
        ] {
            assert!(matches!(client.usable(bad), Err(SignedUploadError::Address(_))), "{bad}");
        }
    }
}
