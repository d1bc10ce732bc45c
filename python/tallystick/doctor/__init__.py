"""Doctor: examines an installation and says what to mend. It changes nothing and needs no daemon."""
