"""A process whose memory is limited takes smaller tiles, and refuses what cannot fit."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import psutil
import torch
from segsr import SegSRPipeline
from segsr.errors import SegSRError
from segsr.model.options import SamplingOptions

pipeline = SegSRPipeline.from_pretrained("compact")
pipeline.set_progress_bar_config(disable=True)
pipeline(torch.rand(3, 64, 64))
photo = torch.rand(3, 240, 300)
free = pipeline.lay_out(240, 300, SamplingOptions(), "auto").tiling.size
limit = psutil.Process().memory_info().vms + 900 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    pipeline(photo, tile="off", on_step=lambda t: print("a step was taken"))
except SegSRError as error:
    print(error)
limited = pipeline.lay_out(240, 300, SamplingOptions(), "auto").tiling.size
print("smaller", limited < free)
print(tuple(pipeline(photo).image.shape))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
def test_a_limit_of_memory_makes_smaller_tiles() -> None:
    command = [sys.executable, "-c", SCRIPT]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=600
    )
    refusal, smaller, shape = done.stdout.splitlines()
    assert refusal.startswith("a tile of 1200 px takes")
    assert "give --tile auto" in refusal
    assert smaller == "smaller True"
    assert shape == "(3, 960, 1200)"
