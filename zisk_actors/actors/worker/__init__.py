"""The worker's process: its connection to a coordinator, and the work that outlives it.

Rule of this folder: nothing of the coordinator is imported; both sides share what is in `actors` itself.
"""
