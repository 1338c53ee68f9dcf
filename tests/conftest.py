"""What holds for every test."""

import signal

import pytest
import torch

# A shell that runs the suite in the background lets it ignore Ctrl-C, and whatever it starts; the
# tests of interrupts send one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def one_torch_thread():
    """Run each test with one torch thread, as a comparison runs its sides, whatever ran before."""
    torch.set_num_threads(1)
