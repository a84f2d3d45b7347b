"""Scorers: modules that give every step of a video a score, from its features and its captions."""
