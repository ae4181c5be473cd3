#!/usr/bin/env python3
"""Makes colours.txt: a random image of 24x24 pixels, and what Pillow's colour operations make of it, a line each.

    make_colours.py >colours.txt

Needs Pillow and numpy.
"""
import numpy as np
from PIL import Image, ImageEnhance, ImageOps

random = np.random.default_rng(2)
smooth = random.uniform(20, 200, (4, 4, 3)).repeat(6, 0).repeat(6, 1) + random.normal(0, 12, (24, 24, 3))
image = Image.fromarray(np.clip(smooth, 0, 255).astype(np.uint8))
results = [image]
for enhance in (ImageEnhance.Brightness, ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Sharpness):
    results += [enhance(image).enhance(1.27), enhance(image).enhance(0.73)]
results += [ImageOps.posterize(image, 7), ImageOps.solarize(image, 178.5), ImageOps.autocontrast(image), ImageOps.equalize(image)]
for result in results:
    print(*np.asarray(result).reshape(-1).tolist())
