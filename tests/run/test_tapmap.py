# ruff: noqa: E501 - a table of messages, one per line
import importlib
import sys
import traceback

import pytest

from harness import tap
from harness.errors import UsageError
from harness.run.tapmap import apply_tap_map, read_tap_map

SOURCE = """
class Base:
    def f(self, x):
        return x


class Sub(Base):
    rate = 0.0

    def f(self, x):
        y = super().f(x)
        if x > 1:
            y = y + 10
        for _ in range(1):
            self.rate = y / 2
        with open(__file__):
            z: int = y
        self.act(z)
        return y

    def act(self, z):
        self.acted = z

    @staticmethod
    def s(x):
        y = x
        return y

    @property
    def p(self):
        y = 7
        return y


def outer(x):
    def inner():
        y = x + 1
        return y

    return inner()


def fails(x):
    y = x
    raise ValueError(y)


kept = fails


def nameless(x):
    return [max(abs(x), 2), x + 0]
"""


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """Return a function: lines of a map -> (fresh imported module, list of what was tapped)."""
    (tmp_path / "tapped_module.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    seen = []

    def apply(lines):
        sys.modules.pop("tapped_module", None)
        module = importlib.import_module("tapped_module")
        path = tmp_path / "map.toml"
        path.write_text("[taps]\n" + lines)
        seen.clear()
        apply_tap_map(path)
        return module, seen

    def handle(name, value):
        seen.append((name, value))
        return value + 100 if name == "replaced" else value

    tap.set_handler(handle)
    yield apply
    tap.set_handler(None)
    sys.modules.pop("tapped_module", None)


@pytest.mark.parametrize(
    ("which", "x", "expected"),
    [("'first'", 5, 5), ("'last'", 5, 15), ("1", 5, 5), ("2", 5, 15)],
)
def test_assignment_chosen_by_which_is_tapped(mapped, which, x, expected):
    entry = f"q = {{ at = 'tapped_module:Sub.f:y', which = {which} }}"
    module, seen = mapped(entry)
    module.Sub().f(x)
    assert seen == [("q", expected)]


def test_value_that_the_tap_returns_goes_on(mapped):
    module, _ = mapped("replaced = 'tapped_module:Sub.f:z'")
    sub = module.Sub()
    sub.f(1)
    assert sub.acted == 101


def test_expression_after_and_before_a_statement_is_tapped(mapped):
    module, seen = mapped(
        "rate = { at = 'tapped_module:Sub.f', expression = 'self.rate', after = 'self.rate' }\n"
        "sum = { at = 'tapped_module:Sub.f', expression = '{\"a\": x, \"b\": z}', before = 'self.act' }"
    )
    module.Sub().f(1)
    assert seen == [("rate", 0.5), ("sum", {"a": 1, "b": 1})]


def test_tap_fires_only_where_its_condition_holds(mapped):
    at = "at = 'tapped_module:Sub.f', after = 'z'"
    module, seen = mapped(
        f"small = {{ {at}, expression = 'z', when = 'self.rate < 3' }}\n"
        f"replaced = {{ {at}, expression = 'z + 1', back = 'z = tapped', when = 'self.rate >= 3' }}"
    )
    sub = module.Sub()
    assert (sub.f(1), sub.acted, sub.f(5), sub.acted) == (1, 1, 15, 116)
    assert seen == [("small", 1), ("replaced", 16)]


def test_value_without_a_name_is_tapped_where_it_stands_the_outer_one_too(mapped):
    module, seen = mapped(
        "inner = { at = 'tapped_module:nameless', wraps = 'abs(x)' }\n"
        "replaced = { at = 'tapped_module:nameless', wraps = 'max(abs(x), 2)' }\n"
        "never = { at = 'tapped_module:nameless', wraps = 'x + 0', when = 'x > 1' }"
    )
    assert module.nameless(-3) == [103, -3]
    assert seen == [("inner", 3), ("replaced", 3)]


def test_tap_with_several_places_fires_in_each(mapped):
    module, seen = mapped(
        "[[taps.q]]\nat = 'tapped_module:fails:y'\n[[taps.q]]\nat = 'tapped_module:Sub.s:y'"
    )
    module.Sub.s(1)
    with pytest.raises(ValueError, match="4"):
        module.kept(4)
    assert seen == [("q", 1), ("q", 4)]


def test_methods_properties_and_inner_functions_can_be_tapped(mapped):
    module, seen = mapped(
        "a = 'tapped_module:Sub.s:y'\nb = 'tapped_module:Sub.p:y'\n"
        "c = 'tapped_module:outer.<locals>.inner:y'"
    )
    assert (module.Sub.s(1), module.Sub().p, module.outer(1)) == (1, 7, 2)
    assert seen == [("a", 1), ("b", 7), ("c", 2)]


def test_function_already_referenced_elsewhere_is_tapped_too(mapped):
    module, seen = mapped("q = 'tapped_module:fails:y'")
    with pytest.raises(ValueError, match="4"):
        module.kept(4)
    assert seen == [("q", 4)]


def test_line_numbers_and_file_stay(mapped):
    module, _ = mapped("q = 'tapped_module:fails:y'")
    try:
        module.fails(1)
    except ValueError as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
    assert frame.filename == module.__file__
    assert frame.line == "raise ValueError(y)"


def test_super_and_class_cell_keep_working(mapped):
    module, seen = mapped("q = { at = 'tapped_module:Sub.f:y', which = 'first' }")
    assert module.Sub().f(1) == 1
    assert seen == [("q", 1)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("q = 'tapped_module:Sub.f:yy'", r"tap 'q' in .*map.toml: Sub.f in .* assigns or calls no 'yy'; did you mean 'y'"),
        ("q = 'tapped_module:Sub.g:y'", r"tap 'q' .*no function 'Sub.g' in .*tapped_module.py; did you mean"),
        ("q = 'tapped_module:Sub.f:y'", r"has 'y' in lines 11, 13; say which = 'first', 'last' or n"),
        ("q = { at = 'tapped_module:Sub.f:y', which = 3 }", r"has 'y' 2 time\(s\), saw which = 3"),
        ("q = { at = 'tapped_module:Sub.f:y', which = 'third' }", r"expected which = .* saw 'third'"),
        ("q = { at = 'tapped_module:Sub.f:y', whcih = 1 }", r"unknown key 'whcih'; did you mean 'which'"),
        ("q = 'tapped_module:Sub.f'", r"expected at = 'module:function:variable', saw 'tapped_module:Sub.f'"),
        ("q = { at = 'tapped_module:Sub.f', expression = 'x' }", r"expected exactly one of after and before, saw none"),
        ("q = { at = 'tapped_module:Sub.f:y', after = 'y' }", r"expected neither after nor before, saw after"),
        ("q = { at = 'tapped_module:nameless', wraps = 'abs(y)' }", r"nameless in .* holds no 'abs\(y\)'; did you mean 'abs\(x\)'"),
        ("q = { at = 'tapped_module:nameless', wraps = 'x', after = 'y' }", r"expected neither after nor before, saw after"),
        ("q = { at = 'tapped_module:nameless', wraps = 'x', expression = 'y' }", r"expected no expression beside wraps, saw 'y'"),
        ("q = { at = 'tapped_module:Sub.f', expression = 'x +', after = 'y' }", r"expected a Python expression, saw 'x \+'"),
        ("q = { at = 'tapped_module:fails:y', when = 'x >' }", r"tap 'q' .*: when: expected a Python expression, saw 'x >'"),
        ("q = { at = 'tapped_module:fails:y', when = '' }", r"when: expected a Python expression, saw ''"),
        ("q = { at = 'tapped_module:Sub.f', expression = 'yy + 1', after = 'z' }", r"tap 'q' .*: Sub.f in .* knows no 'yy'; did you mean 'y'"),
        ("q = { at = 'tapped_module:Sub.f:z', when = 'xx > 1' }", r"Sub.f in .* knows no 'xx'; did you mean 'x'"),
        ("q = { at = 'tapped_module:Sub.f', expression = 'x + 1', after = 'z', back = 'x = tapped - one' }", r"knows no 'one'"),
        ("q = 'no_such_module_x:f:y'", r"expected an importable module, saw 'no_such_module_x'"),
        ("q = 'other.py:f:y'", r"expected an imported file, saw .*other.py.* not imported"),
        ("q = 3", r"expected a string or a table, saw 3"),
        ("q = ", r"expected a TOML tap map at .*map.toml', saw"),
    ],
)  # fmt: skip
def test_entry_that_matches_nothing_is_an_error_that_names_it(mapped, lines, message):
    with pytest.raises(UsageError, match=message):
        mapped(lines)


def test_map_without_its_table_or_file_is_an_error(tmp_path):
    path = tmp_path / "map.toml"
    with pytest.raises(UsageError, match="expected a TOML tap map at"):
        read_tap_map(path)
    path.write_bytes(b"[taps]\nq = '\xff'\n")
    with pytest.raises(UsageError, match="expected a TOML tap map at"):
        read_tap_map(path)
    path.write_text("[tap]\nq = 'a:b:c'\n")
    with pytest.raises(UsageError, match=r"expected one table \[taps\] in .*saw tap"):
        read_tap_map(path)


def test_file_that_changed_since_its_import_is_an_error(mapped, tmp_path):
    mapped("q = 'tapped_module:fails:y'")
    (tmp_path / "tapped_module.py").write_text("\n\n" + SOURCE)
    with pytest.raises(UsageError, match="has changed since it was imported"):
        apply_tap_map(tmp_path / "map.toml")
