"""The fuzzing laboratory: a market to play in, sequences of calls, and the promises as judges."""

from breakwater.fuzz import native

native.follow()
