"""Every tap map of a registered reference fits the installed library; is whole or in part."""

import time

import pytest

from harness.cli.tapcheck import check_taps
from harness.errors import EXIT_PARITY
from harness.run.tapplaces import given_in
from harness.spec.references import is_supported, references

SIDES = [
    (name, algo)
    for name, one in references().items()
    for algo, row in one.algos.items()
    if "tap_map" in row
]
MAX_S = 1.0


@pytest.mark.parametrize(("name", "algo"), SIDES)
def test_taps_of_a_reference_when_read_are_all_placed(name, algo):
    _skip_without(name)
    start = time.perf_counter()
    found = check_taps(name, algo=algo)
    assert time.perf_counter() - start < MAX_S
    missing = [row.name for row in found.missing if not row.is_optional]
    assert bool(missing) == bool(given_in(_map_of(name, algo)))
    assert (found.exit_code == EXIT_PARITY) == (not missing)


@pytest.mark.parametrize("name", references())
def test_map_of_a_reference_when_listed_names_a_supported_library(name):
    _skip_without(name)
    reference = references()[name]
    assert is_supported(reference.installed_version, reference.supported)
    maps = [row["tap_map"] for row in reference.algos.values() if "tap_map" in row]
    assert all((reference.folder / file).is_file() for file in maps)


def _map_of(name, algo):
    return references()[name].folder / references()[name].algos[algo]["tap_map"]


def _skip_without(name):
    if references()[name].installed_version is None:
        pytest.skip(f"{name} is not installed: {references()[name].pip}")
