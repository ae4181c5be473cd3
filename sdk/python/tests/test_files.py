"""Reading what a real run wrote. Started by tests/tests/wheel.rs with the run's work directory in CONVERT_RUN and the package on PYTHONPATH."""

import json
import os
import signal
import tempfile
import unittest
from pathlib import Path

import convert_labels
import pyarrow as pa
from convert_labels import ConvertError, Progress, Run, decode_mask, read_labels, read_regions
from pycocotools import mask as coco_mask

RUN = Run.open(os.environ["CONVERT_RUN"])
RECIPE = Path(os.environ["CONVERT_RECIPE"])


class Labels(unittest.TestCase):
    def test_every_form_has_the_same_labels(self) -> None:
        tables = {name: read_labels(RUN.work_dir / name) for name in ("labels.parquet", "labels.jsonl", "labels.tsv")}
        first = tables["labels.parquet"]
        self.assertEqual(first.num_rows, RUN.statistics.images)
        self.assertEqual(json.loads(first.schema.metadata[b"classes"]), RUN.classes)
        for name, table in tables.items():
            with self.subTest(name):
                self.assertEqual([table.schema.names, table.schema.types], [first.schema.names, first.schema.types])
                self.assertEqual(table["id"], first["id"])
                self.assertEqual(table["label"], first["label"])
        self.assertTrue(tables["labels.jsonl"].equals(first.replace_schema_metadata(None)))
        # The tab-separated file has four decimals, and leaves out what rounds to zero.
        for precise, rounded in zip(first.to_pylist(), tables["labels.tsv"].to_pylist(), strict=True):
            kept = [(c, round(p, 4)) for c, p in zip(precise["classes"], precise["probabilities"], strict=True) if p >= 0.00005]
            self.assertEqual([c for c, _ in kept], rounded["classes"])
            for (_, expected), found in zip(kept, rounded["probabilities"], strict=True):
                self.assertAlmostEqual(expected, found, delta=0.0001)
        self.assertTrue(RUN.labels().equals(first))

    def test_the_original_label_is_certain(self) -> None:
        for row in RUN.labels().to_pylist():
            self.assertEqual(dict(zip(row["classes"], row["probabilities"], strict=True))[row["label"]], 1.0)

    def test_statistics_are_those_of_the_labels(self) -> None:
        counts = [0] * 5
        for row in RUN.labels().to_pylist():
            counts[min(sum(p > RUN.statistics.threshold for p in row["probabilities"]), 4)] += 1
        self.assertEqual(tuple(counts), RUN.statistics.by_count)

    def test_a_broken_file_is_named_with_its_line(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            cases = [
                ("a.tsv", "a\t0\t0\t1.0\nb\t0\n", "a.tsv, line 2: not id, label, classes and probabilities"),
                ("b.tsv", "a\t0\t0,1\t1.0\n", "b.tsv, line 1: 2 classes with 1 probabilities"),
                ("a.jsonl", '{"id": "a", "label": 0, "classes": []}\n', "a.jsonl, line 1: probabilities missing"),
                ("b.jsonl", "{\n", "b.jsonl, line 1: Expecting"),
                ("a.csv", "", "labels are read from .parquet, .jsonl and .tsv files"),
            ]
            for name, text, expected in cases:
                with self.subTest(name):
                    file = Path(folder, name)
                    file.write_text(text)
                    with self.assertRaises(ValueError) as caught:
                        read_labels(file)
                    self.assertIn(expected, str(caught.exception))


class Regions(unittest.TestCase):
    def test_every_form_has_the_same_masks(self) -> None:
        first = read_regions(RUN.work_dir / "labels.parquet")
        self.assertGreater(first.num_rows, RUN.statistics.images)
        self.assertTrue(first.equals(read_regions(RUN.work_dir / "labels.jsonl")))
        coco = read_regions(RUN.work_dir / "annotations.json")
        same = [name for name in first.schema.names if name not in ("score", "probabilities")]
        self.assertTrue(coco.select(same).equals(first.select(same)))
        for column in ("score", "probabilities"):
            for one, other in zip(first[column].combine_chunks().to_pylist(), coco[column].to_pylist(), strict=True):
                self.assertEqual(one, other, column)

    def test_masks_are_pycocotools(self) -> None:
        for region in RUN.regions().to_pylist():
            size = [region["height"], region["width"]]
            expected = coco_mask.decode({"size": size, "counts": region["counts"]})
            mask = decode_mask(region["counts"], region["width"], region["height"])
            self.assertEqual(mask.shape, tuple(size))
            self.assertTrue((mask == expected).all())
            self.assertEqual(int(mask.sum()), region["area"])

    def test_a_code_of_another_size_is_refused(self) -> None:
        region = RUN.regions().to_pylist()[0]
        for counts, width in ((region["counts"], region["width"] + 1), (region["counts"][:-1], region["width"]), ("é", region["width"])):
            with self.assertRaises(ValueError):
                decode_mask(counts, width, region["height"])


class Runs(unittest.TestCase):
    def test_a_run_tells_its_progress_and_can_be_opened(self) -> None:
        seen: list[Progress] = []
        with tempfile.TemporaryDirectory() as folder:
            run = convert_labels.run(RECIPE, set={"dataset.count": 6}, work_dir=folder, on_progress=seen.append, limit=4)
            self.assertEqual(run.work_dir, Path(folder))
            self.assertEqual(run.labels().num_rows, 4)
            self.assertEqual(run.errors(), [])
            self.assertEqual(Run.open(folder).statistics, run.statistics)
            self.assertIsNotNone(run.evaluation)
            whole = [progress for progress in seen if progress.done == progress.total]
            self.assertTrue(any("labels" in progress.stage for progress in whole), seen)
            self.assertTrue(any(progress.stage.startswith("train") for progress in whole), seen)

    def test_what_is_set_reaches_the_recipe(self) -> None:
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(ConvertError) as caught:
            convert_labels.run(RECIPE, set={"dataset": {"plugin": "image-folder"}, "dataset.root": Path("not", "there")}, work_dir=folder)
        self.assertIn(str(Path("not", "there").absolute()), str(caught.exception))

    def test_an_error_has_the_exit_code_and_the_last_line(self) -> None:
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(ConvertError) as caught:
            convert_labels.run(RECIPE, set={"dataset.cuont": 6}, work_dir=folder)
        self.assertEqual(caught.exception.exit_code, 2)
        self.assertIn("unknown key `cuont`", caught.exception.message)
        self.assertIn("count", str(caught.exception))

    def test_an_interrupt_leaves_a_run_that_continues(self) -> None:
        # Processes in the background of a script begin with interrupts ignored.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

        def interrupt(progress: Progress) -> None:
            if progress.stage.startswith("train"):
                signal.raise_signal(signal.SIGINT)

        # A training that no machine ends before the interrupt arrives; the run that continues has a short one.
        long, short = ({"dataset.count": 300, "label.config.epochs": epochs} for epochs in (100_000, 50))
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(KeyboardInterrupt):
                convert_labels.run(RECIPE, set=long, work_dir=folder, on_progress=interrupt)
            with self.assertRaises(FileNotFoundError) as caught:
                Run.open(folder)
            self.assertIn("no work directory of a finished run", str(caught.exception))
            kept: list[Progress] = []
            run = convert_labels.run(RECIPE, set=short, work_dir=folder, on_progress=kept.append)
            self.assertEqual(run.labels().num_rows, 300)
            stages = {progress.stage.split("-")[0] for progress in kept}
            self.assertNotIn("proposals", stages, "what was done is not done again")

    def test_a_run_without_the_wanted_export_says_which(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = convert_labels.run(RECIPE, set={"dataset.count": 4, "export": "[{plugin: html-report, file: report.html}]"}, work_dir=folder)
            with self.assertRaises(FileNotFoundError) as caught:
                run.labels()
            self.assertIn("neither parquet, jsonl or multilabel-tsv", str(caught.exception))


class Package(unittest.TestCase):
    def test_all_names_are_there(self) -> None:
        for name in convert_labels.__all__:
            if name != "MultiLabelDataset":  # needs torch
                self.assertIsNotNone(getattr(convert_labels, name).__doc__, name)
        with self.assertRaises(AttributeError):
            convert_labels.nothing  # noqa: B018

    def test_tables_are_pyarrows(self) -> None:
        self.assertIsInstance(RUN.labels(), pa.Table)


if __name__ == "__main__":
    unittest.main()
