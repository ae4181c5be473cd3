//! The services.

/// A service by its scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Amazon S3, and what speaks like it.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

/// What to do where no credentials are found.
pub(super) fn no_credentials(service: Service) -> &'static str {
    match service {
        Service::S3 => {
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile with keys, or give this machine a role"
        }
        Service::Google => {
            "there are no credentials: set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, or run `gcloud auth application-default login`"
        }
        Service::Azure => {
            "there are no credentials: set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or the AZURE_CLIENT_… variables, or give this machine an identity"
        }
    }
}
