"""Benchmarks: seeded workloads, measured in one run beside plain Python. `python -m benches --help` says how.

A figure without the right state hash is no figure: every run is checked against the reference.
"""
