"""The check of all supported releases, on the one that is installed; no network."""

import sysconfig
from pathlib import Path

import pytest

from benchmarks import sb3_versions
from harness.errors import UsageError
from harness.modules import locate_module
from harness.run.tapplaces import map_lines
from harness.spec.references import is_supported, references

SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
SB3 = references()["sb3"]
MAPS = dict(sb3_versions.maps_of(SB3))


def test_releases_that_are_checked_are_all_in_the_stated_range():
    assert set(sb3_versions.RELEASES) == set(references())
    outside = [v for v in sb3_versions.RELEASES["sb3"] if not is_supported(v, SB3.supported)]
    assert outside == []


@pytest.mark.parametrize("algo", MAPS)
def test_release_in_a_folder_is_read_there(algo):
    here = map_lines(MAPS[algo], sb3_versions.locate_in(SITE_PACKAGES))
    assert here == map_lines(MAPS[algo], locate_module)
    assert sb3_versions.changed(here, here) == []


def test_release_that_lacks_a_module_does_not_fit(tmp_path):
    with pytest.raises(UsageError, match="expected an importable module, saw 'stable_baselines3"):
        map_lines(MAPS["dqn"], sb3_versions.locate_in(tmp_path))


def test_release_that_does_not_fit_is_counted_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sb3_versions, "fetch", lambda *_: None)
    assert sb3_versions.check_release(SB3, "2.7.0") == len(MAPS)
    assert "2.7.0   dqn   does not fit: tap 'q_net' in" in capsys.readouterr().out
