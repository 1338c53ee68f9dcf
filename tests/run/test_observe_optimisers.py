import hashlib
import math

import numpy as np
import pytest
import torch

from tests.run.observing import a_model, cartpole, drive, fit, watch


def observe_fit(n_updates, *, lr=0.1, max_norm=None):
    model = a_model()
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)

    def work():
        drive(cartpole(), 100)
        fit(model, optimiser, n_updates, max_norm=max_norm)

    return (*watch(work), model)


def test_measured_updates_are_1_21_41():
    _, writer, _ = observe_fit(45)
    ratios = writer.series("updates_per_env_step")
    assert [round(value * 100) for _, value in ratios] == [1, 21, 41]
    assert writer.steps[-1] == (100, 45)


def test_first_update_is_measured_as_computed_by_hand():
    _, writer, _ = observe_fit(1, lr=0.1)
    model = a_model()
    before = [p.detach().clone() for p in model.parameters()]
    x = torch.arange(15.0).reshape(5, 3) / 10
    loss = (model(x) ** 2).mean()
    loss.backward()
    grad_norm = math.sqrt(sum(float((p.grad**2).sum()) for p in model.parameters()))
    after = [p.detach() - 0.1 * p.grad for p in model.parameters()]
    (_, values), *_ = [line for line in writer.lines if "loss" in line[1]]
    assert values["loss"] == pytest.approx(loss.item())
    assert values["grad_norm"] == pytest.approx(grad_norm, rel=1e-5)
    assert values["grad_norm_unclipped"] == values["grad_norm"]
    assert values["learning_rate"] == 0.1
    assert values["update_norm"] == pytest.approx(0.1 * grad_norm, rel=1e-4)
    norm = math.sqrt(sum(float((p**2).sum()) for p in after))
    assert values["param_norm"] == pytest.approx(norm, rel=1e-5)
    assert before[0].shape == after[0].shape


def test_clipped_gradient_is_measured_before_and_after():
    observation, writer, _ = observe_fit(1, max_norm=1e-3)
    [(_, values)] = [line for line in writer.lines if "loss" in line[1]]
    assert values["grad_norm"] == pytest.approx(1e-3, rel=1e-2)
    assert values["grad_norm_unclipped"] > 10 * values["grad_norm"]
    assert observation.facts()["grad_clip"] == [1e-3]


def test_clip_of_gradient_values_is_counted():
    model = a_model()

    def work():
        drive(cartpole(), 100)
        model(torch.ones(1, 3)).sum().backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.1)

    assert watch(work)[0].facts()["grad_value_clips"] == 1


def test_further_optimiser_has_a_suffix_and_its_own_facts():
    model, other = a_model(), torch.nn.Linear(3, 1)
    first = torch.optim.Adam(model.parameters(), lr=0.1, eps=1e-5)
    second = torch.optim.RMSprop(other.parameters(), lr=0.2)

    def work():
        drive(cartpole(), 50)
        fit(model, first, 3)
        drive(cartpole(), 50)
        fit(other, second, 2)

    observation, writer = watch(work, n_envs=2)
    facts = observation.facts()
    assert facts["n_updates"] == [3, 2]
    assert facts["optimiser_class"] == ["Adam", "RMSprop"]
    assert facts["first_update_env_step"] == [50, 100]
    assert facts["last_update_env_step"] == [50, 100]
    assert facts["optimiser_constants"][0]["eps"] == 1e-5
    assert facts["optimiser_constants"][0]["betas"] == [0.9, 0.999]
    assert facts["optimiser_constants"][1]["alpha"] == 0.99
    assert facts["trained_parameter_count"] == [21, 4]
    assert facts["trained_parameter_shapes"] == [[[1], [1, 4], [4], [4, 3]], [[1], [1, 3]]]
    assert facts["learning_rate_first"] == facts["learning_rate_last"] == [0.1, 0.2]
    assert facts["dtype"] == "float32"
    assert len(writer.series("grad_norm.1")) == len(writer.series("loss.1")) == 1


def test_learning_rate_when_scheduled_is_known_at_both_ends():
    model = a_model()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: 0.5**k)

    def work():
        drive(cartpole(), 100)
        for _ in range(3):
            fit(model, optimiser, 1)
            schedule.step()

    facts = watch(work)[0].facts()
    assert facts["learning_rate_first"] == [0.4]
    assert facts["learning_rate_last"] == [0.1]


def test_parameter_without_a_gradient_is_not_trained():
    model, unused = a_model(), torch.nn.Linear(100, 1)
    optimiser = torch.optim.SGD([*model.parameters(), *unused.parameters()], lr=0.1)

    def work():
        drive(cartpole(), 100)
        fit(model, optimiser, 2)

    assert watch(work)[0].facts()["trained_parameter_count"] == [21]


def test_loss_when_gradients_accumulate_is_the_sum():
    model = a_model()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)

    def work():
        drive(cartpole(), 100)
        for k in (1.0, 2.0):
            torch.autograd.backward(model(torch.ones(1, 3)).sum() * 0 + k)
        optimiser.step()

    _, writer = watch(work)
    assert [value for _, value in writer.series("loss")] == [3.0]


def test_final_weights_hash_is_over_the_bits_in_order():
    observation, _, model = observe_fit(3)
    raw = b"".join(p.detach().numpy().tobytes() for p in model.parameters())
    assert observation.facts()["final_weights_sha256"] == hashlib.sha256(raw).hexdigest()


def test_loss_that_becomes_nan_names_metric_update_and_env_step():
    model = a_model()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)

    def work():
        drive(cartpole(), 100)
        fit(model, optimiser, 20)
        (model(torch.ones(1, 3)).sum() * math.nan).backward()
        optimiser.step()

    observation, _ = watch(work)
    assert observation.first_non_finite == "loss was nan at update 21, env step 100"
    assert observation.facts()["first_non_finite"] == observation.first_non_finite
    assert observation.unobserved_reason() is None


def test_weights_that_become_nan_between_measured_updates_are_found_at_the_end():
    model = a_model()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)

    def work():
        drive(cartpole(), 100)
        fit(model, optimiser, 3)
        with torch.no_grad():
            next(model.parameters())[0, 0] = math.inf

    assert watch(work)[0].first_non_finite == "param_norm was nan at update 3, env step 100"


def test_backward_and_clip_when_the_context_ends_are_the_originals():
    before = (torch.autograd.backward, torch.nn.utils.clip_grad_norm_)
    observe_fit(1)
    assert before == (torch.autograd.backward, torch.nn.utils.clip_grad_norm_)


def test_watching_draws_no_random_number():
    def states():
        return torch.get_rng_state().tolist(), str(np.random.get_state()[1].tolist())  # noqa: NPY002

    before = states()
    model = a_model()
    torch.manual_seed(5)
    inside = states()
    watch(lambda: fit(model, torch.optim.SGD(model.parameters(), lr=0.1), 11))
    assert states() == inside
    assert before is not None
