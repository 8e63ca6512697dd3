"""Who does it: trio tasks, one file an actor, each a function that runs until cancelled. What to do is decided in `core`.

What stands here serves both kinds of process; `coordinator`, `clients` and `jobs` are the coordinator's, `worker` the worker's.
"""
