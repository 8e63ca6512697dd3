"""Talking to a cluster from Python: `client` for trio, `blocking` for everyone else, `local` to start and stop a cluster of one machine."""
