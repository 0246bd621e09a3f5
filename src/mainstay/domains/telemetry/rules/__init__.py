"""Pure decisions of telemetry: identity of series, charts, limits, times."""
