"""Client: whoever is outside the daemon: makes events for the log, publishes them, asks, repairs and looks back.

It knows the bus and no daemon: what people decide reaches the ledger through the log alone.
"""
