//! What the files of the AWS command line say of a profile: keys, session token, region, endpoint. The service's library does not read them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::variables::Variables;

/// A profile, as both files have it together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub name: String,
    values: BTreeMap<String, String>,
}

/// Ways of finding keys that are left to the AWS command line.
const LEFT_TO_OTHERS: [&str; 4] = ["sso_session", "sso_start_url", "role_arn", "credential_process"];

impl Profile {
    /// That of `AWS_PROFILE`, or else `default`; `None` where no profile is named and none is called so.
    ///
    /// # Errors
    /// A named profile that is in neither file; a file that cannot be read.
    pub fn load(variables: &Variables) -> Result<Option<Self>, String> {
        let home = variables.get("HOME").map(PathBuf::from).unwrap_or_default();
        let file = |variable: &str, name: &str| variables.get(variable).map_or_else(|| home.join(".aws").join(name), PathBuf::from);
        let files = [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
        let named = variables.get("AWS_PROFILE").or_else(|| variables.get("AWS_DEFAULT_PROFILE"));
        let name = named.unwrap_or("default").to_owned();
        let mut values = BTreeMap::new();
        let mut found = false;
        for file in &files {
            let text = match std::fs::read_to_string(file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                text => text.map_err(|error| format!("cannot read {}: {error}", file.display()))?,
            };
            // What the file of credentials says counts more; it is read last.
            if let Some(section) = section(&text, &name) {
                found = true;
                values.extend(section);
            }
        }
        if !found && named.is_some() {
            let [config, credentials] = &files;
            let places = format!("{} nor in {}", credentials.display(), config.display());
            return Err(format!(
                "there is no profile {name} (AWS_PROFILE), neither in {places}: correct the name, or make it with `aws configure --profile {name}`"
            ));
        }
        Ok(found.then_some(Self { name, values }))
    }

    /// A value that is not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// How the profile would find its keys, where that is not by having them.
    pub fn elsewhere(&self) -> Option<&'static str> {
        LEFT_TO_OTHERS.into_iter().find(|key| self.get(key).is_some())
    }
}

/// The values of `[NAME]` or `[profile NAME]`; `None` where there is no such section.
fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut found = None;
    let mut inside = false;
    for line in text.lines() {
        let bare = line.trim();
        if let Some(title) = bare.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let title = title.trim();
            inside = title == name || title.strip_prefix("profile").is_some_and(|rest| rest.starts_with([' ', '\t']) && rest.trim() == name);
            if inside {
                found.get_or_insert_with(BTreeMap::new);
            }
        // A comment, or a value of a nested section such as `s3 =`, which is indented.
        } else if !inside || bare.starts_with(['#', ';']) || line.starts_with([' ', '\t']) {
        } else if let Some((key, value)) = bare.split_once('=') {
            let value = value.split(" #").next().unwrap_or_default().trim();
            found.get_or_insert_with(BTreeMap::new).insert(key.trim().to_ascii_lowercase(), value.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\
# keys
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key=a/b+c=
[lab]
AWS_ACCESS_KEY_ID = AKLAB # of the lab
aws_secret_access_key = two
aws_session_token = three
";
    const CONFIG: &str = "\
[default]
region = eu-west-1
s3 =
    region = nowhere
[profile lab]
region = eu-north-1
endpoint_url = http://127.0.0.1:9000
[profile signed-in]
sso_session = lab
[laboratory]
region = no
";

    fn load(profile: Option<&str>) -> Result<Option<Profile>, String> {
        let folder = tempfile::tempdir().unwrap();
        let (credentials, config) = (folder.path().join("credentials"), folder.path().join("config"));
        std::fs::write(&credentials, CREDENTIALS).unwrap();
        std::fs::write(&config, CONFIG).unwrap();
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let files = [("AWS_SHARED_CREDENTIALS_FILE", path(&credentials)), ("AWS_CONFIG_FILE", path(&config))];
        let variables = files.into_iter().chain(profile.map(|name| ("AWS_PROFILE", name.to_owned())));
        Profile::load(&Variables::new(variables)).map_err(|error| error.replace(&path(folder.path()), "AWS"))
    }

    #[test]
    fn both_files_make_a_profile() {
        let default = load(None).unwrap().unwrap();
        let of = |profile: &Profile, key: &str| profile.get(key).map(str::to_owned);
        assert_eq!(of(&default, "aws_access_key_id").as_deref(), Some("AKDEFAULT"));
        assert_eq!(of(&default, "aws_secret_access_key").as_deref(), Some("a/b+c="));
        assert_eq!(of(&default, "region").as_deref(), Some("eu-west-1"), "a nested value is another's");
        let lab = load(Some("lab")).unwrap().unwrap();
        assert_eq!(of(&lab, "aws_access_key_id").as_deref(), Some("AKLAB"));
        assert_eq!(of(&lab, "aws_session_token").as_deref(), Some("three"));
        assert_eq!((of(&lab, "region").as_deref(), of(&lab, "endpoint_url").as_deref()), (Some("eu-north-1"), Some("http://127.0.0.1:9000")));
        assert_eq!(load(Some("signed-in")).unwrap().unwrap().elsewhere(), Some("sso_session"));
        let message = "there is no profile labor (AWS_PROFILE), neither in AWS/credentials nor in AWS/config: correct the name, or make it with `aws configure --profile labor`";
        assert_eq!(load(Some("labor")).unwrap_err(), message);
    }

    #[test]
    fn no_files_are_no_profile() {
        assert_eq!(Profile::load(&Variables::new([("HOME", "/nowhere".to_owned())])), Ok(None));
    }
}
