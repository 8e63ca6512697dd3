"""Measuring a coordinator under load: simulated workers, many jobs, a kill, and another scheduler for comparison. Nothing imports this; it
stands on top of everything."""
