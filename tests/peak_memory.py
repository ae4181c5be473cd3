#!/usr/bin/env python3
"""Runs a command and says how much memory it had at most, and how long it took."""
import resource
import subprocess
import sys
import time

start = time.monotonic()
code = subprocess.call(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 / 1024
print(f"peak memory {peak:.2f} GiB, {time.monotonic() - start:.0f} s", file=sys.stderr)
sys.exit(code)
