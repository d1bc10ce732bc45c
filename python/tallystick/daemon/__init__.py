"""Daemon: reads the log, applies it to the engine, publishes what changed, saves, and answers what it is asked.

Reading order: source and ingest (what comes in), outputs and publish (what goes out), snapshots, then answers, intake,
service, replies and ticker (whom it talks to), pipeline, which joins all of them, and run, which starts and stops it.
"""
