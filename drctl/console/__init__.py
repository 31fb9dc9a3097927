"""The console: a page without a build step, a framework, or anything from outside. Served by drctl.telemetry.console."""
