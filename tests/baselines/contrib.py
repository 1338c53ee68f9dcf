"""What the tests of sb3-contrib's algorithms share: their sides, and calls that expose."""

from dataclasses import dataclass
from pathlib import Path

from harness.records import SideSpec
from harness.side import Call

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "baselines/contrib"
WHY = "the reference is pip install 'rl-parity[contrib]'"


@dataclass(frozen=True)
class Exposing:
    """An algorithm's short run. `hyperparameters`: none is a default, and periods are co-prime."""

    algo: str
    env_id: str
    total_timesteps: int
    hyperparameters: dict

    @property
    def tap_map(self):
        return FOLDER / f"{self.algo}.toml"

    @property
    def reference(self):
        module = f"baselines.contrib.{self.algo}"
        tap_map = str(self.tap_map) if self.tap_map.exists() else None
        return SideSpec("sb3-contrib", None, module, "side", tap_map, "")

    @property
    def mine(self):
        file = ROOT / f"my_impls/{self.algo}.py"
        return SideSpec(f"my_impls/{self.algo}.py:side", str(file), None, "side", None, "")

    def call(self, *, n_envs=1, **changes):
        hyperparameters = {**self.hyperparameters, **changes}
        return Call(self.algo, self.env_id, 3, self.total_timesteps, n_envs, hyperparameters)


QRDQN = Exposing(
    "qrdqn",
    "probes/Exposing-v0",
    160,
    {
        "learning_rate": "lin_0.01",
        "buffer_size": 100,
        "learning_starts": 51,  # a whole number of rounds: the first update is a round later
        "batch_size": 16,
        "tau": 0.3,
        "gamma": 0.93,
        "train_freq": 3,
        "gradient_steps": 2,
        "n_steps": 2,
        "target_update_interval": 7,
        "exploration_fraction": 0.6,
        "exploration_initial_eps": 0.9,
        "exploration_final_eps": 0.08,
        "max_grad_norm": 0.41,
        "n_quantiles": 7,
        "net_arch": [12, 10],
    },
)
TQC = Exposing(
    "tqc",
    "probes/ExposingBox-v0",
    120,
    {
        "learning_rate": "lin_0.004",
        "buffer_size": 90,
        "learning_starts": 51,
        "batch_size": 16,
        "tau": 0.3,
        "gamma": 0.93,
        "train_freq": 3,
        "gradient_steps": 5,
        "n_steps": 2,
        "ent_coef": "auto_0.4",
        "target_update_interval": 2,
        "target_entropy": -1.3,
        "top_quantiles_to_drop_per_net": 1,
        "n_quantiles": 5,
        "n_critics": 3,
        "net_arch": {"pi": [16, 12], "qf": [10]},
    },
)
TRPO = Exposing(
    "trpo",
    "probes/ExposingBox-v0",
    114,
    {
        "learning_rate": "lin_0.01",
        "n_steps": 38,
        "batch_size": 19,
        "gamma": 0.93,
        "cg_max_steps": 4,
        "cg_damping": 0.01,
        "line_search_shrinking_factor": 0.6,
        "line_search_max_iter": 3,
        "n_critic_updates": 2,
        "gae_lambda": 0.8,
        "target_kl": 0.3,
        "net_arch": {"pi": [6, 5], "vf": [7]},
    },
)
CROSSQ = Exposing(
    "crossq",
    "probes/ExposingBox-v0",
    70,
    {
        "learning_rate": "lin_0.004",
        "learning_starts": 51,
        "batch_size": 16,
        "train_freq": 3,
        "policy_delay": 2,
        "ent_coef": "auto_0.4",
        "net_arch": {"pi": [16, 12], "qf": [10]},
    },
)
RECURRENT = Exposing(
    "recurrentppo",
    "probes/ExposingBox-v0",
    64,
    {
        "learning_rate": "lin_0.01",
        "n_steps": 32,
        "batch_size": 16,
        "n_epochs": 2,
        "lstm_hidden_size": 9,
        "shared_lstm": True,
        "enable_critic_lstm": False,
        "net_arch": {"pi": [6, 5], "vf": [7]},
    },
)
MASKABLE = Exposing(
    "maskableppo",
    "probes/Exposing-v0",
    64,
    {"learning_rate": "lin_0.01", "n_steps": 32, "batch_size": 16, "clip_range": 0.3},
)
ARS = Exposing(
    "ars",
    "probes/ExposingBox-v0",
    200,
    {"n_delta": 2, "n_top": 1, "learning_rate": "lin_0.1", "delta_std": 0.2, "zero_policy": False},
)
TAPPED = {one.algo: one for one in (QRDQN, TQC, TRPO)}
# Compared by facts, probes and curves alone.
UNTAPPED = {one.algo: one for one in (CROSSQ, RECURRENT, MASKABLE, ARS)}
EVERY = {**TAPPED, **UNTAPPED}
