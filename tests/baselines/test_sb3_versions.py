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
    for name, versions in sb3_versions.RELEASES.items():
        supported = references()[name].supported
        assert [v for v in versions if not is_supported(v, supported)] == []


@pytest.mark.parametrize("algo", MAPS)
def test_release_in_a_folder_is_read_there(algo):
    here = map_lines(MAPS[algo], sb3_versions.locate_in(SITE_PACKAGES))
    assert here == map_lines(MAPS[algo], locate_module)
    assert sb3_versions.changed(here, here) == []


def test_release_that_lacks_a_module_does_not_fit(tmp_path):
    with pytest.raises(UsageError, match="expected an importable module, saw 'stable_baselines3"):
        map_lines(MAPS["dqn"], sb3_versions.locate_in(tmp_path))


def test_release_of_a_library_that_stands_on_another_is_read_with_the_other_as_installed(tmp_path):
    (tmp_path / "above").mkdir()
    (tmp_path / "above/algo.py").touch()
    locate = sb3_versions.locate_first_in(tmp_path)
    assert locate("above.algo") == tmp_path / "above/algo.py"
    assert locate("above.gone") is None
    assert locate("stable_baselines3.dqn.dqn") == locate_module("stable_baselines3.dqn.dqn")


def test_release_that_does_not_fit_is_counted_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sb3_versions, "fetch", lambda *a: (a[-1] / "stable_baselines3").mkdir())
    assert sb3_versions.check_release(SB3, "2.7.0") == len(MAPS)
    assert "2.7.0   dqn   does not fit: tap 'q_net' in" in capsys.readouterr().out
