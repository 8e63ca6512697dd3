"""Who does it: trio tasks, one file an actor, each a function that runs until cancelled. What to do is decided in `core`.

What stands here serves both kinds of process; `coordinator`, `clients`, `workers`, `jobs` and `dispatch` are
the coordinator's, each below the one before it, and `worker` is the worker's.
"""
