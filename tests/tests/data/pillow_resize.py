"""Decodes and resizes 50 photos with Pillow (13): pillow_resize.py PHOTOS OUT writes N.rgb and list.json."""
import json
import pathlib
import sys

from PIL import Image

photos, out = map(pathlib.Path, sys.argv[1:])
files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
chosen = [files[index * len(files) // 50] for index in range(50)]
sizes = [480, 224, 768, 448, 512]
listed = []
for index, path in enumerate(chosen):
    size = sizes[index % len(sizes)]
    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
    (out / f"{index}.rgb").write_bytes(image.tobytes())
    listed.append((str(path), size))
(out / "list.json").write_text(json.dumps(listed))
