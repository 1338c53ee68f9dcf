"""sb3-contrib as a reference: adapters and tap maps of its algorithms."""
