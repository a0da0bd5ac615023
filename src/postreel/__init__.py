"""Postreel turns what the members of a streaming service watch into e-mail that they asked for."""
