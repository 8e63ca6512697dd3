"""The coordinator's process: what it opens and owns, its ports and pages, how its actors are put together, and how it starts again.

Rule of this folder: nothing imports it but the command that starts it. What the actors do is in `dispatch`, `jobs`, `workers` and
`clients`.
"""
