"""Names of the quantities that are seen without a tap."""

# What passes between a side and its environments (see boundary.py).
ENV_ACTION, ENV_RESULT, ENV_START, RESETS = "env_action", "env_result", "env_start", "resets"
# Whether the environment offers the actions that it is sent.
LEGAL_ACTIONS = "legal_actions"
# Values of all actions, largest where nothing is drawn (see greedy.py).
GREEDY = "greedy_action"
# At which env steps optimisers step at all.
ROUNDS = "update_rounds"
# Steps of parameters that belong to no module that is known, or to one of two.
UNCLAIMED = "updates"
# How many env steps a side makes in all.
RUN_LENGTH = "run_length"
# After the name of an owner: options of its optimiser, and how long the gradients are.
CONSTANTS, GRAD_NORM = "constants", "grad_norm"
