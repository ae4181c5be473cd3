use super::*;

type Member<'a> = (&'a str, &'a [u8]);

/// A tar file, with its end mark.
fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn open(shards: &[(&str, Vec<u8>)], change: impl FnOnce(&mut WebDatasetConfig)) -> (tempfile::TempDir, Result<WebDataset>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in shards {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::write(folder.path().join("classes.txt"), "ant\nbee\n").unwrap();
    let mut config = WebDatasetConfig {
        root: folder.path().to_path_buf().into(),
        files: None,
        extensions: files::image_extensions(),
        label: default_label(),
        json_key: default_json_key(),
        classes: None,
        incomplete: Incomplete::Stop,
        truth: None,
    };
    change(&mut config);
    (folder, WebDataset::new(config, Context::for_tests(&[])))
}

fn with_classes(config: &mut WebDatasetConfig) {
    config.classes = Some(ClassSource::File(config.root.join("classes.txt").into()));
}

/// Ids, labels and bytes.
fn content(dataset: &WebDataset) -> Vec<(String, u32, Vec<u8>)> {
    let read = |sample: Sample| match dataset.image(&sample.id) {
        Ok(ImageData::Encoded(bytes)) => (sample.id, sample.label, bytes),
        other => panic!("{other:?}"),
    };
    dataset.samples().unwrap().into_iter().map(read).collect()
}

fn refusal(members: &[Member<'_>], change: impl FnOnce(&mut WebDatasetConfig)) -> String {
    open(&[("a.tar", tar(members))], change).1.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn it_keeps_the_rules_of_its_role() {
    let (folder, _) = open(&[("a.tar", tar(&[("1.jpg", b"one"), ("1.cls", b"0"), ("2.jpg", b"two"), ("2.cls", b"1")]))], |_| ());
    let classes = folder.path().join("classes.txt");
    convert_testing::dataset::<WebDataset>(&format!(r#"{{"root": {:?}, "classes": {classes:?}}}"#, folder.path()));
}

#[test]
fn members_side_by_side_with_one_key_are_a_sample() {
    let long = format!("{}/x.jpg", "deep".repeat(40));
    let long_label = long.replace(".jpg", ".cls");
    let first = tar(&[
        ("1.cls", b"bee\n"),
        ("1.seg.png", b"mask"),
        ("1.JPG", b"one"),
        ("1.png", b"not wanted"),
        ("README", b"text"),
        ("2.jpg", b"two"),
        ("2.cls", b"ant"),
    ]);
    let second = tar(&[(&long, b"three"), (&long_label, b"ant"), ("1.cls", b"ant"), ("1.jpg", b"four")]);
    let (_folder, dataset) = open(&[("a-0.tar", first), ("a-1.tar", second)], |_| ());
    let dataset = dataset.unwrap();
    assert_eq!(dataset.classes(), ["ant", "bee"]);
    let expected = [("a-0/1.JPG", 1, "one"), ("a-0/2.jpg", 0, "two"), (&format!("a-1/{long}"), 0, "three"), ("a-1/1.jpg", 0, "four")];
    assert_eq!(content(&dataset), expected.map(|(id, label, bytes)| (id.to_owned(), label, bytes.as_bytes().to_vec())));
    assert_eq!(content(&dataset).len(), 4, "a second listing reads the shards again");
}

#[test]
fn numbers_are_indices_into_the_classes_and_json_has_a_key() {
    let (_folder, dataset) = open(&[("a.tar", tar(&[("1.jpg", b"one"), ("1.cls", b"1"), ("2.jpg", b"two"), ("2.cls", b"0")]))], with_classes);
    assert_eq!(content(&dataset.unwrap()).iter().map(|(_, label, _)| *label).collect::<Vec<_>>(), [1, 0]);
    let members: [Member<'_>; 4] =
        [("1.jpg", b"one"), ("1.meta.json", br#"{"class": 1}"#), ("2.jpg", b"two"), ("2.meta.json", br#"{"class": "ant"}"#)];
    let json = |config: &mut WebDatasetConfig| {
        with_classes(config);
        (config.label, config.json_key) = ("meta.json".into(), "class".into());
    };
    let (_folder, dataset) = open(&[("a.tar", tar(&members))], json);
    assert_eq!(content(&dataset.unwrap()).iter().map(|(_, label, _)| *label).collect::<Vec<_>>(), [1, 0]);
    let wrong_key = refusal(&members, |config| config.label = "meta.json".into());
    assert!(wrong_key.contains("\"1.meta.json\"") && wrong_key.contains("has no key \"label\", only class: check `json_key`"), "{wrong_key}");
}

#[test]
fn bad_samples_are_named() {
    let check = |members: &[Member<'_>], what: &str| {
        let error = refusal(members, with_classes);
        assert!(error.contains(what), "`{what}` is not in {error}");
    };
    check(&[("1.jpg", b"x"), ("1.txt", b"x")], "has no label member `cls`, only jpg, txt: check `label`; `incomplete: skip` leaves such samples out");
    check(&[("1.heic", b"x"), ("1.cls", b"0")], "has no image (jpg, jpeg, png, webp, tif, tiff, bmp, gif), only heic, cls: check `extensions`");
    check(&[("1.jpg", b"x"), ("1.cls", b"2")], "the sample \"a/1.jpg\" of ");
    check(&[("1.jpg", b"x"), ("1.cls", b"-1")], "has the label \"-1\", which is neither one of the 2 class names nor an index from 0 to 1");
    check(&[("1.jpg", b"x"), ("1.cls", b" ")], "the label \"1.cls\" of the shard ");
    check(&[("1.jpg", b"x"), ("2.jpg", b"x"), ("1.cls", b"0")], "has no label member");
    check(&[("1.jpg", b"x"), ("1.cls", b"0"), ("2.jpg", b"x"), ("2.cls", b"0"), ("1.png", b"x")], "has members of the sample \"1\" in two places");
    check(&[("notes", b"x")], "hold no samples with an image: looked for jpg");
    let numbers = refusal(&[("1.jpg", b"x"), ("1.cls", b"0"), ("2.jpg", b"x"), ("2.cls", b"1")], |_| ());
    assert!(numbers.contains("are numbers: name the classes in a file"), "{numbers}");
    let one = refusal(&[("1.jpg", b"x"), ("1.cls", b"ant")], |_| ());
    assert!(one.contains("labels of one class only, \"ant\""), "{one}");
    let skip = |config: &mut WebDatasetConfig| config.incomplete = Incomplete::Skip;
    let members: [Member<'_>; 6] = [("0.txt", b"x"), ("1.jpg", b"one"), ("1.cls", b"ant"), ("2.jpg", b"two"), ("2.cls", b"bee"), ("3.jpg", b"three")];
    let (_folder, dataset) = open(&[("a.tar", tar(&members))], skip);
    assert_eq!(content(&dataset.unwrap()).len(), 2);
}

#[test]
fn a_shard_cut_within_a_member_or_a_sample_is_refused_and_one_without_an_end_mark_is_read() {
    let photo = [7u8; 5000];
    let whole = tar(&[("1.cls", b"ant"), ("1.jpg", &photo), ("2.cls", b"bee"), ("2.jpg", &photo)]);
    for at in [100, 512, 700, 1024, 3000, whole.len() - 1024 - 600] {
        let (_folder, dataset) = open(&[("a.tar", whole[..at].to_vec())], |_| ());
        let error = dataset.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("is truncated") || error.contains("a broken one") || error.contains("has no"), "{at}: {error}");
    }
    let (_folder, dataset) = open(&[("a.tar", whole[..whole.len() - 1024].to_vec())], |_| ());
    assert_eq!(content(&dataset.unwrap()).len(), 2, "only the end mark is missing");
    let (_folder, dataset) = open(&[("a.tar", b"buy milk".repeat(200))], |_| ());
    assert!(dataset.map(|_| ()).unwrap_err().to_string().contains("is not a tar file or a broken one: fetch it again"));
}

#[test]
fn a_shard_compressed_with_gzip_is_unpacked_once_and_anew_when_it_changes() {
    use convert_sdk::Settings;
    use std::io::Write;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let members: [Member<'_>; 4] = [("1.jpg", b"one"), ("1.cls", b"ant"), ("2.jpg", b"two"), ("2.cls", b"bee")];
    let whole = tar(&members);
    // Two streams in one file, as `cat a.gz b.gz` gives.
    let (folder, plain) = open(&[("a.tar.gz", [gzip(&whole[..700]), gzip(&whole[700..])].concat()), ("b.tar", whole.clone())], |_| ());
    let cache = tempfile::tempdir().unwrap();
    let again = || {
        let context = Context::for_tests(&[]);
        let settings = Settings { cache_folder: cache.path().to_owned(), ..context.settings().clone() };
        WebDataset::new(plain.as_ref().unwrap().config.clone(), Context::new(settings, context.host().clone()))
    };
    let unpacked = || std::fs::read_dir(cache.path().join("shards")).into_iter().flatten().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let dataset = again().unwrap();
    assert_eq!(unpacked().len(), 0, "listing writes nothing");
    let expected = [("a/1.jpg", 0, "one"), ("a/2.jpg", 1, "two"), ("b/1.jpg", 0, "one"), ("b/2.jpg", 1, "two")];
    let expected = expected.map(|(id, label, bytes)| (id.to_owned(), label, bytes.as_bytes().to_vec()));
    assert_eq!(content(&dataset), expected);
    let first = unpacked();
    assert_eq!(std::fs::read(&first[0]).unwrap(), whole);
    assert_eq!(content(&again().unwrap()), expected, "listed from what was unpacked");
    std::fs::write(folder.path().join("a.tar.gz"), gzip(&tar(&members[2..]))).unwrap();
    assert_eq!(content(&again().unwrap()), expected[1..].to_vec());
    assert!(unpacked().len() == 1 && unpacked() != first, "what the shard was before is gone");
    let cut = gzip(&tar(&members));
    std::fs::write(folder.path().join("a.tar.gz"), &cut[..cut.len() / 2]).unwrap();
    let error = again().map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("is not a tar file or a broken one: fetch it again"), "{error}");
}

/// Three shards of photos and labels, 60 kB a photo.
fn photos(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for shard in 0..3 {
        let names: Vec<(String, Vec<u8>)> = (0..50)
            .flat_map(|at| {
                let photo = (0..60_000u32).map(|byte| (byte * (at + 7) + shard) as u8).collect();
                let label = if at % 2 == 0 { "ant" } else { "bee" };
                [(format!("{at:02}.jpg"), photo), (format!("{at:02}.cls"), label.as_bytes().to_vec())]
            })
            .collect();
        let members: Vec<Member<'_>> = names.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        std::fs::write(folder.join(format!("train-{shard:03}.tar")), tar(&members)).unwrap();
    }
}

#[test]
fn shards_of_a_store_are_those_of_the_folder_and_their_index_is_read_once() {
    use crate::stores::{Asked, FolderStores, content};
    let place = tempfile::tempdir().unwrap();
    let (folder, cache) = (place.path().join("bucket/data"), place.path().join("cache"));
    photos(&folder);
    std::fs::create_dir(&cache).unwrap();
    let stores = FolderStores::new(place.path());
    let open = |root: &str| {
        let config = serde_json::from_value(serde_json::json!({ "root": root })).unwrap();
        WebDataset::new(config, stores.context(&cache)).map_err(|error| error.to_string())
    };
    let local = open(folder.to_str().unwrap()).unwrap();
    assert_eq!(stores.asked(), Asked::default());
    let dataset = open("s3://bucket/data/train-{000..002}.tar").unwrap();
    let first = stores.asked();
    // Pieces of 1, 2 and 4 MB hold the 3 MB of a shard.
    assert_eq!((first.looks, first.reads, first.lists), (0, 6, 1), "{first:?}");
    let whole: u64 = (0..3).map(|shard| std::fs::metadata(folder.join(format!("train-{shard:03}.tar"))).unwrap().len()).sum();
    assert!(first.bytes as u64 <= whole, "{first:?} of {whole}");
    let (samples, revisions) = content(&dataset);
    assert_eq!(stores.asked(), Asked { reads: 150, bytes: 150 * 60_000, ..Asked::default() }, "one request an image");
    assert_eq!(samples, content(&local).0);
    assert_eq!(dataset.classes(), local.classes());
    assert!(revisions.iter().all(|revision| *revision > Sample::MISSING) && revisions.iter().collect::<std::collections::HashSet<_>>().len() == 150);

    let again = open("s3://bucket/data").unwrap();
    assert_eq!(stores.asked(), Asked { lists: 1, ..Asked::default() }, "a listing tells that nothing changed");
    assert_eq!(content(&again), (samples.clone(), revisions.clone()));
    stores.asked();

    // Another shard of the same size is another version; the rest is known.
    let path = folder.join("train-001.tar");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[600] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(again.image("train-001/00.jpg").unwrap_err().to_string().contains("was replaced while it was read"));
    let (changed, other) = content(&open("s3://bucket/data/").unwrap());
    assert_eq!(stores.asked().reads, 2 + 150);
    let differing: Vec<usize> = (0..150).filter(|at| revisions[*at] != other[*at]).collect();
    assert_eq!(differing, (50..100).collect::<Vec<_>>(), "the images of that shard");
    assert!(changed != samples);

    // What was remembered and then damaged is not believed.
    for file in std::fs::read_dir(cache.join("shard-index")).unwrap() {
        let path = file.unwrap().path();
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace("00.jpg", "99.jpg").replace("ant", "bee")).unwrap();
    }
    assert_eq!(content(&open("s3://bucket/data").unwrap()), (changed, other));
    assert_eq!(stores.asked().reads, 6 + 150);
}

#[test]
fn what_is_wrong_with_shards_of_a_store_is_said_and_an_outage_may_pass() {
    use crate::stores::FolderStores;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("bucket/data");
    photos(&folder);
    let stores = FolderStores::new(place.path());
    let open = |config: serde_json::Value| WebDataset::new(serde_json::from_value(config).unwrap(), stores.context(&place.path().join("cache")));
    let refusal = |config: serde_json::Value| open(config).map(|_| ()).unwrap_err();
    let missing = refusal(serde_json::json!({ "root": "s3://bucket/data/train-{000..003}.tar" }));
    assert_eq!(missing.to_string(), "s3://bucket/data has no file \"train-003.tar\": check `files`");
    let both = refusal(serde_json::json!({ "root": "s3://bucket/data/train-*.tar", "files": "train-*.tar" }));
    assert_eq!(both.to_string(), "s3://bucket/data/train-*.tar names the files \"train-*.tar\", and so does `files`: leave one out");
    let none = refusal(serde_json::json!({ "root": "s3://bucket/elsewhere" }));
    assert_eq!(none.to_string(), "s3://bucket/elsewhere has no .tar files");
    *stores.away.lock().unwrap() = Some("train-001".into());
    let away = refusal(serde_json::json!({ "root": "s3://bucket/data" }));
    assert!(away.kind == ErrorKind::Io && away.to_string().contains("s3://bucket/data/train-001.tar: no answer for 150 s"), "{away}");
    *stores.away.lock().unwrap() = None;
    let dataset = open(serde_json::json!({ "root": "s3://bucket/data" })).unwrap();
    assert!(!place.path().join("cache").exists(), "opening makes no folders");
    *stores.away.lock().unwrap() = Some("train-001".into());
    assert_eq!(dataset.image("train-001/00.jpg").unwrap_err().kind, ErrorKind::Io);
    assert!(place.path().join("cache/shard-index").is_dir(), "a run at work does");
    let whole = std::fs::read(folder.join("train-001.tar")).unwrap();
    *stores.away.lock().unwrap() = None;
    std::fs::write(folder.join("train-001.tar"), &whole[..whole.len() / 2]).unwrap();
    let cut = refusal(serde_json::json!({ "root": "s3://bucket/data" }));
    assert!(cut.kind == ErrorKind::Config && cut.to_string().contains("train-001.tar is truncated"), "{cut}");
}

#[test]
fn compressed_shards_of_a_store_are_unpacked_once() {
    use crate::stores::{FolderStores, content};
    use std::io::Write;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("bucket/data");
    photos(&folder);
    let expected = {
        let config = serde_json::from_value(serde_json::json!({ "root": folder })).unwrap();
        content(&WebDataset::new(config, Context::for_tests(&[])).unwrap()).0
    };
    for shard in 0..3 {
        let path = folder.join(format!("train-{shard:03}.tar"));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::write(folder.join(format!("train-{shard:03}.tar.gz")), encoder.finish().unwrap()).unwrap();
        std::fs::remove_file(path).unwrap();
    }
    let stores = FolderStores::new(place.path());
    let config = serde_json::from_value(serde_json::json!({ "root": "s3://bucket/data" })).unwrap();
    let dataset = WebDataset::new(config, stores.context(&place.path().join("cache"))).unwrap();
    let listed = stores.asked();
    assert_eq!(content(&dataset).0, expected);
    assert_eq!(stores.asked().reads, listed.reads, "each is read once more, as a whole");
}
