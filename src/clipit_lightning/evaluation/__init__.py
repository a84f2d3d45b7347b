"""Scores to numbers: metrics, rules, protocol, floors."""
