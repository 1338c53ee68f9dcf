"""Right PPOs of other structure: under SB3's draws every value that they tap is SB3's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.probes.registry import register
from harness.side import UnsupportedHyperparameter
from harness.spec.cards import card
from tests.baselines.test_sb3_ppo import a_call, sb3_with_taps
from tests.foreign import ppo_script
from tests.foreign.ppo_split import trainer
from tests.my_impls.handing_on import differences, record, replay

register()

# side, taps of the card that it lacks
SIDES = {
    "script": (ppo_script.side, {"rows", "learning_rate", "normalized_advantages"}),
    "split": (trainer.side, set()),
}
RUNS = [
    ("probes/Exposing-v0", 3, {"target_kl": 0.002, "clip_range_vf": 0.2}),
    ("probes/ExposingBox-v0", 3, {"clip_range_vf": "lin_0.3"}),
    ("probes/ExposingShaped-v0", 1, {"normalize_advantage": False}),
    ("Pendulum-v1", 2, {"net_arch": [16, 16]}),
]


def parts_of(module):
    """Return log_std, hidden layers of the actor and the critic, their heads, in SB3's order."""
    if isinstance(module, ppo_script.Agent):
        log_std = [module.actor_logstd] if module.is_continuous else []
        actor, critic = [*module.actor.parameters()], [*module.critic.parameters()]
        return [*log_std, *actor[:-2], *critic[:-2], *actor[-2:], *critic[-2:]]
    actor, critic = module["actor"], module["critic"]
    log_std = [actor.log_std] if module.is_box else []
    hidden = [*actor.hidden.parameters(), *critic.hidden.parameters()]
    return [*log_std, *hidden, *actor.head.parameters(), *critic.head.parameters()]


def load(module, arrays):
    with torch.no_grad():
        for parameter, array in zip(parts_of(module), arrays, strict=True):
            assert parameter.numel() == array.size
            parameter.copy_(torch.as_tensor(array).reshape(parameter.shape))


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize(("env_id", "n_envs", "hyperparameters"), RUNS)
def test_under_the_draws_of_sb3_every_tapped_value_is_sb3s(name, env_id, n_envs, hyperparameters):
    side, lacking = SIDES[name]
    call = a_call(env_id, n_envs, **hyperparameters)
    reference = record(sb3_with_taps(), call)
    mine = replay(side, call, reference=reference, load=load)
    found = differences(mine, reference)
    # Without rows its minibatches hold other steps: they are handed on, not compared.
    ignored = lacking | ({"minibatch"} if "rows" in lacking else set())
    # Where the divergence ends a round they have not computed the losses, which SB3 has.
    unmade = {key for key in reference.events if key not in mine.events}
    assert [r for r in found if r[0][0] not in ignored and r[0] not in unmade] == []
    rounds = len(reference.of("last_value"))
    assert len([key for key in unmade if key[0] == "loss"]) <= rounds
    assert mine.names == reference.names - lacking
    assert mine.seeds == reference.seeds
    assert np.allclose(mine.env_actions, reference.env_actions)
    for ours, theirs in zip(
        parts_of(mine.modules[0]), reference.modules[0].parameters(), strict=True
    ):
        assert torch.allclose(ours.squeeze(), theirs.squeeze(), atol=2e-5)


def test_script_has_every_tap_but_the_ones_named():
    lacking = {row.name for row in card("ppo").taps if row.is_optional} | {"rows"}
    assert SIDES["script"][1] <= lacking


def test_script_refuses_what_it_cannot_vary():
    with pytest.raises(UnsupportedHyperparameter, match="ortho_init=False"):
        ppo_script.side(a_call(ortho_init=False))


def test_split_refuses_what_it_does_not_know():
    with pytest.raises(UnsupportedHyperparameter, match="use_sde=True"):
        trainer.side(a_call(use_sde=True))


def test_files_are_where_plantings_look_for_them():
    folder = Path(__file__).parent
    assert (folder / "ppo_script.py").is_file()
    assert (folder / "ppo_split/trainer.py").is_file()
