"""Scorers: modules that give every step of a video a score, from its features and the text that goes with it."""
