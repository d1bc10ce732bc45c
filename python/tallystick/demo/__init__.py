"""The demo: real sales through publisher, bus, daemon and ledger, and the proof that nothing was lost or doubled.

Reading order: workload, journey, peak and faults (what goes in), daemon and display (while it runs), proof and
picture (what came out), run (all of it together). Needs the extra `demo`, and `picture` for the picture.
"""
