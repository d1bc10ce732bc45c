"""Bus: what speaks to NATS, and what can be said there: connection, streams, messages, questions, requests.

It knows neither who reads the log nor who asks: daemon and client both use it.
"""
