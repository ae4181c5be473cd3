//! From an address and the environment to a client of the service. Nobody is asked yet.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::address::Address;
use super::http::Connector;
use super::profile::Profile;
use super::refusal::short;
use super::service::{Service, no_credentials};
use super::variables::Variables;

/// A client of a service, with what messages say of it.
pub(super) struct Client {
    pub store: Arc<dyn ObjectStore>,
    /// What the credentials are called, such as `the credentials of the profile lab`.
    pub credentials: String,
    /// The region that is asked, where the service has such.
    pub region: Option<String>,
    /// The server, where it is not the service's own.
    pub endpoint: Option<String>,
}

/// A client that gives a request up after `patience`.
///
/// # Errors
/// Credentials that are half there, a profile that is not there, a server that would be asked unencrypted: one line.
pub(super) fn client(address: &Address, variables: &Variables, patience: Duration) -> Result<Client, String> {
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(10), base: 2.0 },
        max_retries: 100,
        retry_timeout: patience,
    };
    match address.service {
        Service::S3 => s3(address, variables, retry),
        Service::Google => google(address, variables, retry),
        Service::Azure => azure(address, variables, retry),
    }
}

fn options(unencrypted: bool) -> ClientOptions {
    ClientOptions::new().with_config(ClientConfigKey::AllowHttp, unencrypted.to_string())
}

fn s3(address: &Address, variables: &Variables, retry: RetryConfig) -> Result<Client, String> {
    let mut builder = variables.settings("AWS_").fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
    let profile = Profile::load(variables)?;
    let of_profile = |key: &str| profile.as_ref().and_then(|profile| profile.get(key));
    let region = variables.get("AWS_REGION").or_else(|| variables.get("AWS_DEFAULT_REGION")).or_else(|| of_profile("region"));
    let region = region.unwrap_or("us-east-1").to_owned();
    let endpoint = variables.get("AWS_ENDPOINT_URL_S3").or_else(|| variables.get("AWS_ENDPOINT_URL")).or_else(|| variables.get("AWS_ENDPOINT"));
    let endpoint = endpoint.or_else(|| of_profile("endpoint_url")).map(str::to_owned);
    if let Some(endpoint) = &endpoint {
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    let unencrypted = allowed_unencrypted("AWS_ENDPOINT_URL", endpoint.as_deref(), variables.is_true("AWS_ALLOW_HTTP"), "AWS_ALLOW_HTTP=true")?;
    let credentials = match (variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")) {
        (Some(_), Some(_)) => "the credentials of AWS_ACCESS_KEY_ID".to_owned(),
        (Some(_), None) => return Err("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not: set both".to_owned()),
        (None, Some(_)) => return Err("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not: set both".to_owned()),
        (None, None) if variables.is_true("AWS_SKIP_SIGNATURE") => "a caller without credentials (AWS_SKIP_SIGNATURE)".to_owned(),
        (None, None) if variables.get("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() => "the role of AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(),
        (None, None) => match (of_profile("aws_access_key_id"), of_profile("aws_secret_access_key")) {
            (Some(id), Some(secret)) => {
                builder = builder.with_access_key_id(id).with_secret_access_key(secret);
                if let Some(token) = of_profile("aws_session_token") {
                    builder = builder.with_token(token);
                }
                format!("the credentials of the profile {}", profile.as_ref().map_or("", |profile| &profile.name))
            }
            _ => credentials_of_the_machine(variables, profile.as_ref())?,
        },
    };
    let builder = builder.with_bucket_name(&address.bucket).with_region(&region).with_retry(retry);
    let store = builder.with_client_options(options(unencrypted)).with_http_connector(Connector).build().map_err(one_line)?;
    Ok(Client { store: Arc::new(store), credentials, region: Some(region), endpoint })
}

/// What a machine or container gives its processes; where there surely is nothing of the kind, that is said at once.
fn credentials_of_the_machine(variables: &Variables, profile: Option<&Profile>) -> Result<String, String> {
    if ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"].iter().any(|name| variables.get(name).is_some()) {
        return Ok("the role of this container".to_owned());
    }
    let named = variables.get("AWS_PROFILE").or_else(|| variables.get("AWS_DEFAULT_PROFILE")).is_some();
    match profile {
        Some(Profile { name, .. }) if profile.and_then(Profile::elsewhere).is_some() => {
            let how = profile.and_then(Profile::elsewhere).unwrap_or_default();
            let export = format!("eval \"$(aws configure export-credentials --profile {name} --format env)\"");
            Err(format!("the profile {name} finds its keys by {how}, which only the AWS command line can follow: run {export} first"))
        }
        Some(Profile { name, .. }) if named => {
            Err(format!("the profile {name} has no aws_access_key_id and aws_secret_access_key: add them with `aws configure --profile {name}`"))
        }
        _ if variables.is_true("AWS_EC2_METADATA_DISABLED") => Err(no_credentials(Service::S3).to_owned()),
        _ => Ok("the role of this machine".to_owned()),
    }
}

/// Whether a server is asked unencrypted: where the user says so, and where it is this machine.
fn allowed_unencrypted(variable: &str, endpoint: Option<&str>, allowed: bool, to_allow: &str) -> Result<bool, String> {
    let Some(endpoint) = endpoint else { return Ok(allowed) };
    let uri: ureq::http::Uri =
        endpoint.parse().map_err(|_| format!("{endpoint} ({variable}) is no address: write https://HOST or https://HOST:PORT"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => Ok(allowed),
        (Some("http"), Some(host)) if allowed || is_loopback(host) => Ok(true),
        (Some("http"), Some(_)) => {
            Err(format!("{endpoint} ({variable}) would carry the data unencrypted: use https, or set {to_allow} where the network is your own"))
        }
        _ => Err(format!("{endpoint} ({variable}) is no address: write https://HOST or https://HOST:PORT")),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn google(address: &Address, variables: &Variables, retry: RetryConfig) -> Result<Client, String> {
    let builder = variables.settings("GOOGLE_").fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| builder.with_config(key, value));
    let named = ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY"];
    let named = named.into_iter().find(|name| variables.get(name).is_some());
    let credentials =
        named.map_or("the application-default credentials, or the role of this machine".to_owned(), |name| format!("the credentials of {name}"));
    let builder = builder.with_bucket_name(&address.bucket).with_retry(retry).with_client_options(options(false));
    let store = builder.with_http_connector(Connector).build().map_err(one_line)?;
    Ok(Client { store: Arc::new(store), credentials, region: None, endpoint: None })
}

fn azure(address: &Address, variables: &Variables, retry: RetryConfig) -> Result<Client, String> {
    let builder = variables.settings("AZURE_").fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| builder.with_config(key, value));
    if ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_ACCOUNT_NAME"].iter().all(|name| variables.get(name).is_none())
        && !variables.is_true("AZURE_STORAGE_USE_EMULATOR")
    {
        return Err("AZURE_STORAGE_ACCOUNT_NAME is not set: it names the account that the container is in".to_owned());
    }
    let endpoint = variables.get("AZURE_STORAGE_ENDPOINT").or_else(|| variables.get("AZURE_ENDPOINT")).map(str::to_owned);
    let allowed = variables.is_true("AZURE_ALLOW_HTTP") || variables.is_true("AZURE_STORAGE_USE_EMULATOR");
    let unencrypted = allowed_unencrypted("AZURE_STORAGE_ENDPOINT", endpoint.as_deref(), allowed, "AZURE_ALLOW_HTTP=true")?;
    let builder = builder.with_container_name(&address.bucket).with_retry(retry).with_client_options(options(unencrypted));
    let store = builder.with_http_connector(Connector).build().map_err(one_line)?;
    Ok(Client { store: Arc::new(store), credentials: "the credentials of the AZURE_… variables".to_owned(), region: None, endpoint })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn one_line(error: object_store::Error) -> String {
    short(&crate::errors::chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(url: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let variables = Variables::new(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        client(&Address::parse(url).unwrap(), &variables, Duration::from_secs(1)).map(|client| client.credentials)
    }

    #[test]
    fn what_is_wrong_with_the_environment_is_said_before_anybody_is_asked() {
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "SECRET")];
        let with = |more: &[(&'static str, &'static str)]| [&keys[..], more].concat();
        assert_eq!(built("s3://b/x", &keys).unwrap(), "the credentials of AWS_ACCESS_KEY_ID");
        assert_eq!(built("s3://b/x", &keys[..1]).unwrap_err(), "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not: set both");
        assert_eq!(built("s3://b/x", &[("AWS_EC2_METADATA_DISABLED", "true")]).unwrap_err(), no_credentials(Service::S3));
        assert_eq!(built("s3://b/x", &[]).unwrap(), "the role of this machine");
        assert!(built("s3://b/x", &with(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")])).is_ok());
        assert!(built("s3://b/x", &with(&[("AWS_ENDPOINT_URL_S3", "http://[::1]:9000")])).is_ok());
        let refused = "http://minio:9000 (AWS_ENDPOINT_URL) would carry the data unencrypted: use https, or set AWS_ALLOW_HTTP=true where the network is your own";
        assert_eq!(built("s3://b/x", &with(&[("AWS_ENDPOINT_URL", "http://minio:9000")])).unwrap_err(), refused);
        assert!(built("s3://b/x", &with(&[("AWS_ENDPOINT_URL", "http://minio:9000"), ("AWS_ALLOW_HTTP", "true")])).is_ok());
        assert!(built("s3://b/x", &with(&[("AWS_ENDPOINT_URL", "minio")])).unwrap_err().starts_with("minio (AWS_ENDPOINT_URL) is no address"));
        assert_eq!(built("az://c/x", &[]).unwrap_err(), "AZURE_STORAGE_ACCOUNT_NAME is not set: it names the account that the container is in");
        let account = [("AZURE_STORAGE_ACCOUNT_NAME", "n"), ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")];
        assert_eq!(built("az://c/x", &account).unwrap(), "the credentials of the AZURE_… variables");
        let missing = built("gs://b/x", &[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")]).unwrap_err();
        assert!(missing.contains("/nowhere.json") && !missing.contains('\n'), "{missing}");
    }
}
