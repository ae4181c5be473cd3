"""Makes the files of ../torch_files.rs with PyTorch: python make.py (torch 2.11)."""
import collections
import os
import pathlib
import zipfile

import torch

here = pathlib.Path(__file__).parent
numbers = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 8 - 1
state = collections.OrderedDict(
    single=numbers,
    half=numbers.half(),
    brain=numbers.bfloat16(),
    whole=torch.arange(-3, 3),
    turned=numbers[0].T,
    part=numbers[1, 1:],
    parameter=torch.nn.Parameter(numbers[0, 0].clone()),
    inner={"deep": [numbers[0, 0, :2].clone()], "epoch": 7, "rate": 0.1, "name": "x"},
)
torch.save(state, here / "state.pth")
torch.save(state, here / "older.pth", _use_new_zipfile_serialization=False)
torch.save(torch.arange(24, dtype=torch.float32).reshape(2, 3, 4), here / "bare.pt")


class Evil:
    def __reduce__(self):
        return os.system, ("echo executed > executed",)


torch.save({"weight": numbers, "evil": Evil()}, here / "evil.pth")
torch.save({"weight": numbers, "evil": Evil()}, here / "older-evil.pth", _use_new_zipfile_serialization=False)
torch.jit.script(torch.nn.Linear(2, 2)).save(str(here / "module.pt"))
for archive in ("state.pth", "bare.pt"):
    assert all(member.compress_type == zipfile.ZIP_STORED for member in zipfile.ZipFile(here / archive).infolist())
