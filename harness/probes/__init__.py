"""Tiny environments with closed-form values.

`registry.register()` makes their gymnasium ids known; `listed.PROBES` holds their answers without
importing gymnasium.
"""
