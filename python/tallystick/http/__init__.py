"""HTTP: probes and metrics of a running daemon. It looks at the daemon, and changes nothing.

Needs the extra `http`; where nothing listens, nothing of it is imported.
"""
