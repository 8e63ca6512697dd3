"""Decides and carries out: the scheduler's shell, the tasks that workers were given, how far they are, and whether they have stopped.

Rule of this folder: it knows leases and workers, and nothing of what a job is for. The one thing that it tells those above it is that a job
was admitted.
"""
