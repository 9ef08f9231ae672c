"""Fencepost in people's own property tests: strategies, a cluster to test against, and drivers for other systems.

Users import from `fencepost.strategies` and `fencepost.testing`; the plugin is `fencepost.harness.pytest_plugin`.
"""
