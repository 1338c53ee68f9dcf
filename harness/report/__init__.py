"""Report: a `Judgement` and its `Evidence` become text, pictures and files. Pure but for `write`.

Nothing is imported here, so that a caller pays only for the format that it asks for.
"""
