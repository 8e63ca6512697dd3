"""The coordinator's process: what it opens and owns, the state that its actors share, and its side of each worker's connection.

Its clients are served in `actors/clients`, its jobs are run and kept in `actors/jobs`.
"""
