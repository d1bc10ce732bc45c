"""Surface: what one call of the Python interface costs, by pytest-benchmark. `suite` runs it and keeps the figures."""
