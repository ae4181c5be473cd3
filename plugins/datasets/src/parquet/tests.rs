use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::*;

const NAMES: &str = r#"{"info": {"features": {"label": {"names": ["ant", "bee"], "_type": "ClassLabel"}}}}"#;

/// A column of images, some without bytes.
fn images(bytes: &[Option<&[u8]>]) -> ArrayRef {
    let mut builder = BinaryBuilder::new();
    bytes.iter().for_each(|bytes| builder.append_option(*bytes));
    let paths = StringArray::from((0..bytes.len()).map(|at| Some(format!("{at}.jpg"))).collect::<Vec<_>>());
    let field = |name, kind| Arc::new(Field::new(name, kind, true));
    Arc::new(StructArray::from(vec![
        (field("bytes", DataType::Binary), Arc::new(builder.finish()) as ArrayRef),
        (field("path", DataType::Utf8), Arc::new(paths) as ArrayRef),
    ]))
}

fn labels(labels: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(labels.to_vec()))
}

/// Writes a file with `rows` rows a row group.
fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, metadata: Option<&str>, rows: usize, compression: Compression) {
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let metadata: HashMap<String, String> = metadata.map(|text| ("huggingface".to_owned(), text.to_owned())).into_iter().collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows)).set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn open(folder: &Path, change: impl FnOnce(&mut ParquetConfig)) -> Result<Parquet> {
    let mut config = ParquetConfig {
        root: folder.to_path_buf().into(),
        files: None,
        image_column: default_image_column(),
        label_column: default_label_column(),
        id_column: None,
        classes: None,
        incomplete: Incomplete::Stop,
        truth: None,
    };
    change(&mut config);
    Parquet::new(config, Context::for_tests(&[]))
}

fn refused(columns: Vec<(&str, ArrayRef)>, metadata: Option<&str>, change: impl FnOnce(&mut ParquetConfig)) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.parquet"), columns, metadata, 2, Compression::SNAPPY);
    open(folder.path(), change).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn it_keeps_the_rules_of_its_role() {
    let folder = tempfile::tempdir().unwrap();
    let columns = vec![("image", images(&[Some(b"one".as_slice()), Some(b"two")])), ("label", labels(&[Some(0), Some(1)]))];
    write(&folder.path().join("a.parquet"), columns, Some(NAMES), 2, Compression::SNAPPY);
    convert_testing::dataset::<Parquet>(&format!(r#"{{"root": {:?}}}"#, folder.path()));
}

#[test]
fn every_image_is_found_whatever_the_row_groups_the_codec_and_the_order() {
    // Each photo is 6 MB, so that a row group of four is read in two blocks.
    let photos: Vec<Vec<u8>> = (0..10u8).map(|at| (0..6_000_000u32).map(|byte| (byte % 251) as u8 ^ at).collect()).collect();
    for (compression, rows) in
        [(Compression::SNAPPY, 4), (Compression::UNCOMPRESSED, 100), (Compression::LZ4_RAW, 1), (Compression::GZIP(Default::default()), 3)]
    {
        let folder = tempfile::tempdir().unwrap();
        for (file, range) in [("a.parquet", 0..7), ("b.parquet", 7..10)] {
            let bytes: Vec<Option<&[u8]>> = photos[range.clone()].iter().map(|photo| Some(photo.as_slice())).collect();
            let classes: Vec<Option<i64>> = range.map(|at| Some(at as i64 % 2)).collect();
            write(&folder.path().join(file), vec![("image", images(&bytes)), ("label", labels(&classes))], Some(NAMES), rows, compression);
        }
        let dataset = open(folder.path(), |_| ()).unwrap();
        assert_eq!(dataset.classes(), ["ant", "bee"]);
        let samples = dataset.samples().unwrap();
        assert_eq!(samples.iter().map(|sample| (sample.id.as_str(), sample.label)).nth(8), Some(("b/00000001", 0)));
        for at in [0, 9, 1, 8, 2, 7, 3, 6, 4, 5] {
            let Ok(ImageData::Encoded(bytes)) = dataset.image(&samples[at].id) else { panic!("{compression:?}: no image {at}") };
            assert!(bytes == photos[at], "{compression:?}: another image at {at}");
        }
        assert!(
            dataset.files.iter().all(|file| matches!(file, TableFile::Parquet(file) if file.block_of(0).end <= 3)),
            "a block has at most 16 MiB and what one more image takes"
        );
    }
}

#[test]
fn ids_may_come_from_a_column_and_bytes_stand_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: ArrayRef = Arc::new(arrow_array::BinaryArray::from(vec![b"one".as_slice(), b"two"]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["bee", "ant"]));
    write(
        &folder.path().join("a.parquet"),
        vec![("photo", bytes), ("class", names), ("key", labels(&[Some(7), Some(3)]))],
        None,
        1,
        Compression::SNAPPY,
    );
    let dataset = open(folder.path(), |config| {
        (config.image_column, config.label_column, config.id_column) = ("photo".into(), "class".into(), Some("key".into()));
    });
    let dataset = dataset.unwrap();
    assert_eq!((dataset.classes(), dataset.image("3").unwrap()), (vec!["ant".into(), "bee".into()], ImageData::Encoded(b"two".to_vec())));
    write(
        &folder.path().join("a.parquet"),
        vec![("image", images(&[Some(b"x"), Some(b"y")])), ("label", labels(&[Some(0), Some(1)]))],
        Some(NAMES),
        2,
        Compression::SNAPPY,
    );
    let dataset = open(folder.path(), |config| config.id_column = Some("image.path".into())).unwrap();
    assert_eq!(dataset.image("1.jpg").unwrap(), ImageData::Encoded(b"y".to_vec()));
}

#[test]
fn a_row_without_an_image_is_named_when_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let columns = vec![("image", images(&[Some(b"x"), None])), ("label", labels(&[Some(0), Some(1)]))];
    write(&folder.path().join("a.parquet"), columns, Some(NAMES), 2, Compression::SNAPPY);
    let dataset = open(folder.path(), |_| ()).unwrap();
    assert!(dataset.image("a/00000000").is_ok());
    let error = dataset.image("a/00000001").unwrap_err().to_string();
    assert!(
        error.starts_with("row 1 of ")
            && error.ends_with("has no image bytes, only a path: write the images into the file, as docs/datasets.md shows"),
        "{error}"
    );
}

/// An Arrow file of some batches, as a stream or with a footer.
fn write_arrow(path: &Path, batches: &[Vec<(&str, ArrayRef)>], metadata: Option<&str>, with_footer: bool) {
    let fields: Vec<Field> = batches[0].iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let metadata: HashMap<String, String> = metadata.map(|text| ("huggingface".to_owned(), text.to_owned())).into_iter().collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let batches =
        batches.iter().map(|columns| RecordBatch::try_new(Arc::clone(&schema), columns.iter().map(|(_, array)| array.clone()).collect()).unwrap());
    let file = File::create(path).unwrap();
    if with_footer {
        let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &schema).unwrap();
        batches.for_each(|batch| writer.write(&batch).unwrap());
        writer.finish().unwrap();
    } else {
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(file, &schema).unwrap();
        batches.for_each(|batch| writer.write(&batch).unwrap());
        writer.finish().unwrap();
    }
}

#[test]
fn arrow_files_give_the_same_rows_in_both_forms() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
    let batch = |bytes: [&'static [u8]; 3], classes: [Option<i64>; 3]| {
        vec![("caption", texts.clone()), ("image", images(&bytes.map(Some))), ("label", labels(&classes))]
    };
    let batches = [batch([b"one", b"", b"three"], [Some(1), Some(0), Some(1)]), batch([b"four", b"five", b"six"], [Some(0), None, Some(0)])];
    for with_footer in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        write_arrow(&folder.path().join("data-0.arrow"), &batches, Some(NAMES), with_footer);
        let dataset = open(folder.path(), |config| config.incomplete = Incomplete::Skip).unwrap();
        let rows: Vec<(String, u32, ImageData)> =
            dataset.samples().unwrap().into_iter().map(|sample| (sample.id.clone(), sample.label, dataset.image(&sample.id).unwrap())).collect();
        let expected = [(0, 1, "one"), (1, 0, ""), (2, 1, "three"), (3, 0, "four"), (5, 0, "six")];
        let expected = expected.map(|(row, label, bytes)| (format!("data-0/{row:08}"), label, ImageData::Encoded(bytes.as_bytes().to_vec())));
        assert_eq!(rows, expected);
        let by_path = open(folder.path(), |config| (config.incomplete, config.id_column) = (Incomplete::Skip, Some("caption".into())));
        assert!(by_path.map(|_| ()).unwrap_err().to_string().contains("has no id in the column \"caption\""));
        let whole = std::fs::read(folder.path().join("data-0.arrow")).unwrap();
        for length in [0, 3, 60, whole.len() / 2, if with_footer { 600 } else { whole.len() - 20 }] {
            std::fs::write(folder.path().join("data-0.arrow"), &whole[..length]).unwrap();
            let error = open(folder.path(), |_| ()).map(|_| ()).unwrap_err().to_string();
            assert!(["a broken one: save it again", "is truncated", "hold no rows"].iter().any(|what| error.contains(what)), "{length}: {error}");
        }
    }
}

#[test]
fn a_folder_of_save_to_disk_is_read_by_its_own_list() {
    let folder = tempfile::tempdir().unwrap();
    let two = |bytes: [&'static [u8]; 2]| vec![("image", images(&bytes.map(Some))), ("label", labels(&[Some(0), Some(1)]))];
    write_arrow(&folder.path().join("data-0.arrow"), &[two([b"a", b"b"])], Some(NAMES), false);
    write_arrow(&folder.path().join("cache-77.arrow"), &[two([b"c", b"d"])], Some(NAMES), false);
    let state = |text: &str| std::fs::write(folder.path().join("state.json"), text).unwrap();
    state(r#"{"_data_files": [{"filename": "data-0.arrow"}], "_split": "train"}"#);
    assert_eq!(open(folder.path(), |_| ()).unwrap().samples().unwrap().len(), 2);
    assert_eq!(open(folder.path(), |config| config.files = Some("*.arrow".into())).unwrap().samples().unwrap().len(), 4);
    state(r#"{"_data_files": [{"filename": "../data-0.arrow"}]}"#);
    let error = open(folder.path(), |_| ()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("save the dataset again"), "{error}");
    let splits = tempfile::tempdir().unwrap();
    std::fs::write(splits.path().join("dataset_dict.json"), r#"{"splits": ["train", "test"]}"#).unwrap();
    let error = open(splits.path(), |_| ()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("holds the splits train, test: name the folder of one, such as ") && error.ends_with("/train"), "{error}");
}

#[test]
fn arrow_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.arrow");
    let refused = |what: &str| {
        let error = open(folder.path(), |_| ()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(what), "`{what}` is not in {error}");
    };
    write_arrow(&file, &[vec![("photo", images(&[Some(b"x")])), ("label", labels(&[Some(0)]))]], None, false);
    refused("has no column \"image\": its columns are photo, label");
    let views: ArrayRef = Arc::new(arrow_array::StringViewArray::from(vec!["x"]));
    write_arrow(&file, &[vec![("text", views), ("image", images(&[Some(b"x")])), ("label", labels(&[Some(0)]))]], None, false);
    refused("the column \"text\" is Utf8View, behind which nothing can be found");
    std::fs::write(&file, "buy milk".repeat(20)).unwrap();
    refused("is not an Arrow file or a broken one");
    let dataset = {
        write_arrow(&file, &[vec![("image", images(&[Some(b"x"), None])), ("label", labels(&[Some(0), Some(1)]))]], Some(NAMES), false);
        open(folder.path(), |_| ()).unwrap()
    };
    let error = dataset.image("a/00000001").unwrap_err().to_string();
    assert!(error.ends_with("has no image bytes, only a path: write the images into the file, as docs/datasets.md shows"), "{error}");
}

#[test]
fn what_does_not_fit_is_named() {
    let two = || images(&[Some(b"x"), Some(b"y")]);
    let check = |columns: Vec<(&str, ArrayRef)>, metadata: Option<&str>, what: &str| {
        let error = refused(columns, metadata, |_| ());
        assert!(error.contains(what), "`{what}` is not in {error}");
    };
    check(vec![("image", two()), ("fine_label", labels(&[Some(0), Some(1)]))], None, "has no column \"label\": its columns are image, fine_label");
    check(
        vec![("image", labels(&[Some(0), Some(1)])), ("label", labels(&[Some(0), Some(1)]))],
        None,
        "is Int64: it must be a struct with binary `bytes`",
    );
    check(vec![("image", two()), ("label", two())], None, "it must hold integers or text");
    check(vec![("image", two()), ("label", labels(&[Some(0), Some(2)]))], Some(NAMES), "row 1 of ");
    check(
        vec![("image", two()), ("label", labels(&[Some(0), Some(2)]))],
        Some(NAMES),
        "has the label \"2\", which is neither one of the 2 class names",
    );
    check(vec![("image", two()), ("label", labels(&[Some(0), Some(1)]))], None, "are numbers: name the classes in a file");
    check(vec![("image", two()), ("label", labels(&[Some(-1), Some(1)]))], Some(NAMES), "has no label in the column \"label\"; `incomplete: skip`");
    check(vec![("image", two()), ("label", labels(&[None, Some(1)]))], Some(NAMES), "row 0 of ");
    let same = refused(vec![("image", two()), ("label", labels(&[Some(0), Some(0)]))], Some(NAMES), |config| config.id_column = Some("label".into()));
    assert!(same.contains("both have the id \"0\" in the column \"label\": ids must differ"), "{same}");
    let none = refused(vec![("image", two()), ("label", labels(&[None, None]))], Some(NAMES), |config| config.incomplete = Incomplete::Skip);
    assert!(none.contains("hold no rows with a label"), "{none}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.parquet"), "buy milk".repeat(20)).unwrap();
    let error = open(folder.path(), |_| ()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("is not a Parquet file or a broken one: fetch it again"), "{error}");
}
