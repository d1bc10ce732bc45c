"""Bus: what speaks to NATS: the connection, JetStream's API, the streams and their messages, a server of our own.

It knows neither who reads the log nor who asks: daemon and client both use it.
"""
