"""The HTTP port of a daemon: metrics for Prometheus, and health for whoever starts and watches processes.

Nothing here knows the coordinator or the worker: values and functions come in, answers go out.
"""
