"""Segue's recommender: reads interactions, trains, judges itself, exports, and scores listeners."""

__version__ = "1.0.0"
