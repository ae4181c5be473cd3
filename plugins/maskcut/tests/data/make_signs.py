"""Makes lapack_signs.in: eigenvectors with the signs that LAPACK gives them, for the test in src/sign.rs. Needs numpy and scipy."""
import numpy as np
import scipy.linalg

size = 8
i = np.arange(size)
rows = []
for k in range(1, 9):
    matrix = np.cos(1 + np.outer(i + 1, i + 1) * k) + np.diag(i)
    vector = scipy.linalg.eigh(matrix, subset_by_index=[1, 1], driver="evx")[1][:, 0]
    rows.append("    [" + ", ".join(f"{value:.12f}" for value in vector) + "],")
open("lapack_signs.in", "w").write("[\n" + "\n".join(rows) + "\n]\n")
