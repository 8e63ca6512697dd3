"""A job's life, from when it is submitted to when it is forgotten.

`submission.py` takes it in and `supervision.py` has it wait for workers; `supervisor.py` runs it, with one `phase_run.py` a phase, and
`ending.py` ends it early. All jobs are in `table.py`, and on disk by `recorder.py`. A share that fails is begun again in `phase_run.py`;
whose fault something wrong is, is found in `faults.py`.
"""
