"""Results on disk: content-hashed runs, atomic and checksummed; nothing is ever unpickled."""
