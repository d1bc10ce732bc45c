"""Tools: what makes parts of the documentation from the sources. `make docs` runs them."""
