use super::*;

/// A folder with empty files at the given paths (folders where they end in `/`), and the dataset over it.
fn dataset(paths: &[&str], classes: Option<&str>) -> (tempfile::TempDir, Result<ImageFolder>) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("train");
    std::fs::create_dir(&root).unwrap();
    for path in paths {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if path.to_string_lossy().ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::write(&path, path.to_string_lossy().as_bytes()).unwrap();
        }
    }
    let classes = classes.map(|names| {
        let file = folder.path().join("classes.txt");
        std::fs::write(&file, names).unwrap();
        ClassSource::File(InputFile::from(file))
    });
    let config =
        ImageFolderConfig { root: root.into(), classes, ground_truth: None, truth: None, synsets: None, extensions: files::image_extensions() };
    let dataset = ImageFolder::new(config, Context::for_tests(&[]));
    (folder, dataset)
}

fn listed(dataset: &ImageFolder) -> Vec<(String, u32)> {
    let mut samples: Vec<_> = dataset.samples().unwrap().into_iter().map(|sample| (sample.id, sample.label)).collect();
    samples.sort();
    samples
}

fn refusal(paths: &[&str], classes: Option<&str>) -> String {
    let (_folder, dataset) = dataset(paths, classes);
    dataset.unwrap_err().to_string()
}

#[test]
fn it_keeps_the_rules_of_its_role() {
    let (folder, _) = dataset(&["tench/a.JPEG", "goldfish/c.jpg"], None);
    convert_testing::dataset::<ImageFolder>(&format!(r#"{{"root": {:?}}}"#, folder.path().join("train")));
}

#[test]
fn the_top_folder_is_the_label_and_the_path_the_id() {
    let paths = ["tench/a.JPEG", "tench/deep/er/b.png", "goldfish/c.jpg", "goldfish/notes.txt", ".cache/d.jpg", "goldfish/.e.jpg", "tench/.x/f.jpg"];
    let (_folder, dataset) = dataset(&paths, None);
    let dataset = dataset.unwrap();
    let expected = [("goldfish/c.jpg", 0), ("tench/a.JPEG", 1), ("tench/deep/er/b.png", 1)].map(|(id, label)| (id.to_string(), label));
    assert_eq!(dataset.classes(), ["goldfish", "tench"]);
    assert_eq!(listed(&dataset), expected);
    assert_eq!(listed(&dataset), expected, "a second listing reads the folder again");
    assert!(dataset.samples().unwrap().iter().all(|sample| sample.revision > 1));
    let Ok(ImageData::Encoded(bytes)) = dataset.image("tench/deep/er/b.png") else { panic!("no bytes") };
    assert!(bytes.ends_with(b"tench/deep/er/b.png"));
}

#[test]
fn a_class_file_gives_the_order() {
    let (_folder, dataset) = dataset(&["a/1.jpg", "b/2.jpg"], Some("b\nunused\na\n"));
    let dataset = dataset.unwrap();
    assert_eq!(dataset.classes(), ["b", "unused", "a"]);
    assert_eq!(listed(&dataset), [("a/1.jpg".to_string(), 2), ("b/2.jpg".to_string(), 0)]);
}

#[test]
fn useless_folders_are_refused_before_any_work() {
    let cases: [(&[&str], Option<&str>, &str); 6] = [
        (&[], None, "no images below"),
        (&["a/x.txt", "b/"], None, "looked for jpg, jpeg, png, webp, tif, tiff, bmp, gif in 2 class folders"),
        (&["1.jpg", "2.jpg"], None, "holds 2 images and no class folders: one folder a class is expected"),
        (&["only/1.jpg", "only/2.jpg"], None, "images of one class only, \"only\": a labeler needs at least two"),
        (&["only/1.jpg", "empty/"], None, "images of one class only"),
        (&["a/1.jpg", "c/2.jpg"], Some("a\nb\n"), "the folder \"c\""),
    ];
    for (paths, classes, what) in cases {
        let error = refusal(paths, classes);
        assert!(error.contains(what), "{paths:?}: {error}");
    }
}

#[cfg(unix)]
mod links_and_names {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_one_that_leads_nowhere_is_left_to_the_host() {
        let (folder, first) = dataset(&["a/1.jpg", "b/2.jpg"], None);
        let root = first.unwrap().root.path().to_owned();
        std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
        std::fs::write(folder.path().join("elsewhere/3.jpg"), "3").unwrap();
        symlink(folder.path().join("elsewhere"), root.join("c")).unwrap();
        symlink(root.join("gone"), root.join("a/4.jpg")).unwrap();
        symlink(root.join("gone"), root.join("a/gone.txt")).unwrap();
        let config = ImageFolderConfig {
            root: root.into(),
            classes: None,
            ground_truth: None,
            truth: None,
            synsets: None,
            extensions: files::image_extensions(),
        };
        let dataset = ImageFolder::new(config, Context::for_tests(&[])).unwrap();
        let ids: Vec<String> = listed(&dataset).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["a/1.jpg", "a/4.jpg", "b/2.jpg", "c/3.jpg"]);
        assert!(dataset.image("a/4.jpg").unwrap_err().to_string().starts_with("cannot read the image"));
    }

    #[test]
    fn a_link_to_a_folder_above_is_one_bad_sample_and_no_endless_listing() {
        let (_folder, first) = dataset(&["a/1.jpg", "b/2.jpg"], None);
        let root = first.unwrap().root.path().to_owned();
        symlink(&root, root.join("a/loop")).unwrap();
        symlink("itself.jpg", root.join("b/itself.jpg")).unwrap();
        let config = ImageFolderConfig {
            root: root.into(),
            classes: None,
            ground_truth: None,
            truth: None,
            synsets: None,
            extensions: files::image_extensions(),
        };
        let dataset = ImageFolder::new(config, Context::for_tests(&[])).unwrap();
        let mut ids: Vec<String> = listed(&dataset).into_iter().map(|sample| sample.0).collect();
        ids.sort();
        assert_eq!(ids, ["a/1.jpg", "a/loop", "b/2.jpg", "b/itself.jpg"]);
        for (id, expected) in [("a/loop", "leads to a folder that it lies in"), ("b/itself.jpg", "symbolic links")] {
            let error = dataset.image(id).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_left_out_as_files_and_refused_as_classes() {
        let (_folder, first) = dataset(&["a/1.jpg", "b/2.jpg"], None);
        let root = first.unwrap().root.path().to_owned();
        std::fs::write(root.join("a").join(OsStr::from_bytes(b"caf\xe9.jpg")), "").unwrap();
        let config = ImageFolderConfig {
            root: root.clone().into(),
            classes: None,
            ground_truth: None,
            truth: None,
            synsets: None,
            extensions: files::image_extensions(),
        };
        assert_eq!(listed(&ImageFolder::new(config.clone(), Context::for_tests(&[])).unwrap()).len(), 2);
        std::fs::create_dir(root.join(OsStr::from_bytes(b"caf\xe9"))).unwrap();
        let error = ImageFolder::new(config, Context::for_tests(&[])).unwrap_err();
        assert!(error.to_string().contains("is not UTF-8: rename it"), "{error}");
    }
}

#[test]
fn a_listing_of_a_store_gives_what_the_folder_gives() {
    use crate::stores::{Asked, FolderStores, content};
    let place = tempfile::tempdir().unwrap();
    let paths =
        ["tench/a.JPEG", "tench/deep/er/b.png", "goldfish/c.jpg", "goldfish/notes.txt", ".cache/d.jpg", "goldfish/.e.jpg", "tench/.x/f.jpg", "g.jpg"];
    let more: Vec<String> = (0..10).map(|at| format!("shark/{at}.jpg")).collect();
    for path in paths.into_iter().chain(more.iter().map(String::as_str)) {
        let file = place.path().join("bucket/train").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, path).unwrap();
    }
    let stores = FolderStores::new(place.path());
    let open = |root: &str| {
        let config = serde_json::from_str(&format!(r#"{{"root": {root:?}}}"#)).unwrap();
        ImageFolder::new(config, stores.context(&place.path().join("cache")))
    };
    let local = open(place.path().join("bucket/train").to_str().unwrap()).unwrap();
    assert_eq!(stores.asked(), Asked::default());
    let dataset = open("s3://bucket/train/").unwrap();
    // The root, and of each class a page of three images.
    assert_eq!(stores.asked(), Asked { lists: 1 + 1 + 4 + 1, ..Asked::default() });
    let (samples, revisions) = content(&dataset);
    assert_eq!((dataset.classes(), &samples), (local.classes(), &content(&local).0));
    assert_eq!(samples.len(), 13);
    assert_eq!(stores.asked().reads, 13, "one request an image");
    assert_eq!(content(&dataset).1, revisions, "a second listing");
    std::fs::write(place.path().join("bucket/train/shark/3.jpg"), "another").unwrap();
    let other = content(&open("s3://bucket/train").unwrap()).1;
    assert_eq!((0..13).filter(|at| revisions[*at] != other[*at]).count(), 1, "the image that was written over");
    *stores.away.lock().unwrap() = Some("shark/3".into());
    assert_eq!(dataset.image("shark/3.jpg").unwrap_err().kind, ErrorKind::Io);
    let none = open("s3://bucket/elsewhere").unwrap_err();
    assert!(none.to_string().contains("no images below s3://bucket/elsewhere"), "{none}");
}
