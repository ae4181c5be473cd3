use super::*;

/// The dataset over a manifest of this name and text, if its samples can be listed, beside images `1.jpg` and `sub/2.jpg`.
fn dataset(name: &str, text: &str, change: impl FnOnce(&mut ManifestConfig)) -> (tempfile::TempDir, Result<Manifest>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("1.jpg"), "one").unwrap();
    std::fs::write(folder.path().join("sub/2.jpg"), "two").unwrap();
    std::fs::write(folder.path().join("classes.txt"), "zebra\nant\n").unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let mut config = ManifestConfig {
        file: file.into(),
        root: None,
        path_column: default_path_column(),
        label_column: default_label_column(),
        id_column: None,
        classes: None,
    };
    change(&mut config);
    let dataset = Manifest::new(config, Context::for_tests(&[])).and_then(|dataset| dataset.samples().map(|_| dataset));
    (folder, dataset)
}

fn with_classes(config: &mut ManifestConfig) {
    config.classes = Some(config.file.with_file_name("classes.txt").into());
}

/// Ids, labels and bytes.
fn content(dataset: &Manifest) -> Vec<(String, u32, Vec<u8>)> {
    let read = |sample: Sample| match dataset.image(&sample.id) {
        Ok(ImageData::Encoded(bytes)) => (sample.id, sample.label, bytes),
        other => panic!("{other:?}"),
    };
    dataset.samples().unwrap().into_iter().map(read).collect()
}

fn expected(first: (&str, u32), second: (&str, u32)) -> Vec<(String, u32, Vec<u8>)> {
    vec![(first.0.into(), first.1, b"one".to_vec()), (second.0.into(), second.1, b"two".to_vec())]
}

#[test]
fn it_keeps_the_rules_of_its_role() {
    let (folder, _) = dataset("list.csv", "path,label\n1.jpg,ant\nsub/2.jpg,zebra\n", |_| ());
    convert_testing::dataset::<Manifest>(&format!(r#"{{"file": {:?}}}"#, folder.path().join("list.csv")));
}

#[test]
fn all_formats_give_the_same_samples() {
    let rows = [
        ("a.csv", "\u{feff}label,path\nzebra,1.jpg\n\"ant\", sub/2.jpg\n"),
        ("a.TSV", "path\tx\tlabel\n1.jpg\t\tzebra\nsub/2.jpg\t,\tant\n"),
        ("a.jsonl", "\u{feff}{\"path\": \"1.jpg\", \"label\": \"zebra\"}\n\n{\"path\": \"sub/2.jpg\", \"label\": \"ant\", \"x\": [1]}\n"),
    ];
    for (name, text) in rows {
        let (_folder, dataset) = dataset(name, text, |_| ());
        let dataset = dataset.unwrap();
        assert_eq!(dataset.classes(), ["ant", "zebra"], "{name}");
        assert_eq!(content(&dataset), expected(("1.jpg", 1), ("sub/2.jpg", 0)), "{name}");
        assert_eq!(content(&dataset).len(), 2, "a second listing reads the file again");
    }
}

#[test]
fn a_class_file_gives_the_order_and_a_meaning_to_numbers() {
    for (name, text) in
        [("a.csv", "path,label\n1.jpg,1\nsub/2.jpg,zebra\n"), ("a.ndjson", "{\"path\":\"1.jpg\",\"label\":1}\n{\"path\":\"sub/2.jpg\",\"label\":0}")]
    {
        let (_folder, dataset) = dataset(name, text, with_classes);
        let dataset = dataset.unwrap();
        assert_eq!(dataset.classes(), ["zebra", "ant"]);
        assert_eq!(content(&dataset), expected(("1.jpg", 1), ("sub/2.jpg", 0)));
    }
}

#[test]
fn ids_columns_and_root_can_be_chosen() {
    let (_folder, dataset) = dataset("a.csv", "file,class,key\n1.jpg,a,x7\n../sub/2.jpg,b,x8\n../sub/2.jpg,b,x9\n", |config| {
        config.root = config.file.parent().map(|parent| parent.join("sub").into());
        (config.path_column, config.label_column, config.id_column) = ("file".into(), "class".into(), Some("key".into()));
    });
    let dataset = dataset.unwrap();
    let samples = dataset.samples().unwrap();
    assert_eq!(
        samples.iter().map(|sample| (sample.id.as_str(), sample.revision == Sample::MISSING)).collect::<Vec<_>>(),
        [("x7", true), ("x8", false), ("x9", false)]
    );
    assert_eq!(dataset.image("x9").unwrap(), ImageData::Encoded(b"two".to_vec()));
    assert!(dataset.image("x7").unwrap_err().to_string().starts_with("cannot read the image"));
}

#[test]
fn errors_name_line_and_column() {
    let cases = [
        ("a.csv", "path,class\n1.jpg,a\n", "has no column \"label\": its columns are path, class"),
        ("a.csv", "path;label\n1.jpg;a\n", "its columns are path;label; it is separated by semicolons, and commas or tabs are read"),
        ("a.csv", "path,label\n1.jpg,a\n,b\n", "line 3, column \"path\": is empty"),
        ("a.csv", "path,label,label\n1.jpg,a,b\n", "a.csv has two columns \"label\": rename one of them"),
        ("a.csv", "path,label\n1.jpg,a\n2.jpg\n", "a.csv line 3: 1 fields where the header has 2"),
        ("a.csv", "path,label\n1.jpg,a\n1.jpg,b\n", "lines 2 and 3: both are the sample \"1.jpg\": ids must differ, give `id_column`"),
        ("a.csv", "path,label\n1.jpg,a\n2.jpg,a\n", "one class only, \"a\""),
        ("a.csv", "path,label\n1.jpg,0\n2.jpg,1\n", "are numbers: name the classes in a file"),
        ("a.csv", "path,label\n7.jpg,a\n8.jpg,b\n", "none of the 2 images"),
        ("a.csv", "path,label\n", "lists no images"),
        ("a.txt", "path,label\n", "is not a .csv, .tsv, .jsonl or .ndjson file"),
        ("a.jsonl", "{\"path\": \"1.jpg\", \"label\": \"a\"}\n{\"path\"\n", "a.jsonl line 2 is not a JSON object"),
        ("a.jsonl", "{\"path\": \"1.jpg\", \"name\": \"a\"}\n", "line 1, column \"label\": is missing: the keys are path, name"),
        ("a.jsonl", "{\"path\": \"1.jpg\", \"label\": [\"a\"]}\n", "line 1, column \"label\": [\"a\"] is neither text nor a number"),
    ];
    for (name, text, what) in cases {
        let (_folder, dataset) = dataset(name, text, |_| ());
        let error = dataset.unwrap_err().to_string();
        assert!(error.contains(what), "{text:?}: {error}");
    }
    for wrong in ["bee", "2", "-1"] {
        let (_folder, dataset) = dataset("a.csv", &format!("path,label\n1.jpg,ant\nsub/2.jpg,{wrong}\n"), with_classes);
        let error = dataset.unwrap_err().to_string();
        assert!(error.contains(&format!("line 3, column \"label\": \"{wrong}\" is neither one of the 2 class names")), "{error}");
    }
}
