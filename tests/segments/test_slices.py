"""Statements that a tapped value follows from, found backwards along names."""

from harness.segments.slices import behind, constants

SOURCE = """\
class Memory:
    def __init__(self, size):
        column = make(size)
        other = make(size)
        self.columns = (column, column)
        self.other = other
        self.n = 0

    def sample(self, rows):
        self.n = self.n + 1
        return self.columns[rows]


class Agent:
    def __init__(self, h):
        self.h = h
        self.bound = -float(h.width)

    def loss(self, batch, weight):
        h, b = self.h, tap("batch", batch)
        error = model(b)
        part = tap("part", error)
        unused = h.rate
        if weight:
            bonus = error.mean()
        else:
            bonus = 0.0
        loss = part + weight * bonus + self.bound
        other = tap("other", unused)
        return tap("loss", loss), float(other)

    def improve(self, batch, progress):
        weight = scheduled(self.h.weight, progress)
        unused = 3
        return self.loss(batch, weight=weight)
"""


def line(text):
    (found,) = (i for i, one in enumerate(SOURCE.splitlines(), 1) if text in one)
    return found


def lines_of(found):
    return {number for numbers in found.values() for number in numbers}


def place(path, text):
    return (str(path), 0, line(text))


def file_of(tmp_path):
    path = tmp_path / "agent.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_value_is_followed_to_what_made_it_and_not_through_a_tap(tmp_path):
    path = file_of(tmp_path)
    found = lines_of(behind("loss", (place(path, 'tap("loss"'),), {}))
    followed = {
        line("loss = part"),
        line("bonus = error"),
        line("bonus = 0.0"),
        line("error = model"),
        line("self.bound = "),
    }
    assert found == followed


def test_argument_is_followed_into_the_call_that_passes_it(tmp_path):
    path = file_of(tmp_path)
    stack = (place(path, 'tap("loss"'), place(path, "return self.loss"))
    found = lines_of(behind("loss", stack, {}))
    assert {line("return self.loss"), line("weight = scheduled")} <= found
    assert line("unused = 3") not in found


def test_value_tapped_by_a_map_is_not_followed(tmp_path):
    path = file_of(tmp_path)
    handed_on = {str(path): {line("error = model")}}
    found = lines_of(behind("loss", (place(path, 'tap("loss"'),), handed_on))
    assert line("bonus = error") in found
    assert line("error = model") not in found


def test_constants_are_what_the_constructor_alone_sets(tmp_path):
    path = file_of(tmp_path)
    start = line("def sample")
    found = lines_of(constants({(str(path), start): {start + 1, start + 2}}))
    assert found == {line("column = make"), line("self.columns =")}


def test_file_that_cannot_be_read_gives_no_lines(tmp_path):
    stack = ((str(tmp_path / "missing.py"), 1, 1),)
    assert behind("loss", stack, {}) == {}
    assert constants({(stack[0][0], 1): {1}}) == {}


def test_constants_are_also_what_the_module_binds_once(tmp_path):
    source = [
        "THETA, DT = 0.15, 1.0",
        "UNUSED = 3",
        "CHANGED = 1",
        "CHANGED = 2",
        "OWN = 4",
        "def step(x):",
        "    OWN = x",
        "    return x - THETA * CHANGED * OWN",
    ]
    path = tmp_path / "noise.py"
    path.write_text("\n".join(source))
    assert constants({(str(path), 6): {7, 8}}) == {(str(path), 1): {1}}
