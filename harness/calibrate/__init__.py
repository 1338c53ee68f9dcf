"""How often does the harness find a mistake, where does it point, how often does it cry wolf?

`compare calibrate` measures it the way a user would: files with planted mistakes are attached with
`--mine`, and runs of the reference are compared with other runs of it. Nothing here is imported by
what it measures.
"""

# The stages that leave figures, in the order in which they are asked; also names of their files.
STAGE_NAMES = (
    "false-alarms",
    "false-alarms-segments",
    "false-parity",
    "power",
    "practice",
    "detection",
    "pairs",
    "untapped",
    "road",
)
