import json
import os
import platform
import subprocess
import sys
from dataclasses import replace

import gymnasium
import pytest

from harness.errors import UsageError
from harness.plan import identity
from harness.plan.identity import (
    canonical_json,
    cpu_capability,
    env_fingerprint,
    fingerprint,
    identify,
    run_key,
    source_digest,
    version_of,
)
from harness.plan.plan import plan_run
from harness.records import SideSpec
from tests.plan.plan_toys import side_of, spec_of


@pytest.fixture
def files(tmp_path):
    for name in ("mine", "reference"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "dqn.py").write_text("from helper import x\n\ndef side(call): pass\n")
        (folder / "helper.py").write_text("x = 1\n")
    return {name: tmp_path / name / "dqn.py" for name in ("mine", "reference")}


@pytest.fixture(autouse=True)
def _fresh():
    identity._closure.cache_clear()
    identity.env_fingerprint.cache_clear()


def _keys(files):
    identity._closure.cache_clear()
    spec = spec_of(side_of(files["mine"]), side_of(files["reference"], "reference"))
    return {
        role: [plan_run(spec, spec.envs[0], role=role, seed=seed).key for seed in spec.seeds]
        for role in ("mine", "reference")
    }


@pytest.mark.parametrize("edited", ["dqn.py", "helper.py"])
def test_keys_after_editing_one_side_change_for_that_side_alone(files, edited):
    files["reference"].write_text("def side(call): return None\n")
    before = _keys(files)
    file = files["mine"].with_name(edited)
    file.write_text(file.read_text() + "# edited\n")
    after = _keys(files)
    assert after["reference"] == before["reference"]
    assert not set(after["mine"]) & set(before["mine"])


def test_keys_of_equal_source_in_two_places_are_equal(files):
    keys = _keys(files)
    assert keys["mine"] == keys["reference"]


def test_source_digest_covers_the_tap_map(files, tmp_path):
    tap_map = tmp_path / "dqn.toml"
    tap_map.write_text("a = 1\n")
    side = replace(side_of(files["mine"]), tap_map=str(tap_map))
    before = source_digest(side)
    tap_map.write_text("a = 2\n")
    assert source_digest(side) != before


def test_source_digest_tells_contents_that_moved_between_files(tmp_path):
    digests = []
    for one, two in (("x = 1\n", ""), ("", "x = 1\n")):
        (tmp_path / "a.py").write_text("import b, c\n")
        (tmp_path / "b.py").write_text(one)
        (tmp_path / "c.py").write_text(two)
        digests.append(side_of(tmp_path / "a.py").source_digest)
    assert digests[0] != digests[1]


def test_identify_module_that_is_not_found_says_so():
    side = SideSpec("x", None, "no_such_module.x", "side", None, "")
    with pytest.raises(UsageError, match=r"source of module 'no_such_module.x' is not found"):
        identify(side)


def test_identify_names_versions_of_the_libraries_that_the_source_imports(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("import rich, numpy\ndef side(call): pass\n")
    assert side_of(file).versions == {"rich": version_of("rich")}


def test_identify_finds_modules_without_importing_them():
    script = (
        "import sys; from harness.plan.identity import identify; from harness.records import *;"
        "s = identify(SideSpec('sb3', None, 'baselines.sb3.dqn', 'side', None, ''));"
        "print(len(s.source_digest), s.versions, "
        "[m for m in ('torch', 'baselines', 'stable_baselines3') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    version = version_of("stable_baselines3")
    assert done.stdout.strip() == f"64 {{'stable_baselines3': '{version}'}} []"


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 9},
        {"env_id": "Acrobot-v1"},
        {"algo": "ppo"},
        {"total_timesteps": 1001},
        {"n_envs": 2},
        {"device": "cuda"},
        {"hyperparameters": {"gamma": 0.98}},
        {"fingerprint": {"torch": "0"}},
        {"taps": {}},
        {"trace_schema": 99},
    ],
)
def test_run_key_changes_with_everything_that_can_change_the_outcome(files, changes):
    spec = spec_of(side_of(files["mine"]), side_of(files["reference"]))
    run = plan_run(spec, spec.envs[0], role="mine", seed=0)
    assert run_key(replace(run, **changes)) != run.key


@pytest.mark.parametrize("field", ["callable", "module", "source_digest"])
def test_run_key_changes_with_the_identity_of_the_side(files, field):
    spec = spec_of(side_of(files["mine"]), side_of(files["reference"]))
    run = plan_run(spec, spec.envs[0], role="mine", seed=0)
    assert run_key(replace(run, side=replace(run.side, **{field: "other"}))) != run.key


def test_run_key_does_not_depend_on_names_paths_or_order(files):
    spec = spec_of(side_of(files["mine"]), side_of(files["reference"]))
    run = plan_run(spec, spec.envs[0], role="mine", seed=0)
    moved = replace(run.side, name="other", file="/elsewhere/dqn.py", tap_map="/elsewhere/map.toml")
    backwards = dict(reversed(list(run.hyperparameters.items())))
    same = replace(run, key="old", side=moved, hyperparameters=backwards)
    assert run_key(same) == run.key


def test_run_key_is_a_sha256_and_stable_across_processes(files):
    expected = _keys(files)["mine"][0]
    script = (
        "from pathlib import Path; from tests.plan.plan_toys import *;"
        "from harness.plan.plan import plan_run;"
        f"s = spec_of(side_of({str(files['mine'])!r}), side_of({str(files['mine'])!r}));"
        "print(plan_run(s, s.envs[0], role='mine', seed=0).key)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == expected
    assert len(expected) == 64


def test_canonical_json_refuses_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": float("nan")})


def test_fingerprint_names_versions_threads_and_processor_without_torch():
    script = (
        "import json, sys; from harness.plan.identity import fingerprint;"
        "print(json.dumps(dict(fingerprint()))); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    names = {"python", "platform", "cpu_capability", "threads", "torch", "numpy", "gymnasium"}
    assert set(found) == names
    assert found["threads"] == "1"
    assert fingerprint()["numpy"] == version_of("numpy")


@pytest.mark.parametrize("asked", ["", "default", "avx2"])
def test_cpu_capability_agrees_with_torch(asked, monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", asked)
    script = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    environment = {k: v for k, v in os.environ.items() if k != "ATEN_CPU_CAPABILITY" or v}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert cpu_capability() == done.stdout.strip()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : fma avx2 avx512f avx512bw avx512dq avx512vl", "AVX512"),
        ("flags : fma avx2 avx512f", "AVX2"),
        ("flags : sse4_2", "DEFAULT"),
    ],
)
def test_cpu_capability_reads_the_processors_flags(flags, expected, tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\n{flags}\n")
    monkeypatch.setattr(identity, "_CPUINFO", cpuinfo)
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    assert cpu_capability() == expected


def test_cpu_capability_elsewhere_is_the_machine_type(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "_CPUINFO", tmp_path / "absent")
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    monkeypatch.setattr(identity.platform, "machine", lambda: "arm64")
    assert cpu_capability() == "DEFAULT (arm64)"


def test_env_fingerprint_of_native_environments_names_their_package():
    assert env_fingerprint("CartPole-v1") == {}
    assert set(env_fingerprint("LunarLander-v3")) == {"box2d"}


def test_env_fingerprint_of_a_local_environment_is_its_source(tmp_path, monkeypatch):
    (tmp_path / "local_envs.py").write_text("import local_physics\nclass Env: pass\n")
    (tmp_path / "local_physics.py").write_text("g = 9.8\n")
    monkeypatch.syspath_prepend(tmp_path)
    gymnasium.register("TestsLocal-v0", entry_point="local_envs:Env")
    before = env_fingerprint("TestsLocal-v0")
    (tmp_path / "local_physics.py").write_text("g = 1.6\n")
    identity._closure.cache_clear()
    identity.env_fingerprint.cache_clear()
    after = env_fingerprint("TestsLocal-v0")
    del gymnasium.registry["TestsLocal-v0"]
    assert set(before) == {"env_source"}
    assert after != before


def test_env_fingerprint_of_an_installed_package_is_its_version():
    gymnasium.register("TestsInstalled-v0", entry_point="rich.console:Console")
    found = env_fingerprint("TestsInstalled-v0")
    del gymnasium.registry["TestsInstalled-v0"]
    assert found == {"rich": version_of("rich")}


def test_cpu_capability_without_a_list_of_flags_is_the_machine_type(tmp_path, monkeypatch):
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    for content in (None, "model name: none\n"):
        place = tmp_path / f"{content is None}"
        if content is not None:
            place.write_text(content)
        monkeypatch.setattr(identity, "_CPUINFO", place)
        assert identity.cpu_capability() == f"DEFAULT ({platform.machine()})"


def test_identify_of_a_module_that_is_nowhere_says_what_to_do():
    side = SideSpec("x", None, "no_such_module_anywhere", "side", None, "")
    with pytest.raises(UsageError, match=r"no_such_module_anywhere.*not found\nInstall it"):
        identity.identify(side)
