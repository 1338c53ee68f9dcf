"""The kinds of dying or hanging run, each with the outcome and the words that it must get."""

from dataclasses import dataclass

from harness.records import Outcome
from harness.run.observe.writer import MEASURE_EVERY

SEEN = next(update for update in range(31, 1000) if update % MEASURE_EVERY == 1)


@dataclass(frozen=True)
class Kind:
    """A body of a side; `words` is a regular expression that the message must match."""

    body: str
    outcome: Outcome
    words: str
    stderr: str = ""


KINDS = {
    "exception": Kind(
        "train(call, 60, at(30, lambda: fail(ValueError('wrong shape'))))",
        Outcome.CRASHED,
        r"crashed at env step 29, update 0: ValueError: wrong shape at exception\.py:\d+ in fail: "
        r"raise error; correct it",
        "ValueError: wrong shape",
    ),
    "unprintable": Kind(
        "train(call, 60, at(30, lambda: fail(Unprintable())))",
        Outcome.CRASHED,
        r"Unprintable: \(its message cannot be printed\) at unprintable\.py:\d+ in fail",
    ),
    "exit_0": Kind(
        "train(call, 60, at(30, lambda: sys.exit(0)))",
        Outcome.INCOMPLETE,
        r"exit code 0 at env step 29, update 0, but the training call never returned.*let it ",
    ),
    "os_exit_0": Kind(
        "train(call, 60, at(30, lambda: os._exit(0)))",
        Outcome.INCOMPLETE,
        "exit code 0 at env step 29",
    ),
    "exit_3": Kind(
        "train(call, 60, at(30, lambda: sys.exit(3)))",
        Outcome.EXITED,
        r"exit code 3 at env step 29, update 0 without an exception: look for sys\.exit",
    ),
    "exit_words": Kind(
        "sys.exit('no licence found')", Outcome.EXITED, "exit code 1", "no licence found"
    ),
    "os_exit_7": Kind(
        "train(call, 60, at(30, lambda: os._exit(7)))", Outcome.EXITED, "exit code 7 at env step 29"
    ),
    "sigkill": Kind(
        "train(call, 60, at(30, lambda: os.kill(os.getpid(), signal.SIGKILL)))",
        Outcome.KILLED,
        r"killed by SIGKILL at env step 29, update 0: somebody, or the kernel when memory ran out",
    ),
    "sigsegv": Kind(
        "train(call, 60, at(30, lambda: ctypes.string_at(0)))",
        Outcome.KILLED,
        "killed by SIGSEGV at env step 29, update 0: native code failed",
        "Segmentation fault",
    ),
    "sigterm": Kind(
        "os.kill(os.getpid(), signal.SIGTERM)", Outcome.KILLED, "killed by SIGTERM at env step 0"
    ),
    "hang": Kind(
        "train(call, 60, at(30, lambda: time.sleep(1000)))",
        Outcome.HUNG,
        r"hung at env step 29, update 0: no env step and no update for [\d.]+ s",
        r"in <lambda>|in train",
    ),
    "stubborn": Kind(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "train(call, 60, at(30, lambda: time.sleep(1000)))",
        Outcome.HUNG,
        "hung at env step 29",
    ),
    "stuck_in_c": Kind(
        "re.match(r'(a+)+$', 'a' * 60 + 'b')",
        Outcome.HUNG,
        "hung at env step 0",
        "in side",
    ),
    "hog": Kind(
        "held = []\ntrain(call, 10_000, lambda step: held.append(b'x' * (16 << 20)))",
        Outcome.OUT_OF_MEMORY,
        r"held \d+ MiB of memory, more than its limit of 900 MiB, at env step \d+.*fewer --jobs",
    ),
    "memory_error": Kind(
        "train(call, 60, at(30, lambda: bytearray(1 << 60)))",
        Outcome.OUT_OF_MEMORY,
        "out of memory at env step 29, update 0: MemoryError",
    ),
    "closes_everything": Kind(
        "os.closerange(0, 256)\ntrain(call, 60, at(30, lambda: fail(ValueError())))",
        Outcome.CRASHED,
        "crashed",
    ),
    "unsupported": Kind(
        "raise UnsupportedHyperparameter('gamma', 0.9, 'only 0.5')",
        Outcome.UNSUPPORTED,
        r"gamma=0\.9 cannot be expressed by this side: only 0\.5: give it another value with --set",
    ),
    "unobserved": Kind("pass", Outcome.UNOBSERVED, r"\w+"),
    "forks": Kind("train(call, 60, at(30, os.fork))", Outcome.DONE, "^$"),
    "left_thread": Kind(
        "threading.Thread(target=time.sleep, args=(1000,)).start()\ntrain(call)",
        Outcome.DONE,
        "^$",
    ),
    "slow_exit": Kind(
        "import atexit\natexit.register(time.sleep, 1000)\ntrain(call)", Outcome.DONE, "^$"
    ),
    "left_child": Kind(
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\ntrain(call)",
        Outcome.DONE,
        "^$",
    ),
    "left_daemon": Kind(
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        note('left_daemon')\n"
        "        time.sleep(1000)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "train(call)",
        Outcome.DONE,
        "^$",
    ),
    "flood": Kind(
        "line = 'x' * 65535\ntrain(call, 60, lambda step: [print(line) for _ in range(20)])",
        Outcome.DONE,
        "^$",
    ),
    "nan": Kind(
        "import torch\n"
        "net = torch.nn.Linear(2, 1)\n"
        "optimiser = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "def update(step):\n"
        "    loss = net(torch.full((1, 2), float('nan') if step >= 31 else 1.0)).sum()\n"
        "    optimiser.zero_grad()\n"
        "    loss.backward()\n"
        "    optimiser.step()\n"
        "train(call, 60, update)",
        Outcome.NON_FINITE,
        # The first update from the 31st on that is measured.
        rf"trained to the end, but loss was nan at update {SEEN}, env step {SEEN - 1}; look at the",
    ),
}
