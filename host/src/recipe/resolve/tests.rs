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
    let resolved = resolve(&parse(text).unwrap(), &schema, &Bases::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("recipe.yaml")), "config");
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

#[test]
fn a_relative_path_says_what_it_is_relative_to() {
    check("{ weights: nowhere.pth }", &["nowhere.pth` does not exist (`nowhere.pth` in the recipe's folder)"]);
    let schema = schemars::schema_for!(Example).to_value();
    let typed = parse("{ weights: nowhere.pth }").unwrap().of_the_shell();
    let resolved = resolve(&typed, &schema, &Bases::of(Path::new("/recipes/recipe.yaml")), "config");
    let expected = std::path::absolute("nowhere.pth").unwrap();
    assert_eq!(resolved.paths[0].path, expected);
    let message = resolved.problems[0].problem.to_string();
    assert!(message.ends_with(&format!("`{}` does not exist (`nowhere.pth` in the current folder)", expected.display())), "{message}");
}

#[test]
fn a_name_brings_values_for_the_keys_beside_it_and_what_differs_is_told() {
    let number = serde_json::json!({ "type": ["number", "null"] });
    let schema = serde_json::json!({
        "type": "object",
        "properties": {
            "model": { "type": "object", "properties": { "weights": { "type": "string" } } },
            "tau": number, "size": number, "layer": number, "masks": number,
        },
        "x-presets": { "model.weights": { "known": { "tau": 0.2, "size": 480, "layer": null, "masks": 3 } } },
    });
    let read = |text: &str| resolve(&parse(text).unwrap(), &schema, &Bases::of(Path::new("/recipes/recipe.yaml")), "config");
    let resolved = read("{ model: { weights: known }, tau: 0.5, size: 480.0, layer: 8 }");
    assert_eq!(resolved.json, serde_json::json!({ "model": { "weights": "known" }, "tau": 0.5, "size": 480.0, "layer": 8, "masks": 3 }));
    let [preset] = resolved.presets.as_slice() else { panic!("{:?}", resolved.presets) };
    assert_eq!(preset.taken().collect::<Vec<_>>(), ["masks 3"]);
    let mut told: Vec<String> = preset.overruled().collect();
    told.sort();
    assert_eq!(told, ["layer is 8, which the preset of known leaves out", "tau is 0.5, which is 0.2 in the preset of known"]);
    let resolved = read("{ model: { weights: known } }");
    assert_eq!(resolved.json, serde_json::json!({ "model": { "weights": "known" }, "tau": 0.2, "size": 480, "masks": 3 }));
    assert!(read("{ model: { weights: other } }").presets.is_empty());
}

/// Schemas of pydantic and dataclasses have values that are no texts, and references with something beside them.
#[test]
fn values_of_several_types_and_references_with_company() {
    let schema = serde_json::json!({
        "properties": { "level": { "enum": ["low", 3, true] }, "box": { "allOf": [{ "$ref": "#/$defs/Box" }], "default": null } },
        "type": "object",
        "$defs": { "Box": { "type": "object", "properties": { "width": { "type": "integer" } }, "additionalProperties": false } },
    });
    let check = |node: Node, expected: Result<Json, &str>| {
        let resolved = resolve(&node, &schema, &Bases::of(Path::new("/recipes/recipe.yaml")), "config");
        let problems: Vec<String> = resolved.problems.iter().map(|problem| problem.problem.to_string()).collect();
        match expected {
            Ok(json) => assert!(problems.is_empty() && resolved.json == json, "{problems:?} {}", resolved.json),
            Err(expected) => assert_eq!(problems, [expected]),
        }
    };
    check(parse("{ level: 3, box: { width: 2 } }").unwrap(), Ok(serde_json::json!({ "level": 3, "box": { "width": 2 } })));
    check(parse("level: 4").unwrap(), Err("`level` of config must be one of low, 3, true, not an integer (`4`)"));
    check(parse("level: '3'").unwrap(), Err("`level` of config must be one of low, 3, true, not a text (`3`)"));
    check(parse("box: { wdith: 2 }").unwrap(), Err("unknown key `wdith` in `box` of config; did you mean `width`?"));
    let mut typed = parse("{}").unwrap();
    typed.assign("level=3").unwrap();
    check(typed, Ok(serde_json::json!({ "level": 3 })));
}
