use super::super::tree::parse;
use super::*;
use convert_sdk::InputFile;
use schemars::JsonSchema;
use serde::Deserialize;

/// A config as plugins write them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Example {
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default)]
    tau: f64,
    #[serde(default)]
    masks: Option<u32>,
    #[serde(default)]
    kind: Option<Kind>,
    weights: InputFile,
    #[serde(default)]
    mean: Option<[f32; 3]>,
    #[serde(default)]
    inner: Inner,
    #[serde(default)]
    classes: Option<NameOrFile>,
}

/// A name that is built in, or a file.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum NameOrFile {
    Name(BuiltIn),
    File(InputFile),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code)]
enum BuiltIn {
    Known,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code)]
enum Kind {
    /// The queries.
    Query,
    /// The keys.
    KeyVectors,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code)]
struct Inner {
    on: bool,
}

fn check(text: &str, expect: &[&str]) -> Json {
    let schema = schemars::schema_for!(Example).to_value();
    let resolved = resolve(&parse(text).unwrap(), &schema, Path::new(env!("CARGO_MANIFEST_DIR")), "config");
    let got: Vec<String> = resolved.problems.iter().map(|problem| problem.problem.to_string()).collect();
    assert_eq!(got.len(), expect.len(), "{got:?}");
    for (got, expected) in got.iter().zip(expect) {
        assert!(got.contains(expected), "{got:?} does not say {expected:?}");
    }
    resolved.json
}

#[test]
fn a_good_config_passes_and_its_paths_become_absolute() {
    let json = check("{ tau: 0.4, masks: 3, kind: key-vectors, weights: Cargo.toml, mean: [0.5, 0.5, 0.5], inner: { on: true } }", &[]);
    assert!(Path::new(json["weights"].as_str().unwrap()).is_absolute());
    assert!(serde_json::from_value::<Example>(json).is_ok());
}

#[test]
fn a_text_may_be_a_known_name_or_a_file() {
    assert_eq!(check("{ weights: Cargo.toml, classes: known }", &[])["classes"], "known");
    assert!(Path::new(check("{ weights: Cargo.toml, classes: Cargo.toml }", &[])["classes"].as_str().unwrap()).is_absolute());
    check("{ weights: Cargo.toml, classes: nowhere }", &["`classes` of config: the file `"]);
}

#[test]
fn every_kind_of_mistake_is_named() {
    check("{ weights: Cargo.toml, tua: 1 }", &["unknown key `tua` in config; did you mean `tau`?"]);
    check("{ tau: 0.1 }", &["config needs the key `weights`"]);
    check("{ weights: Cargo.toml, tau: 1.5 }", &["`tau` of config must be at most 1, not 1.5"]);
    check("{ weights: Cargo.toml, tau: high }", &["`tau` of config must be a number, not a text (`high`)"]);
    check("{ weights: Cargo.toml, masks: 1.5 }", &["`masks` of config must be an integer, not a number (`1.5`)"]);
    check("{ weights: Cargo.toml, kind: querry }", &["`kind` of config cannot be `querry`; did you mean `query`?"]);
    check("{ weights: nowhere.pth }", &["does not exist"]);
    check("{ weights: src }", &["is not a file"]);
    check("{ weights: Cargo.toml, mean: [1, 2] }", &["needs at least 3 entries, not 2"]);
    check("{ weights: Cargo.toml, inner: { off: 1 } }", &["unknown key `off` in `inner` of config"]);
}
