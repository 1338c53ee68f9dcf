"""Reference implementations: adapters that run installed libraries, and their tap maps."""
