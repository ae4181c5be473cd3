"""Writes resample.in, what Pillow's resize gives for numbers that a formula makes: python make_resample.py (Pillow 13)."""
import pathlib
import zlib

from PIL import Image

lines = []
for name, channels, size, to in [
    ("LANCZOS", 3, (64, 47), (48, 48)),
    ("LANCZOS", 3, (33, 70), (160, 96)),
    ("LANCZOS", 3, (640, 33), (48, 33)),
    ("LANCZOS", 3, (5, 200), (5, 16)),
    ("LANCZOS", 3, (1, 1), (16, 16)),
    ("LANCZOS", 1, (100, 90), (37, 41)),
    ("BICUBIC", 1, (48, 48), (131, 77)),
    ("BICUBIC", 1, (60, 60), (23, 19)),
    ("BICUBIC", 3, (17, 90), (40, 31)),
]:
    data = bytes((i * i + 7 * i) % 251 for i in range(size[0] * size[1] * channels))
    image = Image.frombytes("RGB" if channels == 3 else "L", size, data)
    result = image.resize(to, getattr(Image.Resampling, name)).tobytes()
    lines.append(f'    ("{name}", {channels}usize, ({size[0]}usize, {size[1]}usize), ({to[0]}usize, {to[1]}usize), [{", ".join(map(str, result[:8]))}], {zlib.crc32(result)}u32),')
(pathlib.Path(__file__).parent / "resample.in").write_text("[\n" + "\n".join(lines) + "\n]\n")
