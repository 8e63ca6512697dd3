"""The coordinator's side of workers: who may register, what is said over one link, who is overdue, and who was there before a restart.

A worker that dies is noticed here: `session.py` when its link breaks, `heartbeat.py` when it is silent.
"""
