"""Right SACs of other structure: under SB3's draws every value that they tap is SB3's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.run.load import load_side
from harness.side import UnsupportedHyperparameter
from harness.spec.cards import card
from tests.baselines.test_sb3_sac import ENV_ID, SIDE, a_call
from tests.foreign import sac_script
from tests.foreign.sac_split import agent
from tests.my_impls.handing_on import differences, load_by_shape, record, replay

DRAWS = tuple(row.name for row in card("sac").taps if row.draws)
# side, taps of the card that it lacks
SIDES = {"script": (sac_script.side, {"rows", "alpha"}), "split": (agent.side, set())}
RUNS = [
    ("script", ENV_ID, 3, {"gradient_steps": -1, "target_update_interval": 1}),
    ("script", ENV_ID, 1, {}),
    ("script", "Pendulum-v1", 2, {"net_arch": [16, 16], "ent_coef": 0.2}),
    ("split", ENV_ID, 1, {}),
    ("split", ENV_ID, 1, {"gradient_steps": -1, "target_entropy": "auto", "ent_coef": "auto"}),
    ("split", "Pendulum-v1", 1, {"net_arch": [16, 16], "ent_coef": 0.2}),
]


@pytest.mark.parametrize(("name", "env_id", "n_envs", "hyperparameters"), RUNS)
def test_under_the_draws_of_sb3_every_tapped_value_is_sb3s(name, env_id, n_envs, hyperparameters):
    side, lacking = SIDES[name]
    call = a_call(env_id, n_envs, **hyperparameters)
    reference = record(load_side(SIDE), call)
    # A side without rows draws others: its minibatches are handed on, not compared.
    handed_on = {*DRAWS} | ({"batch"} if "rows" in lacking else set())
    mine = replay(side, call, reference=reference, load=load_by_shape, only=handed_on)
    compared = [
        replace(tape, events={key: v for key, v in tape.events.items() if is_compared(key[0])})
        for is_compared in [lambda tap: tap not in handed_on | lacking]
        for tape in (mine, reference)
    ]
    assert differences(*compared, rtol=1e-4, atol=1e-5) == []
    assert mine.names == reference.names - lacking
    assert mine.seeds == reference.seeds
    assert np.allclose(mine.env_actions, reference.env_actions, atol=1e-6)


@pytest.mark.parametrize(
    ("side", "call", "message"),
    [
        (sac_script.side, a_call(train_freq=[1, "episode"]), "this script counts env steps"),
        (sac_script.side, a_call(use_sde=True), "use_sde=True"),
        (agent.side, a_call(use_sde=True), "use_sde=True"),
        (agent.side, a_call(n_envs=2), "n_envs=2"),
    ],
)
def test_foreign_side_refuses_what_it_cannot_vary(side, call, message):
    with pytest.raises(UnsupportedHyperparameter, match=message):
        side(call)


def test_files_are_where_plantings_look_for_them():
    folder = Path(__file__).parent
    assert (folder / "sac_script.py").is_file()
    assert (folder / "sac_split/agent.py").is_file()
