"""The coordinator's jobs: who works on their shares, what is written down of them, and when they are forgotten.

A job in work is `supervisor.py` with one `phase_run.py` a phase; all jobs are in `table.py`, and on disk by `recorder.py`.
"""
