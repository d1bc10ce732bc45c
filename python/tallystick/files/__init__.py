"""Files: events as bytes in files and messages, and files of events through the engine.

It knows no bus: whoever has an engine and a file needs nothing else.
"""
