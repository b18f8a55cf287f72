//! Object stores over HTTP: S3 and whatever speaks it, Google Cloud Storage, and Azure's Blob Storage.
//!
//! Only how they are reached. A request is tried again by the library until the limits here; beyond them it is an error, and
//! whoever wanted it tries again.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::store_error::StoreError;
use crate::config::StoreAccess;

/// Of one request: from its first attempt on, no other one begins after this.
const RETRY_LONGEST: Duration = Duration::from_secs(30);
const RETRIES: usize = 6;
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LONGEST: Duration = Duration::from_secs(5);

/// Whose protocol a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    S3,
    Google,
    Azure,
}

impl Service {
    pub(super) fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" => Some(Service::S3),
            "gs" => Some(Service::Google),
            "az" => Some(Service::Azure),
            _ => None,
        }
    }
}

/// The store behind `bucket/prefix`. Nothing is asked of it yet.
///
/// # Errors
/// If the address or the settings are of no use, as a sentence.
pub(super) fn open(service: Service, address: &str, access: &StoreAccess) -> Result<Arc<dyn ObjectStore>, String> {
    let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
    if bucket.is_empty() {
        return Err("it names no bucket, as in s3://bucket/prefix".to_owned());
    }
    if address.contains(['?', '#', '@']) {
        return Err(
            "it is more than a bucket and a prefix; keys come from the environment, or from `object_store`".to_owned()
        );
    }
    let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| error.to_string())?;
    // The client has no TLS of its own. An error says that another part of the process has given it one by now.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = match service {
        Service::S3 => s3(bucket, access),
        Service::Google => google(bucket, access),
        Service::Azure => azure(bucket, access),
    }?;
    Ok(if prefix.is_root() { store } else { Arc::new(PrefixStore::new(store, prefix)) })
}

fn s3(bucket: &str, access: &StoreAccess) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry());
    for (key, value) in [
        (AmazonS3ConfigKey::Endpoint, &access.endpoint),
        (AmazonS3ConfigKey::Region, &access.region),
        (AmazonS3ConfigKey::AccessKeyId, &access.access_key_id),
        (AmazonS3ConfigKey::SecretAccessKey, &access.secret_access_key),
        (AmazonS3ConfigKey::Token, &access.session_token),
    ] {
        if let Some(value) = value {
            builder = builder.with_config(key, value);
        }
    }
    for (key, value) in client(access) {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    let asked = |key| builder.get_config_value(&key);
    let endpoint = asked(AmazonS3ConfigKey::S3Endpoint).or_else(|| asked(AmazonS3ConfigKey::Endpoint));
    encrypted(endpoint, asked(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)), "AWS_ALLOW_HTTP")?;
    builder.build().map(|store| Arc::new(store) as _).map_err(refused)
}

fn google(bucket: &str, access: &StoreAccess) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry());
    if let Some(key) = &access.service_account {
        builder = builder.with_service_account_key(key);
    }
    for (key, value) in client(access) {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    builder.build().map(|store| Arc::new(store) as _).map_err(refused)
}

fn azure(container: &str, access: &StoreAccess) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(container).with_retry(retry());
    for (key, value) in [
        (AzureConfigKey::Endpoint, &access.endpoint),
        (AzureConfigKey::AccountName, &access.account),
        (AzureConfigKey::AccessKey, &access.account_key),
    ] {
        if let Some(value) = value {
            builder = builder.with_config(key, value);
        }
    }
    for (key, value) in client(access) {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    let allowed = builder.get_config_value(&AzureConfigKey::Client(ClientConfigKey::AllowHttp));
    encrypted(builder.get_config_value(&AzureConfigKey::Endpoint), allowed, "AZURE_ALLOW_HTTP")?;
    builder.build().map(|store| Arc::new(store) as _).map_err(refused)
}

/// Nothing goes over a network as it is unless somebody has said so.
fn encrypted(endpoint: Option<String>, allowed: Option<String>, variable: &str) -> Result<(), String> {
    let plain = endpoint.filter(|endpoint| endpoint.starts_with("http://"));
    match plain {
        Some(endpoint) if allowed.is_none_or(|allowed| allowed != "true") => Err(format!(
            "the endpoint {endpoint} is not encrypted; use https://, or say that it is meant: `object_store: \
             {{allow_http: true}}`, or {variable}=true"
        )),
        _ => Ok(()),
    }
}

fn client(access: &StoreAccess) -> Vec<(ClientConfigKey, String)> {
    let mut settings = Vec::new();
    if access.allow_http {
        settings.push((ClientConfigKey::AllowHttp, "true".to_owned()));
    }
    if let Some(timeout) = access.timeout {
        settings.push((ClientConfigKey::Timeout, format!("{}ms", timeout.as_millis())));
    }
    settings
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: BACKOFF_FIRST, max_backoff: BACKOFF_LONGEST, base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_LONGEST }
}

fn refused(error: object_store::Error) -> String {
    StoreError::from(&error).to_string()
}
