"""Tests of the hand-overs."""
