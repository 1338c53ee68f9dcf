"""What holds for every test."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_torch_thread():
    """Run each test with one torch thread, as a comparison runs its sides, whatever ran before."""
    torch.set_num_threads(1)
