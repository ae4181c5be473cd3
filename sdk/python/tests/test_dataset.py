"""`MultiLabelDataset` on photos and the labels of a real run. Needs torch, so tests/tests/wheel.rs starts it in the wheel's environment."""

import os
import unittest
from pathlib import Path

import torch
from convert_labels import MultiLabelDataset, Run, read_labels

RUN = Run.open(os.environ["CONVERT_RUN"])
PHOTOS = Path(os.environ["CONVERT_PHOTOS"])


class Dataset(unittest.TestCase):
    def test_an_item_is_the_photo_with_its_probabilities(self) -> None:
        data = MultiLabelDataset(PHOTOS, RUN)
        rows = RUN.labels().to_pylist()
        self.assertEqual((len(data), data.classes), (len(rows), RUN.classes))
        for at in (0, 7, -1):
            image, target = data[at]
            self.assertEqual((image.mode, image.size), ("RGB", (96, 96)))
            expected = torch.zeros(len(RUN.classes))
            expected[rows[at]["classes"]] = torch.tensor(rows[at]["probabilities"])
            self.assertEqual((target.dtype, target.shape), (torch.float32, (len(RUN.classes),)))
            self.assertTrue(torch.equal(target, expected))
        with self.assertRaises(IndexError):
            data[len(data)]

    def test_hard_targets_are_what_is_above_the_threshold(self) -> None:
        soft, hard = MultiLabelDataset(PHOTOS, RUN), MultiLabelDataset(PHOTOS, RUN, soft=False, threshold=0.3)
        for at in range(len(soft)):
            self.assertTrue(torch.equal(hard.target(at), (soft.target(at) > 0.3).float()))

    def test_every_label_file_gives_the_same_targets(self) -> None:
        first = MultiLabelDataset(PHOTOS, RUN)
        for name in ("labels.parquet", "labels.jsonl", "labels.tsv"):
            data = MultiLabelDataset(PHOTOS, RUN.work_dir / name)
            for at in range(len(first)):
                self.assertTrue(torch.allclose(data.target(at), first.target(at), atol=0.0001), name)

    def test_the_number_of_classes_is_never_guessed(self) -> None:
        table = read_labels(RUN.work_dir / "labels.tsv")
        with self.assertRaisesRegex(ValueError, "give num_classes"):
            MultiLabelDataset(PHOTOS, table)
        with self.assertRaisesRegex(ValueError, "the labels have class 3, but there are 2 classes"):
            MultiLabelDataset(PHOTOS, table, num_classes=2)
        self.assertEqual(MultiLabelDataset(PHOTOS, table, num_classes=9).target(0).shape, (9,))

    def test_workers_read_it_too(self) -> None:
        data = MultiLabelDataset(PHOTOS, RUN, transform=lambda image: torch.tensor(image.size))
        batches = list(torch.utils.data.DataLoader(data, batch_size=16, num_workers=2))
        self.assertEqual(sum(len(targets) for _, targets in batches), len(data))


if __name__ == "__main__":
    unittest.main()
