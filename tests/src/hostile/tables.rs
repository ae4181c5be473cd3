//! Label sets, manifests, class lists and recipes.

use super::{HostileFile, damaged};

fn named(extension: &str, texts: Vec<(&str, Vec<u8>)>) -> Vec<HostileFile> {
    texts.into_iter().map(|(name, text)| (format!("{name}.{extension}"), text)).collect()
}

/// Label sets: the authors' tsv and training JSON, ReaL, ImageNetV2.
pub fn label_sets() -> Vec<HostileFile> {
    let line = |classes: &str, probabilities: &str| format!("a/1.jpg\t0\t{classes}\t{probabilities}\n").into_bytes();
    let many: Vec<String> = (0..3000).map(|class| class.to_string()).collect();
    let mut files = named(
        "tsv",
        vec![
            ("highest", line("4294967295", "0.9")),
            ("beyond", line("4294967296", "0.9")),
            ("limit", line("1048576", "0.9")),
            ("label", b"a\t4294967295\t0\t0.9\n".to_vec()),
            ("below", line("-1", "0.9")),
            ("not-a-number", line("0", "NaN")),
            ("infinite", line("0", "inf")),
            ("above-one", line("0", "1e30")),
            ("uneven", line("0,1", "0.5")),
            ("commas", line(&",".repeat(500_000), ",")),
            ("columns", "\t".repeat(500_000).into_bytes()),
            ("one-line", "x".repeat(3_000_000).into_bytes()),
            ("not-utf8", b"a\xff\xfe\t0\t0\t0.9\n".to_vec()),
            ("nul", vec![0; 10_000]),
            ("control", b"a\x1b[2J\t0\tx\x1b\t0.9\n".to_vec()),
            ("many-classes", line(&many.join(","), &vec!["0.9"; 3000].join(","))),
            ("twice", [line("0", "0.9"), line("0", "0.9")].concat()),
        ],
    );
    let pairs: Vec<String> =
        (0..300).map(|image| format!("[{}]", (0..1000).map(|at| (image * 1000 + at).to_string()).collect::<Vec<_>>().join(","))).collect();
    files.extend(named(
        "json",
        vec![
            ("real-highest", b"[[4294967295]]".to_vec()),
            ("real-beyond", b"[[18446744073709551616]]".to_vec()),
            ("real-limit", b"[[1048576], [1]]".to_vec()),
            ("real-negative", b"[[-1]]".to_vec()),
            ("real-fraction", b"[[0.5]]".to_vec()),
            ("real-text", b"[[\"x\"]]".to_vec()),
            ("real-empty-lists", format!("[{}[]]", "[],".repeat(300_000)).into_bytes()),
            ("real-many", format!("[[{}]]", many.join(",")).into_bytes()),
            ("real-pairs", format!("[{}]", pairs.join(",")).into_bytes()),
            ("real-deep", "[".repeat(500_000).into_bytes()),
            ("named-highest", br#"{"a.jpeg": ["4294967295"]}"#.to_vec()),
            ("named-twice", br#"{"a.jpeg": [1], "a.jpeg": [2]}"#.to_vec()),
            ("named-nothing", br#"{"a.jpeg": null}"#.to_vec()),
            ("training-label", br#"{"a": {"multilabel": [0.0, 1.0], "gt": 4294967295}}"#.to_vec()),
            ("training-infinite", br#"{"a": {"multilabel": [1e39], "gt": 0}}"#.to_vec()),
            ("training-keys", br#"{"a": {"multilabel": [0.5], "gt": 0, "x": 1}}"#.to_vec()),
            ("training-long", format!(r#"{{"a": {{"multilabel": [{}0], "gt": 0}}}}"#, "0,".repeat(1_100_000)).into_bytes()),
        ],
    ));
    files.extend(damaged("real", "json", b"[[1, 2], [], [3], [999]]", 4));
    files
}

/// Manifests.
pub fn manifests() -> Vec<HostileFile> {
    let mut files = named(
        "csv",
        vec![
            ("empty", Vec::new()),
            ("header", b"path,label\n".to_vec()),
            ("twice", b"path,label,label\n1.png,a,b\n".to_vec()),
            ("no-column", b"file,class\n1.png,a\n".to_vec()),
            ("short", b"path,label\n1.png\n".to_vec()),
            ("quotes", [b"path,label\n\"".to_vec(), vec![b'a'; 1_000_000]].concat()),
            ("columns", ",".repeat(20_000).into_bytes()),
            ("not-utf8", b"path,label\n\xff.png,a\n".to_vec()),
            ("nul", b"path,label\n\0,a\n1.png,b\n".to_vec()),
            ("control", b"path,label\n\x1b[2J.png,a\n1.png,\x1b]0;x\x07\n".to_vec()),
            ("device", b"path,label\n/dev/zero,a\n/dev/tty,b\n".to_vec()),
            ("outside", b"path,label\n../../../../../etc/passwd,a\n1.png,b\n".to_vec()),
            ("long-name", [b"path,label\n".to_vec(), vec![b'a'; 100_000], b",a\n1.png,b\n".to_vec()].concat()),
            ("one-class", b"path,label\n1.png,a\n".to_vec()),
            ("numbers", b"path,label\n1.png,0\n2.png,4294967296\n".to_vec()),
        ],
    );
    files.extend(named(
        "jsonl",
        vec![
            ("empty", Vec::new()),
            ("list", b"[1, 2]\n".to_vec()),
            ("deep", "[".repeat(500_000).into_bytes()),
            ("deep-value", [b"{\"path\": ".to_vec(), "[".repeat(500_000).into_bytes()].concat()),
            ("null", b"{\"path\": null, \"label\": \"a\"}\n".to_vec()),
            ("number", b"{\"path\": 1e999, \"label\": \"a\"}\n".to_vec()),
            ("surrogate", b"{\"path\": \"\\ud800\", \"label\": \"a\"}\n".to_vec()),
            ("nul", b"{\"path\": \"\\u0000\", \"label\": \"a\"}\n{\"path\": \"1.png\", \"label\": \"b\"}\n".to_vec()),
            ("one-line", vec![b'{'; 2_000_000]),
        ],
    ));
    files.extend(damaged("table", "tsv", b"path\tlabel\n1.png\ta\n2.png\tb\n", 5));
    files
}

/// Class lists.
pub fn class_lists() -> Vec<HostileFile> {
    named(
        "txt",
        vec![
            ("empty", Vec::new()),
            ("one", b"a\n".to_vec()),
            ("twice", b"a\nb\na\n".to_vec()),
            ("gap", b"a\n\nb\n".to_vec()),
            ("not-utf8", b"a\n\xff\n".to_vec()),
            ("control", b"a\nb\x1b[2J\n\x07\n\x07\n".to_vec()),
            ("nul", vec![0; 1000]),
            ("line", vec![b'a'; 2_000_000]),
            ("lines", b"\n".repeat(1_000_000)),
        ],
    )
}

/// Recipes.
pub fn recipes() -> Vec<HostileFile> {
    let bomb = {
        let levels: Vec<String> = (1..12).map(|level| format!("a{level}: &a{level} [{}]", vec![format!("*a{}", level - 1); 10].join(", "))).collect();
        format!("a0: &a0 [x, x]\n{}\n", levels.join("\n"))
    };
    let mut files = named(
        "yaml",
        vec![
            ("empty", Vec::new()),
            ("scalar", b"7".to_vec()),
            ("list", b"- 1\n- 2\n".to_vec()),
            ("bomb", bomb.into_bytes()),
            ("itself", b"a: &a [*a]\n".to_vec()),
            ("deep", "[".repeat(100_000).into_bytes()),
            ("deep-closed", ["[".repeat(20_000), "]".repeat(20_000)].concat().into_bytes()),
            ("deep-maps", "{a: ".repeat(50_000).into_bytes()),
            ("deep-blocks", (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>().into_bytes()),
            ("not-utf8", b"version: 1\nname: \xff\n".to_vec()),
            ("nul", vec![0; 1000]),
            ("control", b"version: 1\nname: \"\\e[2J\\a\"\n\"\\e[2J\": 1\n".to_vec()),
            ("twice", b"version: 1\nversion: 1\n".to_vec()),
            ("number", b"version: 99999999999999999999999999\n".to_vec()),
            ("long-key", [vec![b'k'; 1_000_000], b": 1\n".to_vec()].concat()),
            ("variables", "version: ${".repeat(100_000).into_bytes()),
            ("tabs", b"version:\t1\n\tdataset:\n".to_vec()),
            ("tags", b"!!python/object/apply:os.system ['true']\n".to_vec()),
            ("documents", b"---\n".repeat(100_000)),
        ],
    );
    let hidden = "version: 1\nwork_dir: work\ndataset: { plugin: image-folder, root: data }\nproposals: [ { plugin: grid, config: { cells: 4294967295 } } ]\n\
                  select: { plugin: keep-largest }\nlabel: { plugin: region-results, checkpoint: none.json }\nexport: [ { plugin: multilabel-tsv, file: l.tsv } ]\n";
    files.push(("cells.yaml".to_owned(), hidden.into()));
    files.extend(damaged("recipe", "yaml", hidden.as_bytes(), 4));
    files
}
