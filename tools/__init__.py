"""Tools: what makes parts of the documentation from the sources. Each runs as a module."""
