"""Fixtures of the vault and its fund: see tests/vault_world.py."""

from tests.vault_world import new_world, world

__all__ = ["new_world", "world"]
