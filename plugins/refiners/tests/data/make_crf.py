"""Makes small_crf.bin: what pydensecrf gives on a drawn image (tests/crf_reference.rs draws the same).

    pip install "numpy<2" cython setuptools wheel && pip install --no-build-isolation pydensecrf2
    python make_crf.py

The file holds, for each of two parameter sets and each of two masks, the foreground's Q at each of 64x48 pixels in row order as little-endian
u16, 65535 standing for 1. The second set's weak terms leave Q far from 0 and 1.
"""
import numpy as np
import pydensecrf.densecrf as dcrf

W, H = 64, 48


def draw():
    image = np.zeros((H, W, 3), np.uint8)
    state = 12345
    for y in range(H):
        for x in range(W):
            state = (state * 1103515245 + 12345) % 2**31
            noise = (state >> 16) % 24
            if (x - 24) ** 2 + (y - 20) ** 2 < 200:
                colour = (150 - x, 90 + x // 2, 100)
            elif x > 44:
                colour = (70 + x, 100, 110)
            else:
                colour = (50 + x, 80 + y, 120)
            image[y, x] = [c + noise for c in colour]
    return image


def masks():
    disc = np.zeros((H, W), np.float32)
    disc[8:32, 8:40] = 1
    side = np.zeros((H, W), np.float32)
    side[:, 40:] = 1
    side[20:24, 50:54] = 0
    return [disc, side]


def crf(image, mask, weights, colour_sigma, iterations):
    pair = np.stack([1 - mask, mask])
    probabilities = np.exp(pair) / np.exp(pair).sum(0)
    unary = -np.log(np.clip(probabilities, 1e-5, 1)).reshape(2, -1).astype(np.float32)
    model = dcrf.DenseCRF2D(W, H, 2)
    model.setUnaryEnergy(np.ascontiguousarray(unary))
    model.addPairwiseGaussian(sxy=3, compat=weights[0])
    model.addPairwiseBilateral(sxy=50, srgb=colour_sigma, rgbim=np.ascontiguousarray(image), compat=weights[1])
    return np.array(model.inference(iterations)).reshape(2, H, W)[1]


image = draw()
sets = [((7, 10), 5, 10), ((1, 1.5), 13, 3)]
q = np.stack([crf(image, mask, *parameters) for parameters in sets for mask in masks()])
np.round(q * 65535).astype("<u2").tofile("small_crf.bin")
